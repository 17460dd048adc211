"""Losses of margins and distances as layers, as in `lamina.nn.loss_layers`."""

from __future__ import annotations

from dataclasses import KW_ONLY

from lamina.nn.function_layers import settings
from lamina.nn.label_losses import (
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from lamina.nn.loss_layers import Loss
from lamina.nn.margin_losses import cosine_embedding_loss, cosine_similarity, hinge_embedding_loss, hinge_loss
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
class HingeLoss(Loss):
    """The hinge loss of scores; see `hinge_loss`."""

    _: KW_ONLY
    margin: float = 1.0
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_loss(input, target, self.margin, self.reduction)


@settings
class HingeEmbeddingLoss(Loss):
    """The hinge loss of distances between pairs; see `hinge_embedding_loss`."""

    _: KW_ONLY
    margin: float = 1.0
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, self.reduction)


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
class PairwiseDistance(Loss):
    """The distance of vectors; see `pairwise_distance`."""

    p: float = 2.0
    eps: float = 1e-6
    keepdims: bool = False

    def __call__(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.p, self.eps, self.keepdims)


@settings
class CosineEmbeddingLoss(Loss):
    """The loss of the angles between pairs; see `cosine_embedding_loss`."""

    _: KW_ONLY
    margin: float = 0.0
    reduction: Reduction = "mean"

    def __call__(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


@settings
class CosineSimilarity(Loss):
    """The cosine of the angle between vectors; see `cosine_similarity`."""

    _: KW_ONLY
    axis: int = 1
    eps: float = 1e-8

    def __call__(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.axis, self.eps)
