"""CTC against PyTorch, in values and gradients by the logits, and against all readings written out."""

import itertools
import math

import numpy as np
import pytest

import lamina as la
from lamina import nn


def drawn(steps, count, classes, longest, blank, seed=0):
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(steps, count, classes))
    labels = [each for each in range(classes) if each != blank]
    return logits, rng.choice(labels, size=(count, longest))


PROBLEMS = {
    # time, samples, classes, longest target, blank, input lengths, target lengths
    "plain": (12, 3, 5, 4, 0, [12, 9, 10], [4, 2, 3]),
    "blank behind": (9, 2, 4, 3, 3, [9, 7], [3, 1]),
    "blank between": (9, 2, 4, 3, 1, [9, 9], [3, 3]),
    "one label": (5, 2, 2, 3, 0, [5, 5], [3, 2]),
    "nothing to read": (6, 3, 4, 2, 0, [6, 4, 1], [0, 2, 0]),
    "just enough time": (4, 1, 6, 4, 0, [4], [2]),
    "one time": (1, 2, 3, 1, 0, [1, 1], [1, 0]),
}


def compare(problem, reduction="mean", zero_infinity=False, form="padded", compiled=False, dtype="float64", tol=1e-9):
    torch = pytest.importorskip("torch")
    steps, count, classes, longest, blank, times, lengths = problem
    logits, targets = drawn(steps, count, classes, longest, blank)
    logits = logits.astype(dtype)
    if form == "joined":
        targets = np.concatenate([row[:length] for row, length in zip(targets, lengths, strict=True)])
    if form == "one":
        logits, targets, times, lengths = logits[:, 0], targets[0, : lengths[0]], times[0], lengths[0]
    cotangent = np.random.default_rng(5).normal(size=() if reduction != "none" or form == "one" else (count,))

    def both(logits, cotangent, targets, times, lengths):
        x = la.variable(logits)
        loss = nn.ctc_loss(la.log_softmax(x, axis=-1), targets, times, lengths, blank, reduction, zero_infinity)
        return loss, loss.backward(cotangent)[x]

    given = [la.asarray(each) for each in (logits, cotangent.astype(dtype), targets, times, lengths)]
    loss, gradient = (la.compile(both) if compiled else both)(*given)
    leaf = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.ctc_loss(
        leaf.log_softmax(-1),
        torch.tensor(targets),
        torch.tensor(times),
        torch.tensor(lengths),
        blank,
        reduction,
        zero_infinity,
    )
    expected.backward(torch.tensor(cotangent.astype(dtype)))
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=tol)
    np.testing.assert_allclose(gradient.numpy(), leaf.grad.numpy(), rtol=tol, atol=tol)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("form", ["padded", "joined", "one"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_ctc_is_pytorchs_in_values_and_gradients(name, form, reduction):
    compare(PROBLEMS[name], reduction, form=form)


@pytest.mark.parametrize("name", ["plain", "nothing to read"])
@pytest.mark.parametrize("form", ["padded", "joined"])
def test_compiled_ctc_is_pytorchs(name, form):
    compare(PROBLEMS[name], "none", form=form, compiled=True)


def test_ctc_of_float32_and_of_many_times():
    # PyTorch's own gradients in float32 are up to 3e-4 of the largest away from those in float64.
    compare((150, 4, 20, 30, 0, [150, 140, 120, 100], [30, 20, 25, 1]), dtype="float32", tol=1e-3)
    compare((150, 4, 20, 30, 0, [150, 140, 120, 100], [30, 20, 25, 1]), tol=1e-8)


def test_what_cannot_be_read_is_infinite_or_zero():
    problem = (5, 3, 4, 4, 0, [3, 5, 2], [4, 2, 2])
    compare(problem, "none", zero_infinity=True)
    compare(problem, "mean", zero_infinity=True)
    logits, targets = drawn(*problem[:5])
    found = nn.ctc_loss(la.log_softmax(la.asarray(logits)), la.asarray(targets), *problem[5:], reduction="none")
    assert found[0] == math.inf
    assert np.isfinite(found[1].item())


def test_the_likelihood_is_the_sum_over_all_readings():
    logits, _ = drawn(5, 1, 3, 1, 0)
    probabilities = np.exp(logits[:, 0]) / np.exp(logits[:, 0]).sum(-1, keepdims=True)
    for target in ([1, 2], [1, 1], [2], []):
        total = 0.0
        for reading in itertools.product(range(3), repeat=5):
            if [label for label, _ in itertools.groupby(reading) if label] == target:
                total += math.prod(probabilities[time, label] for time, label in enumerate(reading))
        given = la.log_softmax(la.asarray(logits), axis=-1), la.asarray(np.array([target], np.int64).reshape(1, -1))
        found = nn.ctc_loss(*given, [5], [len(target)], reduction="none")
        np.testing.assert_allclose(math.exp(-found.item()), total, rtol=1e-12)


def test_probabilities_of_zero_give_no_nan():
    x = la.variable(np.where(np.arange(3) == 2, -np.inf, np.log(0.5)) * np.ones((4, 1, 1)))
    loss = nn.ctc_loss(x, la.asarray([[1]]), [4], [1])
    assert np.isfinite(loss.item())
    assert np.isfinite(loss.backward()[x].numpy()).all()
    impossible = nn.ctc_loss(x, la.asarray([[2]]), [4], [1])
    assert impossible.item() == math.inf
    assert np.isfinite(impossible.backward()[x].numpy()).all()


def test_the_layer_holds_the_settings():
    problem = PROBLEMS["blank behind"]
    logits, targets = drawn(*problem[:5])
    given = la.log_softmax(la.asarray(logits)), la.asarray(targets), *problem[5:]
    assert nn.CTCLoss(3, "sum")(*given).item() == nn.ctc_loss(*given, 3, "sum").item()
    assert repr(nn.CTCLoss(3)) == "CTCLoss(blank=3, reduction='mean', zero_infinity=False)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_lengths": [13, 9, 10]}, "input_lengths are from 0 to 12"),
        ({"target_lengths": [5, 2, 3]}, "target_lengths are from 0 to 4"),
        ({"target_lengths": [5, 2]}, r"target_lengths has shape \[2\], expected \[3\]"),
        ({"blank": 5}, "blank is one of the 5 classes"),
        ({"targets": la.zeros((3, 4))}, "targets are integers"),
        ({"targets": la.asarray([1, 2, 3])}, "add up to something else"),
        ({"targets": la.asarray([[1, 2, 3]])}, "a row for each of 3 samples"),
        ({"reduction": "median"}, "reduction must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    logits, targets = drawn(12, 3, 5, 4, 0)
    given = {
        "log_probs": la.log_softmax(la.asarray(logits)),
        "targets": la.asarray(targets),
        "input_lengths": [12, 9, 10],
        "target_lengths": [3, 2, 3],
    }
    with pytest.raises(la.LaminaError, match=message):
        nn.ctc_loss(**{**given, **change})
