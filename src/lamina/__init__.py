"""Lamina: a deep-learning framework small enough to read, fast enough to use, safe enough to ship.

The namespace follows the Python array API standard 2024.12 by name and meaning, and adds what neural
networks need: variables, gradients, layers (`lamina.nn`), optimisers (`lamina.optim`) and training.
"""

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any as _Any

from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import no_grad
from lamina.autodiff.transforms import grad, hessian, jacobian, jvp, value_and_grad, vjp
from lamina.backends.registry import default_device, devices, set_default_device
from lamina.dtypes import (
    DType,
    bfloat16,
    bool_ as bool,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from lamina.errors import (
    AssignmentError,
    BackendError,
    CheckpointError,
    DataError,
    DTypeError,
    GradientError,
    LaminaError,
    ShapeError,
    TracingError,
)
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
from lamina.functions.creation import (
    arange,
    asarray,
    constant,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    tril,
    triu,
    variable,
    zeros,
    zeros_like,
)
from lamina.functions.data_types import (
    __array_namespace_info__,
    astype,
    can_cast,
    finfo,
    iinfo,
    isdtype,
    result_type,
)
from lamina.functions.einsum import einsum
from lamina.functions.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    real,
    reciprocal,
    remainder,
    round,
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from lamina.functions.indexing import (
    nonzero,
    one_hot,
    scatter_add,
    scatter_add_along_axis,
    take,
    take_along_axis,
)
from lamina.functions.manipulation import (
    broadcast_arrays,
    broadcast_to,
    concat,
    expand_dims,
    flatten,
    flip,
    moveaxis,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    tile,
    unstack,
)
from lamina.functions.products import matmul, matrix_transpose, tensordot, vecdot
from lamina.functions.reductions import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    diff,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from lamina.functions.searching import (
    argsort,
    searchsorted,
    sort,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from lamina.tensor import Tensor, Variable

__version__ = "0.1.0"
__array_api_version__ = "2024.12"
newaxis = None

# What is not needed to compute is loaded when first used, so that importing stays quick.
_LAZY_MODULES = ("data", "linalg", "nn", "optim", "random", "testing", "training")
_LAZY_NAMES = {
    "fit": "lamina.training",
    "History": "lamina.training",
    "save": "lamina.training",
    "load": "lamina.training",
}


def __getattr__(name: str) -> _Any:
    if name in _LAZY_MODULES:
        return _import_module(f"lamina.{name}")
    if name in _LAZY_NAMES:
        return getattr(_import_module(_LAZY_NAMES[name]), name)
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")
