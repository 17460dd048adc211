"""More losses as layers: of margins, likelihoods, labels and sequences."""

from __future__ import annotations

from dataclasses import KW_ONLY

from lamina.nn.ctc import Lengths, ctc_loss
from lamina.nn.label_losses import (
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from lamina.nn.likelihood_losses import gaussian_nll_loss, poisson_nll_loss
from lamina.nn.loss_layers import Loss, settings
from lamina.nn.reduction import Reduction
from lamina.nn.triplet_losses import (
    Distance,
    margin_ranking_loss,
    pairwise_distance,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from lamina.tensor import Tensor


@settings
class CTCLoss(Loss):
    """The likelihood of sequences whose places in time are not known; see `ctc_loss`."""

    blank: int = 0
    reduction: Reduction = "mean"
    zero_infinity: bool = False

    def __call__(self, log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths) -> Tensor:
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


@settings
class PairwiseDistance(Loss):
    """The distance of vectors; see `pairwise_distance`."""

    p: float = 2.0
    eps: float = 1e-6
    keepdims: bool = False

    def __call__(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.p, self.eps, self.keepdims)


@settings
class TripletMarginLoss(Loss):
    """An anchor is to be nearer to its like than to another; see `triplet_margin_loss`."""

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False
    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction)


@settings
class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` of another distance; see `triplet_margin_with_distance_loss`."""

    _: KW_ONLY
    distance_function: Distance | None = None
    margin: float = 1.0
    swap: bool = False
    reduction: Reduction = "mean"

    def __call__(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


@settings
class MarginRankingLoss(Loss):
    """Which of two scores is to be the larger; see `margin_ranking_loss`."""

    margin: float = 0.0
    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


@settings
class SoftMarginLoss(Loss):
    """The logistic loss of labels 1 and -1; see `soft_margin_loss`."""

    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return soft_margin_loss(input, target, self.reduction)


@settings
class MultiMarginLoss(Loss):
    """The margins between a label and the other classes; see `multi_margin_loss`."""

    p: int = 1
    margin: float = 1.0
    weight: Tensor | None = None
    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


@settings
class MultiLabelMarginLoss(Loss):
    """The margins between several labels and the other classes; see `multilabel_margin_loss`."""

    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_margin_loss(input, target, self.reduction)


@settings
class MultiLabelSoftMarginLoss(Loss):
    """The cross-entropy of yes or no for each class; see `multilabel_soft_margin_loss`."""

    weight: Tensor | None = None
    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


@settings
class PoissonNLLLoss(Loss):
    """The likelihood of counts; see `poisson_nll_loss`."""

    log_input: bool = True
    full: bool = False
    _: KW_ONLY
    eps: float = 1e-8
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return poisson_nll_loss(input, target, self.log_input, self.full, self.eps, self.reduction)


@settings
class GaussianNLLLoss(Loss):
    """The likelihood of numbers with variances; see `gaussian_nll_loss`."""

    _: KW_ONLY
    full: bool = False
    eps: float = 1e-6
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
