"""What ONNX's operators of normalisation mean here."""

from __future__ import annotations

import lamina as la
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
from lamina.exchange.onnx.reading.shapes import MOST_ELEMENTS, axis_of, check_size
from lamina.primitives import convolutions
from lamina.tensor import Tensor


def _batch_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, /, *,
    epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0, spatial: int = 1,
) -> Tensor:  # fmt: skip
    """By the statistics of the file, which are no parameters."""
    if training_mode or not spatial:
        raise DataError("normalisation by the batch itself is not supported; export the model in evaluation")
    shape = (1, -1, *[1] * (x.ndim - 2))
    middle, spread = la.stop_gradient(mean).reshape(shape), la.stop_gradient(variance).reshape(shape)
    return (x - middle) / la.sqrt(spread + epsilon) * scale.reshape(shape) + bias.reshape(shape)


def _layer_normalization(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, /, *, axis: int = -1, epsilon: float = 1e-5,
    stash_type: int = 1,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The result, the means, and the inverses of the deviations."""
    first = axis + x.ndim if axis < 0 else axis
    axes = tuple(range(first, x.ndim))
    middle = la.mean(x, axis=axes, keepdims=True)
    inverse = 1.0 / la.sqrt(la.var(x, axis=axes, keepdims=True) + epsilon)
    scaled = (x - middle) * inverse * scale
    return scaled if bias is None else scaled + bias, middle, inverse


def _rms_normalization(
    x: Tensor, scale: Tensor, /, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    axes = tuple(range(axis_of(axis, x.ndim), x.ndim))
    return x / la.sqrt(la.mean(x * x, axis=axes, keepdims=True) + epsilon) * scale


def _instance_normalization(x: Tensor, scale: Tensor, bias: Tensor, /, *, epsilon: float = 1e-5) -> Tensor:
    """Each channel of each image by itself."""
    shape = (-1, *[1] * (x.ndim - 2))
    return _normalised(x, tuple(range(2, x.ndim)), epsilon) * scale.reshape(shape) + bias.reshape(shape)


def _group_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, /, *, opset: int, num_groups: int, epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:  # fmt: skip
    """The channels of a group together; scale and bias were one for each group before operator set 21."""
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise DataError(f"{num_groups} groups do not divide the channels of the shape {list(x.shape)}")
    batch, channels, *sizes = x.shape
    split = x.reshape((batch, num_groups, channels // num_groups, *sizes))
    normal = _normalised(split, tuple(range(2, split.ndim)), epsilon)
    ones = [1] * len(sizes)
    if opset < 21:
        shape = (num_groups, 1, *ones)
        return (normal * scale.reshape(shape) + bias.reshape(shape)).reshape(x.shape)
    return normal.reshape(x.shape) * scale.reshape((channels, *ones)) + bias.reshape((channels, *ones))


def _mean_variance_normalization(x: Tensor, /, *, axes: tuple[int, ...] = (0, 2, 3)) -> Tensor:
    over = tuple(axis_of(axis, x.ndim) for axis in axes)
    middle = la.mean(x, axis=over, keepdims=True)
    return (x - middle) / (la.std(x, axis=over, keepdims=True) + 1e-9)


def _normalised(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    middle = la.mean(x, axis=axes, keepdims=True)
    return (x - middle) / la.sqrt(la.var(x, axis=axes, keepdims=True) + epsilon)


def _lp_normalization(x: Tensor, /, *, axis: int = -1, p: int = 2) -> Tensor:
    if p not in (1, 2):
        raise DataError(f"the norm must be 1 or 2, got {p}")
    at = axis_of(axis, x.ndim)
    norm = la.linalg.vector_norm(x, axis=at, keepdims=True, ord=p)
    return la.where(la.equal(norm, 0.0), 0.0, x / norm)


def _local_response(x: Tensor, /, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Tensor:
    """Every channel by the squares of its neighbours."""
    if x.ndim < 2 or size < 1:
        raise DataError(f"{size} neighbours among the channels of the shape {list(x.shape)}")
    low = (size - 1) // 2
    check_size("the padded input", (x.shape[0], x.shape[1] + size, *x.shape[2:]), MOST_ELEMENTS)
    around = [(0, 0), (low, size - 1 - low), *[(0, 0)] * (x.ndim - 2)]
    last = la.moveaxis(la.pad(x * x, around), 1, -1)
    total = la.sum(convolutions.windows(last, size=(size,), stride=(1,), dilation=(1,)), axis=-1)
    return x / la.pow(bias + alpha / size * la.moveaxis(total, -1, 1), beta)


NORMALISATION: dict[str, Function] = {
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "RMSNormalization": _rms_normalization,
    "InstanceNormalization": _instance_normalization,
    "GroupNormalization": _group_normalization,
    "MeanVarianceNormalization": _mean_variance_normalization,
    "LpNormalization": _lp_normalization,
    "LRN": _local_response,
}
