"""Every loss layer beside PyTorch's: values, gradients, types, reductions, and of no samples."""

import pytest

X, P, S, LABELS = (4, 5), ((4, 5), (0.1, 0.9)), ((4, 5), (0.5, 2.0)), ((4,), 5)

# The layer, its settings, and its inputs: shapes, with the ends of a range or the number of classes if there are any.
TABLE = [
    ("MSELoss", {}, [X, X]),
    ("L1Loss", {}, [X, X]),
    ("HuberLoss", {"delta": 0.5}, [X, X]),
    ("SmoothL1Loss", {"beta": 0.5}, [X, X]),
    ("BCELoss", {}, [P, P]),
    ("BCEWithLogitsLoss", {}, [X, P]),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, [X, LABELS]),
    ("CrossEntropyLoss", {"ignore_index": 1}, [(4, 5, 3), ((4, 3), 5)]),
    ("CrossEntropyLoss", {}, [X, P]),
    ("NLLLoss", {}, [X, LABELS]),
    ("KLDivLoss", {}, [X, P]),
    ("MultiMarginLoss", {"p": 2}, [X, LABELS]),
    ("MultiLabelMarginLoss", {}, [X, ((4, 5), 5)]),
    ("MultiLabelSoftMarginLoss", {}, [X, P]),
    ("PoissonNLLLoss", {}, [X, S]),
    ("GaussianNLLLoss", {}, [X, X, S]),
    ("TripletMarginLoss", {"swap": True}, [X, X, X]),
    ("TripletMarginWithDistanceLoss", {}, [X, X, X]),
]
EVERY = pytest.mark.parametrize(("name", "settings", "inputs"), TABLE)
REDUCED = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
# PyTorch has these of float32 and float64 only, and of no samples it reads memory that nobody wrote.
APART = ("MultiMarginLoss", "MultiLabelMarginLoss")


# PyTorch asks for another reduction than its default.
pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")


@EVERY
@REDUCED
def test_losses_are_pytorchs(name, settings, inputs, reduction, like_pytorch):
    like_pytorch(name, {**settings, "reduction": reduction}, inputs).agree()


@EVERY
@REDUCED
def test_losses_of_an_empty_batch_are_pytorchs(name, settings, inputs, reduction, like_pytorch, empty):
    pair = like_pytorch(name, {**settings, "reduction": reduction}, [empty(each, 0) for each in inputs])
    if name in APART:
        assert pair.found(compiled=False)[0].shape == ((0,) if reduction == "none" else ())
    else:
        pair.agree()


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_losses_are_pytorchs_in_every_type(name, settings, inputs, dtype, like_pytorch):
    if name in APART and dtype != "float32":
        pytest.skip("PyTorch has it of no such numbers")
    like_pytorch(name, settings, inputs, dtype).agree()


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_compiled_losses_are_pytorchs(name, settings, inputs, dtype, like_pytorch):
    if name in APART and dtype != "float64":
        pytest.skip("PyTorch has it of no such numbers")
    like_pytorch(name, {**settings, "reduction": "none"}, inputs, dtype).agree(compiled=True)
