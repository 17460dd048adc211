"""What losses refuse, and what they say."""

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.nn.label_checks import check_class_labels

PAIRED = [
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits", "kl_div", "hinge_loss",
    "hinge_embedding_loss",
]  # fmt: skip


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize(
    "shapes", [((4, 1), (4,)), ((4,), (4, 1)), ((4, 2), (2, 4)), ((4,), ()), ((1,), (4,))], ids=str
)
def test_shapes_that_differ_are_refused_not_broadcast(name, shapes):
    first, second = shapes
    with pytest.raises(la.ShapeError) as raised:
        getattr(nn, name)(la.ones(first), la.ones(second))
    assert str(raised.value) == (
        f"{name}: the input has shape {list(first)}, the target {list(second)}; they must be equal, so reshape one"
    )


@pytest.mark.parametrize("name", [*PAIRED, "nll_loss", "cross_entropy"])
def test_an_unknown_reduction_is_refused(name):
    x = la.ones((1, 2)) if name in ("nll_loss", "cross_entropy") else la.ones(2)
    y = la.asarray([0]) if name in ("nll_loss", "cross_entropy") else la.ones(2)
    with pytest.raises(ValueError, match=f"{name}: reduction must be one of mean, .*sum, none, got 'average'"):
        getattr(nn, name)(x, y, reduction="average")


@pytest.mark.parametrize("name", [*PAIRED, "nll_loss", "cross_entropy"])
def test_arrays_are_refused_with_the_remedy(name):
    with pytest.raises(la.DTypeError, match=rf"{name}: expected a Tensor, got ndarray; make one with lamina\.asarray"):
        getattr(nn, name)(np.ones(2), np.ones(2))
    with pytest.raises(la.DTypeError, match="expected a Tensor, got list"):
        getattr(nn, name)(la.ones(2), [0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: nn.huber_loss(x, x, delta=0.0), "huber_loss: delta must be positive, got 0.0"),
        (lambda x: nn.smooth_l1_loss(x, x, beta=-1.0), "smooth_l1_loss: beta must not be negative, got -1.0"),
        (
            lambda x: nn.cross_entropy(x, la.asarray(0), label_smoothing=1.5),
            "label_smoothing must be from 0 to 1, got 1.5",
        ),
        (lambda x: nn.cross_entropy(x, x, ignore_index=2), "ignore_index is for integer labels"),
    ],
)
def test_settings_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(la.ones(2))


# --- classes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("label", [3, -1, 1000])
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_a_label_out_of_range_is_named_with_the_range(name, label, device):
    x, labels = la.zeros((3, 3), device=device), la.asarray([0, label, -100], device=device)
    with pytest.raises(la.DataError) as raised:
        getattr(nn, name)(x, labels)
    assert str(raised.value) == (
        f"{name}: the label {label} is out of range: for 3 classes labels are 0 to 2, "
        "or -100 (ignore_index) for what does not count"
    )


def test_the_default_ignored_label_is_out_of_range_where_another_is_given():
    with pytest.raises(la.DataError, match="the label -100 is out of range"):
        nn.cross_entropy(la.zeros((1, 3)), la.asarray([-100]), ignore_index=255)


def test_huge_unsigned_labels_are_out_of_range():
    with pytest.raises(la.DataError, match="out of range"):
        nn.cross_entropy(la.zeros((1, 3)), la.asarray([2**64 - 1], dtype="uint64"))


@pytest.mark.parametrize(
    ("labels", "ignored", "some"),
    [
        ([0, 2], -100, False),
        ([0, -100], -100, True),
        ([0, 1], 1, True),
        ([0, 2], 1, False),
        ([], -100, False),
        ([5], 5, True),
    ],
)
def test_the_check_tells_whether_a_label_is_ignored(labels, ignored, some):
    target = la.asarray(np.array(labels, np.int64))
    assert check_class_labels("cross_entropy", target, 3, ignored) is some


@pytest.mark.parametrize(
    ("input", "target", "expected"),
    [((4, 3), (4, 1), "[4]"), ((4, 3), (3,), "[4]"), ((4, 3, 2), (4, 3), "[4, 2]"), ((3,), (1,), "[]")],
)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_labels_have_the_shape_of_the_input_without_its_classes(name, input, target, expected):
    with pytest.raises(la.ShapeError) as raised:
        getattr(nn, name)(la.zeros(input), la.zeros(target, dtype="int64"))
    axis = 0 if len(input) == 1 else 1
    assert str(raised.value) == (
        f"{name}: for an input of shape {list(input)}, with classes along axis {axis}, labels have shape {expected}; "
        f"got {list(target)}"
    )


def test_labels_that_are_floats_are_taken_for_probabilities_and_told_apart():
    with pytest.raises(la.ShapeError) as raised:
        nn.cross_entropy(la.zeros((4, 3)), la.zeros(4))
    assert str(raised.value) == (
        "cross_entropy: for an input of shape [4, 3], probabilities have that shape and integer labels [4]; "
        "got float32[4]"
    )


@pytest.mark.parametrize(("name", "dtype"), [("cross_entropy", "bool"), ("nll_loss", "bool"), ("nll_loss", "float32")])
def test_labels_are_integers(name, dtype):
    with pytest.raises(la.DTypeError, match=f"{name}: labels are integers, got {dtype}"):
        getattr(nn, name)(la.zeros((2, 3)), la.zeros(2, dtype=dtype))


@pytest.mark.parametrize("shape", [(2,), (1, 3), ()])
def test_class_weights_are_one_for_each_class(shape):
    with pytest.raises(la.ShapeError, match=r"cross_entropy: weight has one number for each class, shape \[3\]; got"):
        nn.cross_entropy(la.zeros((2, 3)), la.asarray([0, 1]), weight=la.ones(shape))


def test_a_scalar_has_no_classes():
    with pytest.raises(
        la.ShapeError, match=r"expected an input of shape \[classes\] or \[n, classes, \.\.\.\], got \[\]"
    ):
        nn.cross_entropy(la.zeros(()), la.asarray(0))


# --- the others -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [1.5, -0.1, float("nan"), 2.0])
def test_binary_targets_are_probabilities(target):
    with pytest.raises(
        la.DataError, match=f"the target {target} is out of range: targets are probabilities, from 0 to 1"
    ):
        nn.binary_cross_entropy_with_logits(la.zeros(2), la.asarray([0.0, target]))


@pytest.mark.parametrize("parameter", ["weight", "pos_weight"])
@pytest.mark.parametrize("shape", [(2,), (4, 3, 1), (5, 4, 3)])
def test_weights_of_elements_broadcast_to_the_input_and_not_the_other_way(parameter, shape):
    x = la.zeros((4, 3))
    with pytest.raises(la.ShapeError, match=rf"{parameter} has shape .*, which does not broadcast to \[4, 3\]"):
        nn.binary_cross_entropy_with_logits(x, x, **{parameter: la.ones(shape)})


@pytest.mark.parametrize("name", ["hinge_loss", "hinge_embedding_loss"])
@pytest.mark.parametrize("label", [0, 2, -3])
def test_labels_of_margins_are_signs(name, label):
    with pytest.raises(la.DataError, match=f"{name}: the label {label} is out of range: labels are 1 or -1"):
        getattr(nn, name)(la.zeros(2), la.asarray([1, label]))


def test_the_labels_of_cosine_embedding_are_signs():
    with pytest.raises(la.DataError, match="cosine_embedding_loss: the label 0 is out of range"):
        nn.cosine_embedding_loss(la.ones((2, 3)), la.ones((2, 3)), la.asarray([0, 1]))


@pytest.mark.parametrize(("vectors", "labels"), [((2, 3), (3,)), ((2, 3), ()), ((3,), (1,)), ((2, 2, 3), (2, 2))])
def test_cosine_embedding_takes_vectors_and_one_label_for_each(vectors, labels):
    with pytest.raises(la.ShapeError, match="cosine_embedding_loss: expected vectors of shape"):
        nn.cosine_embedding_loss(la.ones(vectors), la.ones(vectors), la.ones(labels))


def test_the_axis_of_a_cosine_is_in_both():
    with pytest.raises(la.ShapeError, match=r"axis 0 is not in both \[2, 3\] and \[3\]"):
        nn.cosine_similarity(la.ones((2, 3)), la.ones(3), axis=0)
    with pytest.raises(la.ShapeError, match="axis 2 is out of range"):
        nn.cosine_similarity(la.ones((2, 3)), la.ones((2, 3)), axis=2)


def test_batchmean_needs_a_batch():
    with pytest.raises(la.ShapeError, match="divides by the length of the first axis"):
        nn.kl_div(la.zeros(()), la.ones(()), "batchmean")
