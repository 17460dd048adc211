"""Samples of categories that gradients pass through."""

from __future__ import annotations

from lamina import random
from lamina.dtypes import float_info
from lamina.errors import DataError
from lamina.functions.activations import softmax
from lamina.functions.elementwise import log, maximum
from lamina.functions.indexing import one_hot
from lamina.functions.operands import floating, one_axis
from lamina.functions.reductions import argmax
from lamina.tensor import Tensor


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, axis: int = -1) -> Tensor:
    """Return random samples of categories, as probabilities or as ones and zeros, with a gradient by the logits.

    ``softmax((logits + g) / tau)`` with ``g = -log(-log(u))``, ``u`` uniform on (0, 1) from the default generator of
    `lamina.random`. The largest element is at each category with the probability that `softmax` gives it.

    Parameters
    ----------
    logits : Tensor
    tau : float, default 1.0
        Temperature, positive: the lower it is, the nearer samples are to ones and zeros.
    hard : bool, default False
        Whether the result is one at the largest element and zero elsewhere, with the gradient of the soft one.
    axis : int, default -1
        Along which the categories are.

    Raises
    ------
    DataError
        When ``tau`` is not positive.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.gumbel_softmax(la.asarray([[0.0, 50.0, 0.0]]), hard=True)
    Tensor([[0., 1., 0.]], shape=[1, 3], dtype=float32)

    Source: E. Jang, S. Gu, B. Poole, "Categorical reparameterization with Gumbel-softmax", ICLR 2017, equation 2.
    """
    logits = floating("gumbel_softmax", logits)
    if not tau > 0.0:
        raise DataError(f"gumbel_softmax: the temperature tau is positive, got {tau}")
    at = one_axis("gumbel_softmax", axis, logits.ndim)
    u = random.uniform(logits.shape, dtype=logits.dtype, device=logits.device)
    noise = -log(-log(maximum(u, float_info(logits.dtype).smallest_normal)))
    soft = softmax((logits + noise) / tau, at)
    if not hard:
        return soft
    chosen = one_hot(argmax(soft._untracked, axis=at), logits.shape[at], dtype=logits.dtype, axis=at)
    return chosen - soft._untracked + soft
