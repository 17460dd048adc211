"""Layers of vectors beside PyTorch's: dense, tables, normalisations, activations; in every type, and of no samples."""

import pytest

BATCH, SEQUENCE, PLANE = (4, 6), (3, 6, 5), (3, 6, 5, 3)

# The layer, its settings, and its inputs: the shape of each, with the number of classes where it holds labels.
TABLE = [
    ("Linear", {"in_features": 6, "out_features": 3}, [BATCH]),
    ("Linear", {"in_features": 5, "out_features": 1, "bias": False}, [SEQUENCE]),
    ("Bilinear", {"in1_features": 6, "in2_features": 5, "out_features": 3}, [BATCH, (4, 5)]),
    ("Flatten", {"start_dim": 1}, [PLANE]),
    ("Embedding", {"num_embeddings": 10, "embedding_dim": 4, "padding_idx": 2}, [((3, 5), 10)]),
    ("EmbeddingBag", {"num_embeddings": 10, "embedding_dim": 4}, [((3, 5), 10)]),
    ("EmbeddingBag", {"num_embeddings": 10, "embedding_dim": 4, "mode": "sum", "padding_idx": 1}, [((3, 5), 10)]),
    ("EmbeddingBag", {"num_embeddings": 10, "embedding_dim": 4, "mode": "max"}, [((3, 5), 10)]),
    ("BatchNorm1d", {"num_features": 6}, [BATCH]),
    ("BatchNorm1d", {"num_features": 6, "momentum": None, "bias": False}, [SEQUENCE]),
    ("BatchNorm2d", {"num_features": 6, "track_running_stats": False}, [PLANE]),
    ("BatchNorm3d", {"num_features": 2, "affine": False}, [(3, 2, 3, 1, 5)]),
    ("InstanceNorm1d", {"num_features": 6, "affine": True, "bias": False}, [SEQUENCE]),
    ("InstanceNorm2d", {"num_features": 6, "track_running_stats": True}, [PLANE]),
    ("InstanceNorm3d", {"num_features": 2, "affine": True}, [(3, 2, 3, 1, 5)]),
    ("LayerNorm", {"normalized_shape": (5, 3)}, [PLANE]),
    ("LayerNorm", {"normalized_shape": 6, "bias": False}, [BATCH]),
    ("GroupNorm", {"num_groups": 2, "num_channels": 6}, [PLANE]),
    ("GroupNorm", {"num_groups": 3, "num_channels": 6, "bias": False}, [SEQUENCE]),
    ("RMSNorm", {"normalized_shape": 6}, [BATCH]),
    ("LocalResponseNorm", {"size": 3, "alpha": 0.1}, [SEQUENCE]),
    ("ReLU", {}, [BATCH]),
    ("LeakyReLU", {"negative_slope": 0.3}, [BATCH]),
    ("PReLU", {"num_parameters": 6}, [SEQUENCE]),
    ("ReLU6", {}, [BATCH]),
    ("ELU", {"alpha": 0.5}, [BATCH]),
    ("CELU", {"alpha": 0.5}, [BATCH]),
    ("SELU", {}, [BATCH]),
    ("GELU", {}, [BATCH]),
    ("GELU", {"approximate": "tanh"}, [BATCH]),
    ("SiLU", {}, [BATCH]),
    ("Mish", {}, [BATCH]),
    ("Sigmoid", {}, [BATCH]),
    ("LogSigmoid", {}, [BATCH]),
    ("Hardswish", {}, [BATCH]),
    ("Hardtanh", {}, [BATCH]),
    ("Hardshrink", {}, [BATCH]),
    ("Softshrink", {}, [BATCH]),
    ("Tanhshrink", {}, [BATCH]),
    ("Threshold", {"threshold": 0.1, "value": 2.0}, [BATCH]),
    ("Tanh", {}, [BATCH]),
    ("Softplus", {"beta": 2.0}, [BATCH]),
    ("Softsign", {}, [BATCH]),
    ("GLU", {}, [BATCH]),
    ("Softmax", {"dim": 1}, [SEQUENCE]),
    ("Softmin", {"dim": -1}, [SEQUENCE]),
    ("LogSoftmax", {"dim": 1}, [BATCH]),
    ("Softmax2d", {}, [PLANE]),
    ("CosineSimilarity", {}, [BATCH, BATCH]),
    ("CosineSimilarity", {"dim": -1}, [SEQUENCE, SEQUENCE]),
    ("PairwiseDistance", {}, [BATCH, BATCH]),
    ("PairwiseDistance", {"p": 1.0}, [SEQUENCE, SEQUENCE]),
]
EVERY = pytest.mark.parametrize(("name", "settings", "inputs"), TABLE)


@EVERY
def test_layers_are_pytorchs(name, settings, inputs, like_pytorch):
    like_pytorch(name, settings, inputs).agree()


@EVERY
def test_layers_of_an_empty_batch_are_pytorchs(name, settings, inputs, like_pytorch, empty):
    pair = like_pytorch(name, settings, [empty(each, 0) for each in inputs])
    if name.startswith("InstanceNorm"):  # PyTorch refuses it
        assert pair.found(compiled=False)[0].shape == empty(inputs[0], 0)
    else:
        pair.agree()


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_layers_are_pytorchs_in_every_type(name, settings, inputs, dtype, like_pytorch):
    like_pytorch(name, settings, inputs, dtype).agree()


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_compiled_layers_are_pytorchs(name, settings, inputs, dtype, like_pytorch, empty):
    like_pytorch(name, settings, inputs, dtype).agree(compiled=True)
    if not name.startswith("InstanceNorm"):
        like_pytorch(name, settings, [empty(each, 0) for each in inputs], dtype).agree(compiled=True)
