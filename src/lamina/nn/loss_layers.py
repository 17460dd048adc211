"""Losses as layers: each holds the settings of the function of its name and applies it.

Those of margins and distances are in `lamina.nn.margin_loss_layers`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Literal

from lamina.nn.classification_losses import binary_cross_entropy_with_logits, cross_entropy, kl_div, nll_loss
from lamina.nn.ctc import Lengths, ctc_loss
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.likelihood_losses import gaussian_nll_loss, poisson_nll_loss
from lamina.nn.probability_losses import binary_cross_entropy
from lamina.nn.reduction import Reduction
from lamina.nn.regression_losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from lamina.tensor import Tensor
from lamina.variable import Variable


class Loss(FunctionLayer):
    """The base of loss layers.

    Weights become buffers, so that `Module.to` moves them and `Module.state_dict` has them, as in PyTorch.
    """

    def __post_init__(self) -> None:
        for name in ("weight", "pos_weight"):
            value = getattr(self, name, None)
            if isinstance(value, Tensor):
                setattr(self, name, Variable(value._untracked, name, trainable=False))


@settings
class MSELoss(Loss):
    """The squared error; see `mse_loss`."""

    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, self.reduction)


@settings
class L1Loss(Loss):
    """The absolute error; see `l1_loss`."""

    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return l1_loss(input, target, self.reduction)


@settings
class HuberLoss(Loss):
    """A square near zero and a line beyond ``delta``; see `huber_loss`."""

    _: KW_ONLY
    reduction: Reduction = "mean"
    delta: float = 1.0

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta)


@settings
class SmoothL1Loss(Loss):
    """The Huber loss over ``beta``; see `smooth_l1_loss`."""

    _: KW_ONLY
    reduction: Reduction = "mean"
    beta: float = 1.0

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(input, target, self.reduction, self.beta)


@settings
class BCELoss(Loss):
    """The cross-entropy of yes or no, from probabilities; see `binary_cross_entropy`."""

    weight: Tensor | None = None
    _: KW_ONLY
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, self.reduction)


@settings
class BCEWithLogitsLoss(Loss):
    """The cross-entropy of yes or no, from logits; see `binary_cross_entropy_with_logits`."""

    weight: Tensor | None = None
    _: KW_ONLY
    pos_weight: Tensor | None = None
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, weight=self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


@settings
class CrossEntropyLoss(Loss):
    """The cross-entropy of classes or probabilities, from logits; see `cross_entropy`."""

    weight: Tensor | None = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: Reduction = "mean"
    label_smoothing: float = 0.0

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


@settings
class NLLLoss(Loss):
    """The negative log-likelihood of classes, from log-probabilities; see `nll_loss`."""

    weight: Tensor | None = None
    _: KW_ONLY
    ignore_index: int = -100
    reduction: Reduction = "mean"

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


@settings
class KLDivLoss(Loss):
    """The Kullback-Leibler divergence, from log-probabilities; see `kl_div`."""

    _: KW_ONLY
    reduction: Literal["mean", "batchmean", "sum", "none"] = "mean"
    log_target: bool = False

    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        return kl_div(input, target, self.reduction, log_target=self.log_target)


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
