"""Losses against PyTorch: values and gradients in float64, for every reduction and option."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn

REDUCTIONS = ("mean", "sum", "none")
SEEDS = st.integers(0, 2**31)

every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
few = settings(deadline=None, max_examples=25)


def compare(ours, theirs, *arrays, track, rtol=1e-10):
    """Compare values, and gradients by the first ``track`` arrays, under a random cotangent."""
    torch = pytest.importorskip("torch")
    mine = [la.variable(each) if at < track else la.asarray(each) for at, each in enumerate(arrays)]
    other = [torch.tensor(each, requires_grad=at < track) for at, each in enumerate(arrays)]
    y, expected = ours(*mine), theirs(torch.nn.functional, *other)
    assert y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=rtol, atol=1e-12)
    cotangent = np.random.default_rng(1).normal(size=y.shape)
    gradients = y.backward(la.asarray(cotangent))
    expected.backward(torch.tensor(cotangent))
    for variable, leaf in list(zip(mine, other, strict=True))[:track]:
        np.testing.assert_allclose(gradients.wrt(variable).numpy(), leaf.grad.numpy(), rtol=rtol, atol=1e-12)


def tensor_options(options, make):
    return {name: make(each) if isinstance(each, np.ndarray) else each for name, each in options.items()}


def check(name, *arrays, track=1, rtol=1e-10, **options):
    torch = pytest.importorskip("torch")
    compare(
        lambda *x: getattr(nn, name)(*x, **tensor_options(options, la.asarray)),
        lambda f, *x: getattr(f, name)(*x, **tensor_options(options, torch.tensor)),
        *arrays,
        track=track,
        rtol=rtol,
    )


# --- regression -------------------------------------------------------------------------------------------

REGRESSION = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("huber_loss", {}),
    ("huber_loss", {"delta": 0.3}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.3}),
    ("smooth_l1_loss", {"beta": 0.0}),
]


@pytest.mark.parametrize(("name", "options"), REGRESSION)
@every_reduction
@given(st.lists(st.integers(1, 4), max_size=3), SEEDS)
@few
def test_regression_losses_are_pytorchs(name, options, reduction, shape, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    check(name, x, y, track=2, reduction=reduction, **options)


@pytest.mark.parametrize(("name", "options"), REGRESSION)
def test_regression_losses_at_their_corners_and_far_away(name, options):
    x = np.array([0.0, 1.0, -1.0, 0.3, -0.3, 1e8, -1e8])
    check(name, x, np.zeros(7), track=2, reduction="none", **options)


@pytest.mark.parametrize(("name", "options"), REGRESSION)
def test_regression_losses_have_no_nan_where_a_square_overflows(name, options):
    x = la.variable([1e30, -1e30])
    y = getattr(nn, name)(x, la.zeros(2), **options)
    gradient = y.backward()[x]
    assert not la.isnan(y)
    assert not la.isnan(gradient).any()


def test_a_tiny_step_of_smooth_l1_and_huber_is_a_line():
    x = la.asarray([2.0, -3.0])
    np.testing.assert_allclose(nn.smooth_l1_loss(x, la.zeros(2), "none", 1e-6).numpy(), [2.0, 3.0], rtol=1e-6)


# --- binary cross-entropy ---------------------------------------------------------------------------------


@every_reduction
@pytest.mark.parametrize("weighted", [(), ("weight",), ("pos_weight",), ("weight", "pos_weight")])
@given(SEEDS)
@few
def test_binary_cross_entropy_is_pytorchs(reduction, weighted, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(4, 3)) * 3.0, rng.random((4, 3))
    y = np.where(rng.random((4, 3)) < 0.5, np.round(y), y)
    options = {name: rng.random(3) * 4.0 for name in weighted}
    check("binary_cross_entropy_with_logits", x, y, track=2, reduction=reduction, **options)


@pytest.mark.parametrize("pos_weight", [None, 0.5, 3.0])
def test_binary_cross_entropy_is_exact_for_large_logits_and_at_zero(pos_weight):
    x = np.array([[0.0], [1e4], [-1e4], [40.0], [-40.0], [700.0], [-800.0]]) + np.zeros((1, 3))
    y = np.zeros((7, 1)) + np.array([[0.0, 0.5, 1.0]])
    p = 1.0 if pos_weight is None else pos_weight
    with np.errstate(over="ignore"):
        magnitude = np.abs(x)
        tail = np.log1p(np.exp(-magnitude))
        expected = p * y * (np.where(x < 0, magnitude, 0.0) + tail) + (1 - y) * (np.where(x > 0, magnitude, 0.0) + tail)
        s = 1.0 / (1.0 + np.exp(-x))
    given_weight = None if pos_weight is None else la.full((3,), pos_weight, dtype="float64")
    logits = la.variable(x)
    losses = nn.binary_cross_entropy_with_logits(logits, la.asarray(y), pos_weight=given_weight, reduction="none")
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-14, atol=0.0)
    gradient = losses.backward()[logits].numpy()
    np.testing.assert_allclose(gradient, (1 - y) * s - p * y * (1 - s), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_binary_cross_entropy_never_overflows(dtype):
    x = la.variable(np.array([1e4, -1e4, 88.0, -88.0]), dtype=dtype)
    loss = nn.binary_cross_entropy_with_logits(x, la.asarray([0, 1, 1, 0]), reduction="none")
    assert loss.dtype.name == dtype
    assert la.isfinite(loss).all()
    assert la.isfinite(loss.backward()[x]).all()


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8", "float64"])
def test_binary_targets_may_be_bool_or_integers(dtype):
    x = la.asarray([0.3, -2.0])
    loss = nn.binary_cross_entropy_with_logits(x, la.asarray([1, 0]).astype(dtype))
    assert loss.item() == pytest.approx(nn.binary_cross_entropy_with_logits(x, la.asarray([1.0, 0.0])).item(), rel=1e-6)


# --- cross-entropy ----------------------------------------------------------------------------------------

SHAPES = [(5,), (4, 3), (4, 3, 2), (2, 3, 2, 3)]


def labels_of(rng, shape):
    """Return the shape of labels, and how many classes there are."""
    axis = 0 if len(shape) == 1 else 1
    return shape[:axis] + shape[axis + 1 :], shape[axis]


@every_reduction
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("ignored", [None, -100, 1])
def test_cross_entropy_of_labels_is_pytorchs(reduction, shape, smoothing, weighted, ignored):
    rng = np.random.default_rng(len(shape))
    label_shape, classes = labels_of(rng, shape)
    labels = rng.integers(0, classes, label_shape)
    options = {"label_smoothing": smoothing, "reduction": reduction}
    if ignored is not None:
        labels = np.where(rng.random(label_shape) < 0.3, ignored, labels) if label_shape else labels
        options["ignore_index"] = ignored
    if weighted:
        options["weight"] = rng.random(classes) + 0.1
    check("cross_entropy", rng.normal(size=shape) * 4.0, labels, **options)


@given(st.integers(1, 5), st.integers(1, 6), st.floats(0.0, 1.0), SEEDS)
@few
def test_cross_entropy_of_any_labels_is_pytorchs(count, classes, smoothing, seed):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(count) < 0.2, -100, rng.integers(0, classes, count))
    labels[0] = 0
    check("cross_entropy", rng.normal(size=(count, classes)), labels, label_smoothing=smoothing)


@every_reduction
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_cross_entropy_of_probabilities_is_pytorchs(reduction, shape, smoothing, weighted):
    rng = np.random.default_rng(len(shape))
    axis = 0 if len(shape) == 1 else 1
    q = rng.random(shape)
    q /= q.sum(axis=axis, keepdims=True)
    options = {"weight": rng.random(shape[axis]) + 0.1} if weighted else {}
    check(
        "cross_entropy", rng.normal(size=shape), q, track=2, reduction=reduction, label_smoothing=smoothing, **options
    )


def test_where_every_label_is_ignored_the_sum_is_zero_and_the_mean_nan():
    x, labels = la.zeros((2, 3)), la.asarray([-100, -100])
    assert nn.cross_entropy(x, labels, reduction="sum").item() == 0.0
    assert np.isnan(nn.cross_entropy(x, labels).item())


def test_rows_of_ignored_labels_may_hold_anything():
    x = la.variable([[np.nan, np.inf], [1.0, 2.0]])
    loss = nn.cross_entropy(x, la.asarray([-100, 0]))
    assert loss.item() == pytest.approx(np.log1p(np.e), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_cross_entropy_is_finite_for_large_logits(dtype):
    x = la.variable(np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 50.0]]), dtype=dtype)
    loss = nn.cross_entropy(x, la.asarray([0, 0]), reduction="none")
    np.testing.assert_array_equal(loss.numpy(), np.array([0.0, 2e4], dtype))
    np.testing.assert_array_equal(loss.backward()[x].numpy(), [[0.0, 0.0, 0.0], [-1.0, 1.0, 0.0]])


def test_classes_ruled_out_by_minus_infinity_do_not_matter():
    x = la.variable([[0.0, -np.inf, 0.0]])
    loss = nn.cross_entropy(x, la.asarray([0]))
    assert loss.item() == pytest.approx(np.log(2.0), rel=1e-6)
    np.testing.assert_allclose(loss.backward()[x].numpy(), [[-0.5, 0.0, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_labels_are_integers_of_any_type_and_number_of_classes(dtype):
    x = la.asarray(np.random.default_rng(0).normal(size=(3, 300)))
    expected = nn.cross_entropy(x, la.asarray([0, 1, 100])).item()
    assert nn.cross_entropy(x, la.asarray([0, 1, 100], dtype=dtype)).item() == expected


def test_an_empty_batch_has_a_sum_of_zero():
    assert nn.cross_entropy(la.zeros((0, 3)), la.zeros(0, dtype="int64"), reduction="sum").item() == 0.0
    assert nn.cross_entropy(la.zeros((0, 3)), la.zeros(0, dtype="int64"), reduction="none").shape == (0,)


@every_reduction
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("ignored", [None, -100, 1])
def test_negative_log_likelihood_is_pytorchs(reduction, shape, weighted, ignored):
    rng = np.random.default_rng(len(shape))
    label_shape, classes = labels_of(rng, shape)
    labels = rng.integers(0, classes, label_shape)
    options = {"reduction": reduction}
    if ignored is not None:
        labels = np.where(rng.random(label_shape) < 0.3, ignored, labels) if label_shape else labels
        options["ignore_index"] = ignored
    if weighted:
        options["weight"] = rng.random(classes) + 0.1
    check("nll_loss", np.log(rng.random(shape)), labels, **options)


@given(st.integers(1, 5), st.integers(1, 5), st.floats(-1e3, 1e3), SEEDS)
@few
def test_cross_entropy_does_not_change_when_all_logits_shift(count, classes, shift, seed):
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(count, classes)), la.asarray(rng.integers(0, classes, count))
    expected = nn.cross_entropy(la.asarray(x), labels).item()
    assert nn.cross_entropy(la.asarray(x + shift), labels).item() == pytest.approx(expected, rel=1e-9, abs=1e-11)


# --- divergence -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
@given(SEEDS)
@few
def test_kl_div_is_pytorchs(reduction, log_target, seed):
    rng = np.random.default_rng(seed)
    x, y = np.log(rng.dirichlet(np.ones(3), 4)), rng.dirichlet(np.ones(3), 4)
    check("kl_div", x, np.log(y) if log_target else y, track=2, reduction=reduction, log_target=log_target)


def test_kl_div_is_zero_where_the_target_is():
    x = np.log(np.array([[0.5, 0.25, 0.25]]))
    check("kl_div", x, np.array([[1.0, 0.0, 0.0]]), reduction="sum")


# --- margins and angles -----------------------------------------------------------------------------------


def signs(rng, shape):
    return np.where(rng.random(shape) < 0.5, 1.0, -1.0)


@every_reduction
@pytest.mark.parametrize("margin", [1.0, 0.4])
@given(st.lists(st.integers(1, 4), max_size=2), SEEDS)
@few
def test_hinge_embedding_loss_is_pytorchs(reduction, margin, shape, seed):
    rng = np.random.default_rng(seed)
    check("hinge_embedding_loss", rng.normal(size=shape), signs(rng, shape), reduction=reduction, margin=margin)


@given(st.integers(2, 6), SEEDS)
@few
def test_hinge_loss_is_that_of_scikit_learn(count, seed):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=count), signs(rng, count)
    y[:2] = 1.0, -1.0
    assert nn.hinge_loss(la.asarray(x), la.asarray(y)).item() == pytest.approx(metrics.hinge_loss(y, x))


@every_reduction
def test_hinge_loss_is_pytorchs_multi_margin_form(reduction):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=7), signs(rng, 7)

    def theirs(f, scores, labels):
        losses = (2.0 - labels * scores).clamp(min=0.0)
        return losses if reduction == "none" else getattr(losses, reduction)()

    compare(lambda *a: nn.hinge_loss(*a, reduction=reduction, margin=2.0), theirs, x, y, track=1)


def test_labels_of_margins_may_be_integers():
    x = la.asarray([0.5, 2.0])
    for name in ("hinge_loss", "hinge_embedding_loss"):
        f = getattr(nn, name)
        assert f(x, la.asarray([1, -1])).item() == f(x, la.asarray([1.0, -1.0])).item()


@pytest.mark.parametrize(("axis", "shapes"), [(1, [(4, 3), (4, 3)]), (0, [(4, 3), (4, 3)]), (-1, [(2, 4, 3), (4, 3)])])
def test_cosine_similarity_is_pytorchs(axis, shapes):
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=shape) for shape in shapes)
    compare(
        lambda a, b: nn.cosine_similarity(a, b, axis),
        lambda f, a, b: f.cosine_similarity(a, b, axis),
        first, second, track=2,
    )  # fmt: skip


@pytest.mark.parametrize("length", [1, 5, 40])
def test_compiled_cosine_similarity_of_short_and_long_vectors_is_that_of_eager_code(length):
    rng = np.random.default_rng(0)
    arrays = [la.asarray(rng.normal(size=shape)) for shape in ((3, length), (3, length), (3,))]

    def both(a, b, c):
        a, b = la.variable(a), la.variable(b)
        y = nn.cosine_similarity(a, b)
        gradients = y.backward(c)
        return y, gradients[a], gradients[b]

    for found, expected in zip(la.compile(both)(*arrays), both(*arrays), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-14)


def test_cosine_similarity_of_a_vector_of_zeros_is_zero_with_a_finite_gradient():
    x = la.variable([[0.0, 0.0]])
    y = nn.cosine_similarity(x, la.ones((1, 2)))
    assert y.item() == 0.0
    assert la.isfinite(y.backward()[x]).all()


@every_reduction
@pytest.mark.parametrize("margin", [0.0, 0.5, -0.5])
@pytest.mark.parametrize("shape", [(6, 3), (3,)])
def test_cosine_embedding_loss_is_pytorchs(reduction, margin, shape):
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=shape), rng.normal(size=shape), signs(rng, shape[:-1])
    check("cosine_embedding_loss", *arrays, track=2, reduction=reduction, margin=margin)


def test_cosine_embedding_loss_of_zeros_is_pytorchs():
    # What is added to squared lengths is 1e-12, in PyTorch rounded to float32 also in float64.
    check("cosine_embedding_loss", np.zeros((2, 3)), np.ones((2, 3)), np.array([1.0, -1.0]), track=2, rtol=1e-8)


def test_margin_losses_at_their_corners_have_pytorchs_gradient():
    check("hinge_embedding_loss", np.array([1.0, 0.0]), np.array([-1.0, 1.0]))
    check("cosine_embedding_loss", np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([-1.0]), track=2)


# --- layers, devices --------------------------------------------------------------------------------------

X = np.array([[0.2, -1.0], [0.7, 2.0]])
P = np.array([[0.25, 0.75], [1.0, 0.0]])
LABELS = np.array([1, 0])
SIGNS = np.array([[1.0, -1.0], [-1.0, 1.0]])
W = np.array([0.3, 2.0])

# layer, function, its options, arrays, repr
LAYERS = [
    (nn.MSELoss(), nn.mse_loss, {}, (X, P), "MSELoss(reduction='mean')"),
    (nn.L1Loss(reduction="sum"), nn.l1_loss, {"reduction": "sum"}, (X, P), "L1Loss(reduction='sum')"),
    (nn.HuberLoss(delta=0.5), nn.huber_loss, {"delta": 0.5}, (X, P), "HuberLoss(reduction='mean', delta=0.5)"),
    (nn.SmoothL1Loss(beta=2.0), nn.smooth_l1_loss, {"beta": 2.0}, (X, P), "SmoothL1Loss(reduction='mean', beta=2.0)"),
    (
        nn.BCEWithLogitsLoss(pos_weight=la.asarray(W)), nn.binary_cross_entropy_with_logits,
        {"pos_weight": la.asarray(W)}, (X, P), "BCEWithLogitsLoss(pos_weight=[2], reduction='mean')",
    ),
    (
        nn.CrossEntropyLoss(weight=la.asarray(W), label_smoothing=0.1), nn.cross_entropy,
        {"weight": la.asarray(W), "label_smoothing": 0.1}, (X, LABELS),
        "CrossEntropyLoss(weight=[2], ignore_index=-100, reduction='mean', label_smoothing=0.1)",
    ),
    (
        nn.NLLLoss(ignore_index=1, reduction="none"), nn.nll_loss, {"ignore_index": 1, "reduction": "none"},
        (X, LABELS), "NLLLoss(ignore_index=1, reduction='none')",
    ),
    (
        nn.KLDivLoss(reduction="batchmean"), nn.kl_div, {"reduction": "batchmean"}, (X, P),
        "KLDivLoss(reduction='batchmean', log_target=False)",
    ),
    (nn.HingeLoss(), nn.hinge_loss, {}, (X, SIGNS), "HingeLoss(margin=1.0, reduction='mean')"),
    (
        nn.HingeEmbeddingLoss(margin=2.0), nn.hinge_embedding_loss, {"margin": 2.0}, (X, SIGNS),
        "HingeEmbeddingLoss(margin=2.0, reduction='mean')",
    ),
    (
        nn.CosineEmbeddingLoss(margin=0.1), nn.cosine_embedding_loss, {"margin": 0.1}, (X, P, SIGNS[0]),
        "CosineEmbeddingLoss(margin=0.1, reduction='mean')",
    ),
    (nn.CosineSimilarity(axis=0), nn.cosine_similarity, {"axis": 0}, (X, P), "CosineSimilarity(axis=0, eps=1e-08)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "function", "options", "arrays", "text"), LAYERS, ids=[type(row[0]).__name__ for row in LAYERS]
)
def test_a_layer_applies_its_function_with_its_settings(layer, function, options, arrays, text):
    tensors = [la.asarray(each) for each in arrays]
    np.testing.assert_array_equal(layer(*tensors).numpy(), function(*tensors, **options).numpy())
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("function", "options", "arrays"), [row[1:4] for row in LAYERS], ids=[row[1].__name__ for row in LAYERS]
)
def test_losses_are_the_same_on_another_backend(function, options, arrays):
    there = {name: each.to("strict") if isinstance(each, la.Tensor) else each for name, each in options.items()}
    result = function(*(la.asarray(each, device="strict") for each in arrays), **there)
    assert result.device == "strict"
    np.testing.assert_allclose(result.numpy(), function(*map(la.asarray, arrays), **options).numpy(), rtol=1e-12)


def test_class_weights_and_margins_come_third_as_in_pytorch():
    x, labels, w = la.asarray(X), la.asarray(LABELS), la.asarray(W)
    assert nn.cross_entropy(x, labels, w).item() == nn.CrossEntropyLoss(w)(x, labels).item()
    assert nn.nll_loss(x, labels, w).item() == nn.NLLLoss(w)(x, labels).item()
    y = la.asarray(SIGNS)
    assert nn.hinge_embedding_loss(x, y, 0.2).item() == nn.HingeEmbeddingLoss(margin=0.2)(x, y).item()


def test_weights_of_a_loss_layer_are_buffers():
    layer = nn.CrossEntropyLoss(weight=la.asarray([1.0, 2.0]))
    assert layer.parameters() == []
    assert list(layer.state_dict()) == ["weight"]
    assert layer.to("strict").weight.device == "strict"


@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits"]
)
def test_the_type_of_a_loss_is_that_of_the_input(name):
    x, y = la.asarray([0.5, 0.25], dtype="float16"), la.asarray([1, 0])
    assert getattr(nn, name)(x, y).dtype is la.float16
