"""Connectionist temporal classification: the likelihood of a sequence whose places in time are not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.autodiff.scan import scan
from lamina.dtypes import int64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.elementwise import exp, log
from lamina.functions.operands import cast, floating, tensor, wide
from lamina.functions.reductions import cumulative_sum, mean, sum
from lamina.nn.label_checks import require_all
from lamina.nn.reduction import Reduction, check_reduction
from lamina.primitives.broadcasting import broadcast_to, reshape
from lamina.primitives.elementwise import bitwise_and, equal, less, less_equal, maximum, minimum, not_equal, where
from lamina.primitives.indexing import take, take_along_axis
from lamina.primitives.shaping import pad, part
from lamina.tensor import Tensor

Lengths = Tensor | Sequence[int] | int

_NEVER = -1e30
"""The logarithm of a probability of zero: finite, so that differences of two are no NaN."""


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return the negative log-likelihood of sequences of labels, over all ways to place them in time.

    At every time a label is read or a blank. What is read becomes a sequence by taking equal neighbours as one and
    then leaving out the blanks; the likelihood of a sequence is the sum of those of all readings that become it.

    Parameters
    ----------
    log_probs : Tensor of shape [time, n, classes] or [time, classes]
        Logarithms of probabilities, as `log_softmax` gives them.
    targets : Tensor of integers, shape [n, length] or [sum of the lengths]; without a batch [length]
        Labels, none of them the blank: with padding behind, which may be anything, or one sequence after the other.
    input_lengths : Tensor or sequence of int, shape [n], or int without a batch
        How many times of each sample count.
    target_lengths : Tensor or sequence of int, shape [n], or int without a batch
    blank : int, default 0
        Which class is the blank.
    reduction : {"mean", "sum", "none"}
        The mean is that of the losses over the lengths of their targets.
    zero_infinity : bool, default False
        Whether the loss of a sequence that cannot be read, for which there is too little time, is zero and not
        infinite. Its gradient is zero either way.

    Returns
    -------
    Tensor
        Of shape [], or for ``"none"`` [n], or [] without a batch.

    Raises
    ------
    ShapeError, DTypeError
        When shapes do not fit, or targets or lengths are no integers.
    DataError
        When there is no such blank, or a length is longer than what it is of.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> log_probs = la.log_softmax(la.zeros((2, 1, 3)), axis=-1)  # two times, three classes that are equally likely
    >>> nn.ctc_loss(log_probs, la.asarray([[1]]), [2], [1])  # 3 of 9 readings: 1 1, 1 -, - 1
    Tensor(1.0986, shape=[], dtype=float32)

    Source: A. Graves et al., "Connectionist temporal classification", ICML 2006, section 4.1.
    """
    check_reduction("ctc_loss", reduction)
    problem = _problem(log_probs, targets, input_lengths, target_lengths, blank)
    losses = -problem.log_likelihoods()
    impossible = less(losses._scalar(-0.5 * _NEVER), losses)
    losses = where(impossible, losses._scalar(0.0 if zero_infinity else math.inf), losses)
    losses = cast(losses, floating("ctc_loss", log_probs).dtype)
    if reduction == "none":
        return losses if problem.batched else reshape(losses, shape=())
    if reduction == "sum":
        return sum(losses)
    return mean(losses / cast(maximum(problem.lengths, problem.lengths._scalar(1)), losses.dtype))


@dataclass(frozen=True, slots=True)
class _Problem:
    """Sequences with blanks around each label, of which there are ``length`` places for each sample."""

    log_probs: Tensor
    labels: Tensor
    """int64 of shape [n, length]."""
    times: Tensor
    lengths: Tensor
    blank: int
    batched: bool

    def log_likelihoods(self) -> Tensor:
        """Return the logarithm of the sum over all readings, of shape [n]: forwards in time, for all places at once."""
        x, labels = self.log_probs, self.labels
        steps, count, places = x.shape[0], x.shape[1], labels.shape[1]
        chosen = broadcast_to(reshape(labels, shape=(1, count, places)), shape=(steps, count, places))
        emitted = take_along_axis(x, chosen, axis=2)
        # A label may follow another without a blank between, unless they are equal.
        two_before = pad(part(labels, 1, 0, max(places - 2, 0)), **_behind(2, places), value=self.blank)
        may_skip = bitwise_and(not_equal(labels, labels._scalar(self.blank)), not_equal(labels, two_before))
        # Before the first time: at the blank in front, from which the first blank and the first label are reached.
        first = pad(x._full((count, 1), 0.0), low=(0, 0), high=(0, places - 1), interior=(0, 0), value=_NEVER)

        def step(before: Tensor, at: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
            emission, time = at
            one = pad(part(before, 1, 0, places - 1), **_behind(1, places), value=_NEVER)
            two = pad(part(before, 1, 0, max(places - 2, 0)), **_behind(2, places), value=_NEVER)
            two = where(may_skip, two, two._scalar(_NEVER))
            after = _sum_of_logarithms(before, one, two) + emission
            return where(reshape(less(time, self.times), shape=(count, 1)), after, before), None

        numbers = labels._constant(np.arange(steps), int64)
        last, _ = scan(step, first, (emitted, numbers)) if steps else (first, None)
        ends = reshape(self.lengths * 2, shape=(count, 1))
        at_blank = take_along_axis(last, ends, axis=1)
        at_label = take_along_axis(last, maximum(ends - 1, ends._scalar(0)), axis=1)
        at_label = where(less(ends._scalar(0), ends), at_label, at_label._scalar(_NEVER))
        return reshape(_sum_of_logarithms(at_blank, at_label), shape=(count,))


def _behind(distance: int, places: int) -> dict[str, Any]:
    """Return how to pad places in front, so that each stands at the place of one before it."""
    return {"low": (0, min(distance, places)), "high": (0, 0), "interior": (0, 0)}


def _sum_of_logarithms(*terms: Tensor) -> Tensor:
    """Return ``log(Σ exp(term))``, computed from the largest down."""
    largest = terms[0]._untracked
    for each in terms[1:]:
        largest = maximum(largest, each._untracked)
    total = exp(terms[0] - largest)
    for each in terms[1:]:
        total = total + exp(each - largest)
    return log(total) + largest


# --- from what a user passes ------------------------------------------------------------------------------


def _problem(
    log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths, blank: int
) -> _Problem:
    x, targets = floating("ctc_loss", log_probs), tensor("ctc_loss", targets)
    if x.ndim not in (2, 3):
        raise ShapeError(f"ctc_loss: expected shape [time, n, classes] or [time, classes], got {list(x.shape)}")
    if not targets.dtype.integral:
        raise DTypeError(f"ctc_loss: targets are integers, got {targets.dtype.name}; cast them with astype")
    batched = x.ndim == 3
    if not batched:
        x = reshape(x, shape=(x.shape[0], 1, x.shape[1]))
    steps, count, classes = x.shape
    if isinstance(blank, bool) or not 0 <= blank < classes:
        raise DataError(f"ctc_loss: blank is one of the {classes} classes, got {blank}")
    times = _lengths("input_lengths", input_lengths, count, x)
    lengths = _lengths("target_lengths", target_lengths, count, x)
    _check_lengths("input_lengths", times, steps)
    labels = _padded(cast(targets, int64), lengths, target_lengths, count, batched)
    x = wide(x)
    x = maximum(x, x._scalar(_NEVER))
    return _Problem(x, _between_blanks(labels, lengths, blank), times, lengths, blank, batched)


def _lengths(name: str, given: Lengths, count: int, beside: Tensor) -> Tensor:
    lengths = given if isinstance(given, Tensor) else asarray(given, device=beside.device)
    if lengths.size and not lengths.dtype.integral:
        raise DTypeError(f"ctc_loss: {name} are integers, got {lengths.dtype.name}")
    if lengths.shape not in ((count,), ()) or (lengths.ndim == 0 and count != 1):
        raise ShapeError(f"ctc_loss: {name} has shape {list(lengths.shape)}, expected [{count}]")
    return reshape(cast(lengths, int64), shape=(count,))._untracked


def _check_lengths(name: str, lengths: Tensor, most: int) -> None:
    inside = bitwise_and(less_equal(lengths._scalar(0), lengths), less_equal(lengths, lengths._scalar(most)))
    require_all(inside, DataError(f"ctc_loss: {name} are from 0 to {most}, what there is"))


def _padded(targets: Tensor, lengths: Tensor, given: Lengths, count: int, batched: bool) -> Tensor:
    """Return targets as a row for each sample."""
    if targets.ndim == 2 or not batched:
        rows = targets if targets.ndim == 2 else reshape(targets, shape=(1, targets.size))
        if rows.ndim != 2 or rows.shape[0] != count:
            raise ShapeError(f"ctc_loss: targets have a row for each of {count} samples, got {list(targets.shape)}")
        _check_lengths("target_lengths", lengths, rows.shape[1])
        return rows
    if targets.ndim != 1:
        raise ShapeError(f"ctc_loss: targets have shape [n, length] or one axis, got {list(targets.shape)}")
    total = targets.shape[0]
    _check_lengths("target_lengths", lengths, total)
    require_all(
        equal(sum(lengths), lengths._scalar(total)),
        DataError(f"ctc_loss: target_lengths add up to something else than the {total} targets"),
    )
    if isinstance(given, Tensor) and not given._snapshot._backend.has_values:
        longest = total  # how long the longest is, is not known while tracing
    else:
        longest = int(np.max(np.asarray(given), initial=0))
    if longest == 0:
        return targets._full((count, 0), 0)
    starts = cumulative_sum(lengths) - lengths
    places = reshape(starts, shape=(count, 1)) + lengths._constant(np.arange(longest), int64)
    return take(targets, minimum(places, places._scalar(total - 1)), axis=0)


def _between_blanks(labels: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """Return ``[blank, label, blank, label, ..., blank]``, padding replaced by blanks."""
    count, longest = labels.shape
    inside = less(labels._constant(np.arange(longest), int64), reshape(lengths, shape=(count, 1)))
    labels = where(inside, labels, labels._scalar(blank))
    return pad(labels, low=(0, 1), high=(0, min(longest, 1)), interior=(0, 1), value=blank)
