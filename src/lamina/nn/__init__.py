"""Layers, losses and initialisers.

A model is a tree of plain Python objects: a `Module` holds variables and other modules as attributes. Names and
arguments follow PyTorch, with ``axis`` for ``dim``.
"""

from lamina.functions.activations import (
    elu,
    gelu,
    hard_sigmoid,
    leaky_relu,
    log_softmax,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
)
from lamina.functions.elementwise import tanh
from lamina.nn import init
from lamina.nn.activations import (
    ACTIVATIONS,
    ELU,
    GELU,
    SELU,
    HardSigmoid,
    LeakyReLU,
    LogSoftmax,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from lamina.nn.classification_losses import binary_cross_entropy_with_logits, cross_entropy, kl_div, nll_loss
from lamina.nn.containers import MLP, Sequential
from lamina.nn.dropout import Dropout
from lamina.nn.linear import Flatten, Identity, Linear
from lamina.nn.loss_layers import (
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CosineSimilarity,
    CrossEntropyLoss,
    HingeEmbeddingLoss,
    HingeLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from lamina.nn.margin_losses import cosine_embedding_loss, cosine_similarity, hinge_embedding_loss, hinge_loss
from lamina.nn.module import Module
from lamina.nn.regression_losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from lamina.nn.state import Unmatched
from lamina.nn.summary import Summary

__all__ = [
    # modules
    "Module", "Sequential", "MLP", "Linear", "Flatten", "Identity", "Dropout", "Summary", "Unmatched", "init",
    # activations
    "ACTIVATIONS", "ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Sigmoid", "HardSigmoid", "Tanh",
    "Softplus", "Softsign", "Softmax", "LogSoftmax",
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "sigmoid", "hard_sigmoid", "tanh", "softplus",
    "softsign", "softmax", "log_softmax",
    # losses
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits", "cross_entropy",
    "nll_loss", "kl_div", "hinge_loss", "hinge_embedding_loss", "cosine_similarity", "cosine_embedding_loss",
    "MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss", "KLDivLoss",
    "HingeLoss", "HingeEmbeddingLoss", "CosineSimilarity", "CosineEmbeddingLoss",
]  # fmt: skip
