"""Optimisers, learning-rate schedules and gradient clipping, with PyTorch's names, defaults and values."""

from typing import TYPE_CHECKING, NoReturn

from lamina.optim import lr_scheduler
from lamina.optim.adam import Adam, AdamW, AMSGrad
from lamina.optim.adam_variants import Adamax, NAdam, RAdam
from lamina.optim.adaptive import Adadelta, Adagrad, RMSprop
from lamina.optim.clipping import clip_grad_norm, clip_grad_value, global_norm
from lamina.optim.lamb import LAMB
from lamina.optim.lbfgs import LBFGS
from lamina.optim.lion import Lion
from lamina.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from lamina.optim.muon import Muon
from lamina.optim.optimizer import Optimizer
from lamina.optim.sgd import SGD
from lamina.other_names import OPTIM, of_module

__all__ = [
    "Optimizer",
    "SGD",
    "Adam",
    "AdamW",
    "AMSGrad",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Lion",
    "LAMB",
    "Muon",
    "LBFGS",
    "clip_grad_norm",
    "clip_grad_value",
    "global_norm",
    "lr_scheduler",
    "LRScheduler",
    "ConstantLR",
    "LinearLR",
    "StepLR",
    "MultiStepLR",
    "ExponentialLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "OneCycleLR",
    "LambdaLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "ChainedScheduler",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise of_module("lamina.optim", name, OPTIM)
