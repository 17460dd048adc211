"""Learning-rate schedules.

A schedule is a function of the step count: ``lr(base, step, group)``, where ``base`` is the learning rate that the
group was made with. Its ``step()`` counts and assigns the groups' ``lr`` variables.
"""

from lamina.optim.lr_scheduler.base import LRScheduler
from lamina.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from lamina.optim.lr_scheduler.cyclic import CosineAnnealingLR, CosineAnnealingWarmRestarts, OneCycleLR
from lamina.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from lamina.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
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
