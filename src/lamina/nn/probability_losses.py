"""The cross-entropy of yes or no from probabilities themselves, which a model may have given."""

from __future__ import annotations

from lamina.functions.elementwise import log, log1p, maximum
from lamina.functions.operands import cast
from lamina.nn.label_checks import check_unit_interval
from lamina.nn.reduction import Reduction, reduced, same_shape, weights
from lamina.primitives import elementwise as rows
from lamina.primitives.composite import Composite
from lamina.tensor import Tensor

_LEAST_LOGARITHM = -100.0
_LEAST_PROBABILITY = 1e-12

_LOG_YES = Composite(
    "bounded_log",
    lambda x: maximum(log(x), _LEAST_LOGARITHM),
    lambda g, y, x: rows.divide(g, maximum(x, _LEAST_PROBABILITY)),
)
_LOG_NO = Composite(
    "bounded_log_of_the_rest",
    lambda x: maximum(log1p(-x), _LEAST_LOGARITHM),
    lambda g, y, x: rows.divide(-g, maximum(1.0 - x, _LEAST_PROBABILITY)),
)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Return the cross-entropy of yes-or-no targets ``y``, from probabilities ``p``.

    ``-w * (y * log(p) + (1 - y) * log(1 - p))``, with logarithms of at least -100, and in derivatives probabilities
    of at least 1e-12, so that a sure but wrong answer costs a finite amount and has a finite gradient. From logits,
    `binary_cross_entropy_with_logits` is exact and better.

    Parameters
    ----------
    input : Tensor
        Probabilities, from 0 to 1.
    target : Tensor
        Of the same shape: 0, 1, or probabilities between; bool and integers too.
    weight : Tensor, optional
        Of the elements, ``w``; broadcasts to the shape of the input.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When the shapes differ, or the weight does not broadcast.
    DataError
        When an input or a target is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.binary_cross_entropy(la.asarray([0.5, 0.0]), la.asarray([1.0, 1.0]), reduction="none")
    Tensor([  0.6931, 100.    ], shape=[2], dtype=float32)

    Source: I. J. Good, "Rational decisions", Journal of the Royal Statistical Society B 14, 1952.
    """
    name = "binary_cross_entropy"
    x, y = same_shape(name, input, target)
    check_unit_interval(name, x, "input")
    check_unit_interval(name, y)
    if not y.dtype.floating:
        y = cast(y, x.dtype)
    losses = -(y * _LOG_YES(x) + (1.0 - y) * _LOG_NO(x))
    if weight is not None:
        losses = losses * weights(name, "weight", weight, x)
    return reduced(name, losses, reduction)
