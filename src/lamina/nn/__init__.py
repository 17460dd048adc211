"""Layers, losses and initialisers.

A model is a tree of plain Python objects: a `Module` holds variables and other modules as attributes. Names and
arguments follow PyTorch, with ``axis`` for ``dim``.
"""

from typing import TYPE_CHECKING, NoReturn

from lamina.functions.activations import (
    celu,
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softsign,
)
from lamina.functions.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
)
from lamina.functions.convolutions import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from lamina.functions.elementwise import tanh
from lamina.functions.fractional_pooling import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
)
from lamina.functions.grids import affine_grid, grid_sample
from lamina.functions.padding import pad
from lamina.functions.patches import channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unfold
from lamina.functions.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    relu6,
    softshrink,
    tanhshrink,
    threshold,
)
from lamina.functions.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from lamina.functions.pooling_places import max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices
from lamina.functions.resampling import interpolate
from lamina.nn import init
from lamina.nn.activations import (
    ACTIVATIONS,
    CELU,
    ELU,
    GELU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softmax2d,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from lamina.nn.adaptive_softmax import AdaptiveLogSoftmax, AdaptiveLogSoftmaxWithLoss
from lamina.nn.attention import scaled_dot_product_attention
from lamina.nn.classification_losses import binary_cross_entropy_with_logits, cross_entropy, kl_div, nll_loss
from lamina.nn.containers import MLP, Sequential
from lamina.nn.convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lamina.nn.ctc import ctc_loss
from lamina.nn.distances import normalize, pdist
from lamina.nn.dropout_functions import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from lamina.nn.dropouts import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from lamina.nn.embedding_bags import EmbeddingBag, embedding_bag
from lamina.nn.embeddings import Embedding, embedding
from lamina.nn.fractional_pooling import FractionalMaxPool2d, FractionalMaxPool3d
from lamina.nn.gated import GLU, SwiGLU, glu
from lamina.nn.gumbel import gumbel_softmax
from lamina.nn.key_value_cache import KeyValueCache
from lamina.nn.label_losses import (
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
)
from lamina.nn.likelihood_losses import gaussian_nll_loss, poisson_nll_loss
from lamina.nn.linear_layers import Bilinear, Flatten, Identity, Linear, Unflatten, bilinear, linear
from lamina.nn.loss_layers import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    CTCLoss,
    GaussianNLLLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    PoissonNLLLoss,
    SmoothL1Loss,
)
from lamina.nn.margin_loss_layers import (
    CosineEmbeddingLoss,
    CosineSimilarity,
    HingeEmbeddingLoss,
    HingeLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    PairwiseDistance,
    SoftMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from lamina.nn.margin_losses import cosine_embedding_loss, cosine_similarity, hinge_embedding_loss, hinge_loss
from lamina.nn.module import Module
from lamina.nn.module_dicts import ModuleDict, ParameterDict
from lamina.nn.module_lists import ModuleList, ParameterList
from lamina.nn.multihead_attention import MultiheadAttention
from lamina.nn.normalisation import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from lamina.nn.normalisation_layers import GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from lamina.nn.orthogonal import orthogonal
from lamina.nn.packed_sequences import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)
from lamina.nn.padding import (
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from lamina.nn.parametrizations import is_parametrized, register_parametrization, remove_parametrizations
from lamina.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from lamina.nn.positional_encodings import (
    LearnedPositions,
    RotaryEmbedding,
    SinusoidalPositions,
    alibi_bias,
    rotary_embedding,
    sinusoidal_positions,
)
from lamina.nn.probability_losses import binary_cross_entropy
from lamina.nn.rectifiers import PReLU, RReLU, prelu, rrelu
from lamina.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell
from lamina.nn.recurrent_layers import GRU, LSTM, RNN
from lamina.nn.regression_losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from lamina.nn.running_normalisation import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from lamina.nn.spectral_normalisation import spectral_norm
from lamina.nn.state import Unmatched
from lamina.nn.summary import Summary
from lamina.nn.transformer import TransformerDecoderLayer, TransformerEncoderLayer
from lamina.nn.transformer_stacks import Transformer, TransformerDecoder, TransformerEncoder
from lamina.nn.triplet_losses import (
    margin_ranking_loss,
    pairwise_distance,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from lamina.nn.unpooling import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d, max_unpool1d, max_unpool2d, max_unpool3d
from lamina.nn.upsampling import ChannelShuffle, Fold, PixelShuffle, PixelUnshuffle, Unfold, Upsample
from lamina.nn.vectors import parameters_to_vector, vector_to_parameters
from lamina.nn.weight_normalisation import weight_norm
from lamina.other_names import NN, of_module

__all__ = [
    # modules
    "Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "MLP", "Linear", "Bilinear",
    "linear", "bilinear", "Flatten", "Unflatten", "Identity", "Summary", "Unmatched", "init",
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "dropout", "dropout1d",
    "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "weight_norm",
    "parameters_to_vector", "vector_to_parameters",
    "spectral_norm", "orthogonal", "register_parametrization", "remove_parametrizations", "is_parametrized",
    # tables
    "Embedding", "embedding", "EmbeddingBag", "embedding_bag",
    # normalisation
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm",
    "GroupNorm", "RMSNorm", "LocalResponseNorm", "batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm",
    "local_response_norm",
    # over space: convolution, pooling, padding, other sizes
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "MaxPool1d", "MaxPool2d", "MaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "LPPool3d",
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "CircularPad1d", "CircularPad2d", "CircularPad3d", "Upsample", "PixelShuffle",
    "PixelUnshuffle", "ChannelShuffle", "Unfold", "Fold",
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d",
    "max_unpool3d", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d",
    "lp_pool2d", "lp_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices", "fractional_max_pool2d",
    "fractional_max_pool3d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices",
    "pad", "interpolate", "pixel_shuffle", "pixel_unshuffle",
    "channel_shuffle", "unfold", "fold", "grid_sample", "affine_grid",
    # activations
    "ACTIVATIONS", "ReLU", "LeakyReLU", "PReLU", "RReLU", "ReLU6", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish",
    "Sigmoid", "LogSigmoid", "Hardsigmoid", "Hardswish", "Hardtanh", "Hardshrink", "Softshrink", "Tanhshrink",
    "Threshold", "Tanh", "Softplus", "Softsign", "Softmax", "Softmax2d", "Softmin", "LogSoftmax",
    "relu", "leaky_relu", "prelu", "rrelu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "sigmoid",
    "logsigmoid", "hardsigmoid", "hardswish", "hardtanh", "hardshrink", "softshrink", "tanhshrink", "threshold",
    "tanh", "softplus", "softsign", "softmax", "softmin", "log_softmax", "gumbel_softmax",
    # attention
    "scaled_dot_product_attention", "MultiheadAttention", "KeyValueCache", "GLU", "SwiGLU", "glu",
    "SinusoidalPositions", "LearnedPositions", "RotaryEmbedding", "sinusoidal_positions", "rotary_embedding",
    "alibi_bias", "TransformerEncoderLayer", "TransformerDecoderLayer", "TransformerEncoder", "TransformerDecoder",
    "Transformer",
    # recurrence
    "RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell",
    "PackedSequence", "pack_padded_sequence", "pad_packed_sequence", "pack_sequence", "pad_sequence", "unpack_sequence",
    "unpad_sequence",
    # losses
    "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "cross_entropy", "nll_loss", "kl_div", "hinge_loss", "hinge_embedding_loss", "cosine_similarity",
    "cosine_embedding_loss",
    "MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss",
    "KLDivLoss", "HingeLoss", "HingeEmbeddingLoss", "CosineSimilarity", "CosineEmbeddingLoss",
    "ctc_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss", "pairwise_distance", "pdist",
    "normalize", "margin_ranking_loss",
    "soft_margin_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
    "poisson_nll_loss", "gaussian_nll_loss",
    "AdaptiveLogSoftmaxWithLoss", "AdaptiveLogSoftmax",
    "CTCLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss", "PairwiseDistance", "MarginRankingLoss",
    "SoftMarginLoss", "MultiMarginLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "PoissonNLLLoss",
    "GaussianNLLLoss",
]  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise of_module("lamina.nn", name, NN)
