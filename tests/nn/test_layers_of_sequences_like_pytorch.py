"""Recurrence, attention and transformers beside PyTorch's: weights, values, gradients, types, odd sizes, no samples."""

import pytest

CELL = {"input_size": 3, "hidden_size": 5}
LAYERS = {**CELL, "num_layers": 2, "bidirectional": True, "batch_first": True}
WIDTH = {"d_model": 6, "nhead": 2, "dim_feedforward": 7, "dropout": 0.0, "batch_first": True}
STACK = {"num_encoder_layers": 1, "num_decoder_layers": 2}
X, Y = (3, 5, 6), (3, 4, 6)

# The layer, its settings, and the shapes of its inputs.
TABLE = [
    ("RNN", LAYERS, [(4, 5, 3)]),
    ("RNN", {**CELL, "nonlinearity": "relu", "bias": False, "batch_first": True}, [(4, 1, 3)]),
    ("GRU", LAYERS, [(4, 5, 3)]),
    ("GRU", {**CELL, "batch_first": True}, [(1, 7, 3)]),
    ("LSTM", LAYERS, [(4, 5, 3)]),
    ("LSTM", {**CELL, "proj_size": 2, "batch_first": True}, [(4, 5, 3)]),
    ("RNNCell", CELL, [(4, 3), (4, 5)]),
    ("RNNCell", {**CELL, "nonlinearity": "relu", "bias": False}, [(4, 3)]),
    ("GRUCell", CELL, [(4, 3), (4, 5)]),
    ("LSTMCell", CELL, [(4, 3)]),
    ("MultiheadAttention", {"embed_dim": 6, "num_heads": 2, "batch_first": True}, [X, Y, Y]),
    ("MultiheadAttention", {"embed_dim": 6, "num_heads": 3, "kdim": 4, "vdim": 5, "batch_first": True},
     [X, (3, 4, 4), (3, 4, 5)]),
    ("MultiheadAttention", {"embed_dim": 6, "num_heads": 2, "add_bias_kv": True, "add_zero_attn": True,
     "batch_first": True}, [X, Y, Y]),
    ("TransformerEncoderLayer", WIDTH, [X]),
    ("TransformerEncoderLayer", {**WIDTH, "norm_first": True, "activation": "gelu", "bias": False}, [X]),
    ("TransformerDecoderLayer", WIDTH, [X, Y]),
    ("TransformerDecoderLayer", {**WIDTH, "norm_first": True}, [X, Y]),
    ("Transformer", {**WIDTH, **STACK}, [X, Y]),
]  # fmt: skip
# PyTorch says which of its ways it takes.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")
EVERY = pytest.mark.parametrize(("name", "settings", "inputs"), TABLE)


@EVERY
def test_layers_are_pytorchs(name, settings, inputs, like_pytorch):
    like_pytorch(name, settings, inputs).agree()


@EVERY
def test_layers_of_an_empty_batch_are_pytorchs(name, settings, inputs, like_pytorch, empty):
    like_pytorch(name, settings, [empty(each, 0) for each in inputs]).agree()


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_layers_are_pytorchs_in_every_type(name, settings, inputs, dtype, like_pytorch):
    like_pytorch(name, settings, inputs, dtype).agree()


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_compiled_layers_are_pytorchs(name, settings, inputs, dtype, like_pytorch, empty):
    like_pytorch(name, settings, inputs, dtype).agree(compiled=True)
    like_pytorch(name, settings, [empty(each, 0) for each in inputs], dtype).agree(compiled=True)
