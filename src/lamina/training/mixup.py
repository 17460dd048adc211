"""Samples mixed with each other: mixup."""

from __future__ import annotations

import math

from lamina import random
from lamina.autodiff.trees import leaves, with_leaves
from lamina.functions.comparisons import clip
from lamina.functions.elementwise import cos, maximum, sqrt
from lamina.tensor import Tensor
from lamina.training.pairs import Pairs
from lamina.training.sample_arrays import Tree

_TINY = 1e-300


def mixing_share(alpha: float, like: Tensor) -> Tensor:
    """Return a number from Beta(alpha, alpha), on the device and in the type of a tensor.

    Of two uniform numbers ``u`` and ``v``, with ``s = u**(1 / alpha)`` and ``c = cos(2 pi v)``, it is
    ``(1 + c * sqrt((1 - s) / (s + (1 - s) * c**2))) / 2``: exact, and without a loop, so it can be compiled.

    Source: R. W. Bailey, "Polar generation of random variates with the t-distribution", Mathematics of Computation
    62, 1994, and the relation of Student's t to the symmetric beta in L. Devroye, "Random variate generation in one
    line of code", Winter Simulation Conference 1996, section 3.
    """
    uniform = random.uniform((2,), dtype="float64", device=like.device)
    s, c = uniform[0] ** (1.0 / alpha), cos(uniform[1] * (2.0 * math.pi))
    share = 0.5 + 0.5 * c * sqrt((1.0 - s) / maximum(s + (1.0 - s) * c * c, _TINY))
    # Rounding may lead a little beyond the ends.
    return clip(share, 0.0, 1.0).astype(like.dtype)


def mixed(first: Pairs, second: Pairs, share: Tensor) -> Pairs:
    """Return ``share * first + (1 - share) * second`` of inputs, weights and, if all are floats, targets.

    Source: H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018,
    section 2.
    """

    def both(ours: Tensor, theirs: Tensor) -> Tensor:
        part = share.astype(ours.dtype)
        return part * ours + (1.0 - part) * theirs

    def trees(ours: Tree, theirs: Tree) -> Tree:
        return with_leaves(ours, map(both, leaves(ours), leaves(theirs)))

    targets, weights = first.targets, first.weights
    if mixes_targets(first):
        targets = trees(targets, second.targets)
    if weights is not None and second.weights is not None:
        weights = both(weights, second.weights)
    return Pairs(trees(first.inputs, second.inputs), targets, weights)


def mixes_targets(batch: Pairs) -> bool:
    """Tell whether targets are mixed; if some are no floats, the losses are mixed instead."""
    return all(each.dtype.floating for each in leaves(batch.targets))
