"""Lamina: a deep-learning framework small enough to read, fast enough to use, safe enough to ship.

The namespace follows the Python array API standard 2024.12 by name and meaning, and adds what neural
networks need: variables, gradients, layers (`lamina.nn`), optimisers (`lamina.optim`) and training.
"""

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any as _Any

from lamina.autodiff.checkpoint import checkpoint
from lamina.autodiff.cond import cond
from lamina.autodiff.custom_gradient import custom_gradient
from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import no_grad
from lamina.autodiff.row_gradient import RowGradient
from lamina.autodiff.scan import scan
from lamina.autodiff.transforms import grad, hessian, jacobian, jvp, value_and_grad, vjp
from lamina.autodiff.vmap import vmap
from lamina.backends.precision import get_matmul_precision, matmul_precision, set_matmul_precision
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
    RetraceWarning,
    ShapeError,
    SubscriptError,
    TracingError,
    TracingWarning,
    TrainingDiverged,
)
from lamina.forking import forks_wait as _forks_wait
from lamina.functions.activations import (
    elu,
    gelu,
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
from lamina.functions.comparisons import (
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    clip,
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    signbit,
    where,
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
    ceil,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    hypot,
    imag,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    positive,
    pow,
    real,
    reciprocal,
    remainder,
    round,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tan,
    tanh,
    trunc,
)
from lamina.functions.indexing import (
    nonzero,
    one_hot,
    scatter_add,
    scatter_add_along_axis,
    scatter_max,
    scatter_mean,
    scatter_min,
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
from lamina.functions.piecewise import hardsigmoid
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
    topk,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from lamina.other_names import FUNCTIONS as _FUNCTIONS, of_module as _of_module
from lamina.tensor import Tensor
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina import (
        data,
        estimators,
        exchange,
        linalg,
        models,
        nn,
        optim,
        profiling,
        random,
        report,
        testing,
        text,
        training,
        tuning,
        visualize,
    )
    from lamina.compiler import CompiledFunction, compile
    from lamina.compiler.runtime.threads import get_num_threads, set_num_threads
    from lamina.nn.stateless import functional_call, stack_module_state, stateless_call
    from lamina.profiling import profile
    from lamina.training import History, fit, load, save

__version__ = "0.1.0"
__array_api_version__ = "2024.12"
newaxis = None

__all__ = [
    # constants
    "e", "inf", "nan", "pi", "newaxis",
    # gradients
    "Gradients", "RowGradient",
    # recording and precision
    "no_grad", "matmul_precision", "get_matmul_precision", "set_matmul_precision",
    # loops, choices and recomputation
    "checkpoint", "cond", "scan",
    # derivatives of functions
    "custom_gradient", "grad", "hessian", "jacobian", "jvp", "value_and_grad", "vjp",
    # axes of functions
    "vmap",
    # devices
    "default_device", "devices", "set_default_device",
    # types
    "DType", "bfloat16", "bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
    "uint16", "uint32", "uint64",
    # errors
    "AssignmentError", "BackendError", "CheckpointError", "DataError", "DTypeError", "GradientError",
    "LaminaError", "RetraceWarning", "ShapeError", "SubscriptError", "TracingError",
    "TracingWarning", "TrainingDiverged",
    # activations
    "elu", "gelu", "hardsigmoid", "leaky_relu", "log_softmax", "mish", "relu", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign",
    # creation
    "arange", "asarray", "constant", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "variable", "zeros", "zeros_like",
    # data types
    "__array_namespace_info__", "astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type",
    # einsum
    "einsum",
    # comparisons
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "clip", "equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal", "signbit", "where",
    # elementwise
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "conj", "copysign", "cos",
    "cosh", "divide", "erf", "exp", "expm1", "floor", "floor_divide", "hypot", "imag", "log", "log1p", "log2",
    "log10", "logaddexp", "maximum", "minimum", "multiply", "negative", "nextafter", "positive", "pow", "real",
    "reciprocal", "remainder", "round", "sign", "sin", "sinh", "sqrt", "square", "stop_gradient", "subtract",
    "tan", "tanh", "trunc",
    # indexing
    "nonzero", "one_hot", "scatter_add", "scatter_add_along_axis", "scatter_max", "scatter_mean", "scatter_min",
    "take", "take_along_axis",
    # manipulation
    "broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flatten", "flip", "moveaxis", "pad",
    "permute_dims", "repeat", "reshape", "roll", "split", "squeeze", "stack", "tile", "unstack",
    # products
    "matmul", "matrix_transpose", "tensordot", "vecdot",
    # reductions
    "all", "any", "argmax", "argmin", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "logsumexp",
    "max", "mean", "min", "prod", "std", "sum", "var",
    # searching
    "argsort", "searchsorted", "sort", "topk", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    # tensors
    "Tensor", "Variable",
    # loaded when first used: modules, and names of theirs
    "data", "estimators", "exchange", "linalg", "models", "nn", "optim", "profiling", "random", "report",
    "testing", "text", "training", "tuning", "visualize", "profile", "fit", "History", "save", "load",
    "CompiledFunction", "compile", "get_num_threads", "set_num_threads", "functional_call", "stack_module_state",
    "stateless_call",
]  # fmt: skip

# What is not needed to compute is loaded when first used, so that importing stays quick.
_MODULES = (
    "data", "estimators", "exchange", "linalg", "models", "nn", "optim", "profiling", "random", "report", "testing",
    "text", "training", "tuning", "visualize",
)  # fmt: skip
_HOMES = {
    "CompiledFunction": "lamina.compiler",
    "compile": "lamina.compiler",
    "get_num_threads": "lamina.compiler.runtime.threads",
    "set_num_threads": "lamina.compiler.runtime.threads",
    "profile": "lamina.profiling",
    "fit": "lamina.training",
    "functional_call": "lamina.nn.stateless",
    "stack_module_state": "lamina.nn.stateless",
    "stateless_call": "lamina.nn.stateless",
    "History": "lamina.training",
    "save": "lamina.training",
    "load": "lamina.training",
}

# The module of this name; who writes la.tensor(...) means another library's function, and is told what to write.
globals().pop("tensor", None)


def __getattr__(name: str) -> _Any:
    with _forks_wait():
        if name in _MODULES:
            return _import_module(f"lamina.{name}")
        if name in _HOMES:
            return getattr(_import_module(_HOMES[name]), name)
    raise _of_module("lamina", name, _FUNCTIONS)


def __dir__() -> list[str]:
    return sorted(__all__)
