"""What other libraries call things: errors say what it is called here.

There is one name for a thing, the array API's for functions of arrays and PyTorch's for layers, losses and optimisers.
Whoever asks for a name from elsewhere is told which that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, Signature, signature
from typing import Any, NoReturn, Self

TENSOR: Mapping[str, str] = {
    # derivatives: PyTorch keeps them on tensors
    "detach": "la.stop_gradient(x)",
    "grad": "grads = loss.backward(), and then grads[x]",
    "requires_grad": "x.tracked; la.variable(values) makes what gradients are taken by, w.trainable = False freezes it",
    "requires_grad_": "la.variable(values), or la.grad(f)(x)",
    "retain_grad": "la.grad(f)(x), the gradient by any tensor",
    "zero_": "x.assign(la.zeros_like(x)); gradients are not kept, so there is nothing to set to zero",
    # shapes
    "view": "x.reshape(shape)",
    "unsqueeze": "x.expand_dims(axis)",
    "transpose": "x.mT, x.permute_dims(axes) or la.moveaxis(x, source, destination)",
    "permute": "x.permute_dims(axes)",
    "swapaxes": "x.permute_dims(axes)",
    "t": "x.T",
    "expand": "x.broadcast_to(shape)",
    "expand_as": "x.broadcast_to(y.shape)",
    "view_as": "x.reshape(y.shape)",
    "ravel": "x.flatten()",
    "chunk": "la.split(x, parts)",
    "unbind": "la.unstack(x)",
    "repeat": "la.tile(x, repetitions); la.repeat(x, n, axis=axis) is repeat_interleave",
    "repeat_interleave": "la.repeat(x, n, axis=axis)",
    "split": "la.split(x, parts, axis=axis), by the number of parts",
    "narrow": "x[start : start + length]",
    "select": "x[:, i]",
    "numel": "x.size",
    "nelement": "x.size",
    "dim": "x.ndim",
    "ndimension": "x.ndim",
    "contiguous": "x: every tensor is",
    "clone": "x: tensors never change, so a copy serves for nothing",
    "copy": "x: tensors never change, so a copy serves for nothing",
    "copy_": "x.assign(values), where x is a la.variable",
    # types and devices
    "float": 'x.astype("float32")',
    "double": 'x.astype("float64")',
    "half": 'x.astype("float16")',
    "long": 'x.astype("int64")',
    "int": 'x.astype("int32")',
    "bool": 'x.astype("bool")',
    "type": "x.astype(dtype)",
    "cpu": 'x.to("cpu")',
    "cuda": 'x.to("cuda")',
    "data": "x.numpy(), and w.assign(values) where w is a variable",
    "type_as": "x.astype(y.dtype)",
    "is_cuda": "x.device",
    "new_zeros": "la.zeros(shape, dtype=x.dtype)",
    "new_ones": "la.ones(shape, dtype=x.dtype)",
    "new_full": "la.full(shape, value, dtype=x.dtype)",
    "new_tensor": "la.asarray(values, dtype=x.dtype)",
    # values
    "masked_fill": "la.where(mask, value, x)",
    "clamp": "x.clip(low, high)",
    "gather": "x.take_along_axis(indices, axis=axis)",
    "index_select": "x.take(indices, axis=axis)",
    "masked_select": "x[mask]",
    "lerp": "x + weight * (y - x)",
    "addmm": "x + a @ b",
    "scatter": "la.where(la.one_hot(indices, size) > 0, values, x)",
    "scatter_add": "la.scatter_add_along_axis(values, indices, size=size, axis=axis)",
    "index_add": "x + la.scatter_add(values, indices, size=len(x))",
    "register_hook": "la.custom_gradient",
    "at": "x.replaced(key, value)",
    "cumsum": "x.cumulative_sum(axis=axis)",
    "topk": "la.topk(x, k)",
    "mm": "x @ y",
    "matmul": "x @ y",
    "bmm": "x @ y",
    "dot": "x @ y",
    "norm": "la.linalg.vector_norm(x)",
    "eq": "x == y",
    "argsort": "la.argsort(x)",
    "sort": "la.sort(x)",
    "nonzero": "la.nonzero(x)",
    # in place
    **dict.fromkeys(
        ("add_", "sub_", "mul_", "div_", "pow_", "neg_", "exp_", "sqrt_", "abs_", "clamp_", "relu_", "sigmoid_",
         "tanh_", "lerp_", "addcmul_", "addcdiv_", "masked_fill_", "index_fill_", "scatter_", "scatter_add_",
         "index_add_", "squeeze_", "unsqueeze_", "detach_"),
        "x = x + y, and so on, for tensors never change; w.assign(w + y) where w is a variable",
    ),
    **dict.fromkeys(("fill_", "normal_", "uniform_"), "w.assign(values), where w is a variable"),
}  # fmt: skip

FUNCTIONS: Mapping[str, str] = {
    "tensor": "la.asarray(values), or la.variable(values) to take gradients by",
    "array": "la.asarray(values)",
    "as_tensor": "la.asarray(values)",
    "from_numpy": "la.asarray(array)",
    "FloatTensor": "la.asarray(values)",
    "LongTensor": 'la.asarray(values, dtype="int64")',
    "is_tensor": "isinstance(x, la.Tensor)",
    "Parameter": "la.variable(values)",
    "manual_seed": "la.random.seed(0)",
    "randn_like": "la.random.normal(x.shape)",
    "rand_like": "la.random.uniform(x.shape)",
    "bernoulli": "la.random.uniform(p.shape) < p",
    "multinomial": "(p.log() - (-la.random.uniform(p.shape).log()).log()).argmax(axis=-1)",
    "distributions": "la.random to draw, and log-likelihoods written out or as losses, such as nn.gaussian_nll_loss",
    "randn": "la.random.normal(shape)",
    "rand": "la.random.uniform(shape)",
    "randint": "la.random.integers(shape, low, high)",
    "randperm": "la.random.permutation(n)",
    "cat": "la.concat(tensors, axis=axis)",
    "concatenate": "la.concat(tensors, axis=axis)",
    "vstack": "la.concat(tensors)",
    "hstack": "la.concat(tensors, axis=1)",
    "mm": "x @ y",
    "bmm": "x @ y",
    "dot": "x @ y",
    "inner": "la.vecdot(x, y)",
    "outer": "x[:, None] * y",
    "unsqueeze": "la.expand_dims(x, axis=axis)",
    "transpose": "la.permute_dims(x, axes), la.matrix_transpose(x)",
    "permute": "la.permute_dims(x, axes)",
    "swapaxes": "la.permute_dims(x, axes)",
    "clamp": "la.clip(x, low, high)",
    "gather": "la.take_along_axis(x, indices, axis=axis)",
    "index_select": "la.take(x, indices, axis=axis)",
    "cumsum": "la.cumulative_sum(x, axis=axis)",
    "cumprod": "la.cumulative_prod(x, axis=axis)",
    "power": "la.pow(x, y)",
    "mul": "x * y",
    "sub": "x - y",
    "div": "x / y",
    "neg": "-x",
    "absolute": "la.abs(x)",
    "arctan2": "la.atan2(y, x)",
    "unique": "la.unique_values(x)",
    "allclose": "np.allclose(x, y), which takes tensors",
    "isclose": "la.abs(x - y) <= tolerance",
    "norm": "la.linalg.vector_norm(x)",
    "cdist": "la.linalg.vector_norm(x[:, None] - y[None], axis=-1)",
    "diag": "la.linalg.diagonal(x), and la.eye(len(x)) * x",
    "diagonal": "la.linalg.diagonal(x)",
    "trace": "la.linalg.trace(x)",
    "det": "la.linalg.det(x)",
    "inverse": "la.linalg.inv(x)",
    "cross": "la.linalg.cross(x, y)",
    "cholesky": "la.linalg.cholesky(x)",
    "argwhere": "la.stack(la.nonzero(x), axis=1)",
    "bincount": "la.scatter_add(la.ones(indices.shape), indices, size=size)",
    "masked_select": "x[mask]",
    "nan_to_num": "la.where(la.isnan(x), 0.0, x)",
    "lerp": "x + weight * (y - x)",
    "scatter": "la.where(la.one_hot(indices, size) > 0, values, x)",
    "index_add": "x + la.scatter_add(values, indices, size=len(x))",
    "segment_sum": "la.scatter_add(values, segments, size=size)",
    "segment_max": "la.scatter_max(values, segments, size=size)",
    "segment_min": "la.scatter_min(values, segments, size=size)",
    "segment_mean": "la.scatter_mean(values, segments, size=size)",
    "scatter_reduce": "la.scatter_add, la.scatter_max, la.scatter_min or la.scatter_mean, of whole slices",
    "index_reduce": "la.maximum(x, la.scatter_max(values, indices, size=len(x)))",
    "amax": "la.max(x, axis=axis)",
    "amin": "la.min(x, axis=axis)",
    "repeat_interleave": "la.repeat(x, n, axis=axis)",
    "logspace": "10 ** la.linspace(start, stop, n)",
    "Function": "la.custom_gradient",
    "custom_vjp": "la.custom_gradient",
    "custom_jvp": "la.custom_gradient",
    "inference_mode": "la.no_grad()",
    "set_grad_enabled": "la.no_grad()",
    "enable_grad": "la.no_grad() around less: gradients are recorded otherwise",
    "GradientTape": "grads = loss.backward(), or la.grad(f)",
    "jit": "la.compile",
    "function": "la.compile",
    "vectorize": "la.vmap(f)",
    "pmap": "la.compile, which uses all cores",
    "device": 'a text, such as device="cpu"',
    "long": 'dtype="int64"',
    "float": 'dtype="float32"',
    "double": 'dtype="float64"',
    "Sequential": "la.nn.Sequential",
    "DataLoader": "la.fit(..., batch_size=n), or la.data.ArrayStream",
    "utils": "la.data for data",
    "func": "la itself: la.vmap, la.grad, la.jacobian, la.functional_call",
    "amp": 'la.matmul_precision("bfloat16")',
    "autocast": 'la.matmul_precision("bfloat16")',
    "cuda": 'la.devices(), and x.to("cuda")',
    "keras": "la.nn for layers, and la.fit",
    "autograd": "la.grad, la.jacobian, la.hessian, la.vjp",
    "functional": "la.nn for functions of layers and losses, such as la.nn.cross_entropy",
    "numpy": "la itself, which has NumPy's functions",
    "layers": "la.nn",
    "losses": "la.nn, as functions and layers: la.nn.cross_entropy, la.nn.CrossEntropyLoss",
    "optimizers": "la.optim",
    "metrics": "la.training.metrics",
    "lax": "la.scan and la.cond",
}  # fmt: skip

NN: Mapping[str, str] = {
    "Parameter": "la.variable(values), as an attribute of a module",
    "functional": "nn itself: nn.relu, nn.cross_entropy, nn.conv2d",
    "utils": "la.optim.clip_grad_norm and nn.weight_norm, nn.parameters_to_vector, nn.pad_sequence",
    "Dense": "nn.Linear(inputs, outputs)",
    "Conv1D": "nn.Conv1d(in_channels, out_channels, kernel_size)",
    "Conv2D": "nn.Conv2d(in_channels, out_channels, kernel_size)",
    "Conv": "nn.Conv2d(in_channels, out_channels, kernel_size)",
    "BatchNormalization": "nn.BatchNorm2d(channels)",
    "LayerNormalization": "nn.LayerNorm(shape)",
    "MaxPooling2D": "nn.MaxPool2d(kernel_size)",
    "GlobalAveragePooling2D": "nn.AdaptiveAvgPool2d(1)",
    "Swish": "nn.SiLU()",
    "swish": "nn.silu(x)",
    "LazyLinear": "nn.Linear(inputs, outputs): sizes are given",
    "DataParallel": "la.compile, which uses all cores",
    "UpsamplingNearest2d": 'nn.Upsample(scale_factor=2, mode="nearest")',
    "UpsamplingBilinear2d": 'nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)',
    "SyncBatchNorm": "nn.BatchNorm2d(channels)",
    "CrossMapLRN2d": "nn.LocalResponseNorm(size)",
    "NLLLoss2d": "nn.NLLLoss()",
    "LinearCrossEntropyLoss": "nn.cross_entropy(nn.linear(x, weight), labels)",
    "linear_cross_entropy": "nn.cross_entropy(nn.linear(x, weight), labels)",
    "upsample": "nn.interpolate(x, size)",
    "parametrize": "nn.register_parametrization(module, name, parametrization)",
    "remove_weight_norm": "nn.remove_parametrizations(module, name)",
    "remove_spectral_norm": "nn.remove_parametrizations(module, name)",
    "one_hot": "la.one_hot(indices, num_classes)",
    "logsumexp": "la.logsumexp(x)",
}  # fmt: skip

MODULE: Mapping[str, str] = {
    "register_buffer": 'self.name = la.variable(values, trainable=False)',
    "register_parameter": "self.name = la.variable(values)",
    "add_module": "self.name = module",
    "requires_grad_": "model.freeze() and model.unfreeze()",
    "zero_grad": "nothing: gradients are returned by loss.backward() and not kept",
    "apply": "for module in model.modules(): ...",
    "cuda": 'model.to("cuda")',
    "cpu": 'model.to("cpu")',
    "double": 'dtype="float64" where its layers are made',
    "float": 'dtype="float32" where its layers are made',
    "half": 'dtype="float16" where its layers are made, or la.matmul_precision("bfloat16")',
    "register_forward_hook": "a module that calls this one, or a method of a class of one's own",
    "weights": "model.parameters()",
    "trainable_variables": "model.parameters()",
    "compile": "la.compile(model), or la.fit(model, data, loss=..., optimizer=...)",
    "fit": "la.fit(model, data, loss=..., optimizer=...)",
    "predict": "model(x), or la.training.predict(model, x)",
    "evaluate": "la.training.evaluate(model, data, metrics=[...])",
    "save": "la.save(model, path)",
}  # fmt: skip

OPTIM: Mapping[str, str] = {
    "clip_grad_norm_": "grads, norm = la.optim.clip_grad_norm(grads, max_norm)",
    "clip_grad_value_": "grads = la.optim.clip_grad_value(grads, value)",
    "RMSProp": "la.optim.RMSprop(parameters, lr)",
    "swa_utils": "la.fit(..., ema=0.99)",
}  # fmt: skip

INIT: Mapping[str, str] = {
    **{
        f"{name}_": f"w.assign(nn.init.{name}(...)(w.shape)), or init= where the layer is made"
        for name in (
            "uniform", "normal", "constant", "ones", "zeros", "eye", "dirac", "xavier_uniform", "xavier_normal",
            "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse",
        )
    },
    "trunc_normal_": "w.assign(nn.init.truncated_normal(std=0.02)(w.shape))",
}  # fmt: skip

OPTIMIZER: Mapping[str, str] = {
    "zero_grad": "nothing: gradients are returned by loss.backward() and not kept",
    "apply_gradients": "optimizer.step(grads)",
    "minimize": "optimizer.step(loss.backward())",
    "learning_rate": "optimizer.lr, and optimizer.lr.assign(value)",
}  # fmt: skip

RANDOM: Mapping[str, str] = {
    "randn": "la.random.normal(shape)",
    "standard_normal": "la.random.normal(shape)",
    "rand": "la.random.uniform(shape)",
    "random": "la.random.uniform(shape)",
    "randint": "la.random.integers(shape, low, high)",
    "shuffle": "la.random.permutation(x)",
    "choice": "x[la.random.integers(shape, 0, len(x))], or la.random.permutation(x)[:n] without repetition",
    "categorical": "(logits - (-la.random.uniform(logits.shape).log()).log()).argmax(axis=-1)",
    "manual_seed": "la.random.seed(0)",
    "PRNGKey": "la.random.Generator(seed)",
    "key": "la.random.Generator(seed)",
    "default_rng": "la.random.Generator(seed)",
    "split": "generator.spawn(n)",
}  # fmt: skip


ARGUMENTS: Mapping[str, str] = {
    "dim": "axis",
    "dims": "axis",
    "keepdim": "keepdims",
    "start_dim": "start_axis",
    "end_dim": "end_axis",
    "dim0": "axis",
    "dim1": "axis",
    "unbiased": "correction=1, or correction=0, the default",
    "ddof": "correction",
    "inplace": "nothing: tensors never change",
    "device": 'model.to("cuda"), after it is made',
    "foreach": "nothing: a compiled step updates all parameters at once",
    "fused": "nothing: a compiled step updates all parameters at once",
    "capturable": "nothing: a compiled step updates all parameters at once",
    "differentiable": "la.grad(f), and parameters given to la.functional_call",
    "learning_rate": "lr",
    "activation": "a layer of its own, such as nn.ReLU()",
    "size_average": 'reduction="mean" or "sum"',
    "reduce": 'reduction="none"',
    "units": "out_features, behind in_features",
    "features": "out_features, behind in_features",
    "filters": "out_channels, behind in_channels",
    "strides": "stride",
    "use_bias": "bias",
    "rngs": "nothing: la.random.seed(0) before layers are made",
    "key": "nothing: la.random.seed(0) before layers are made",
    "name": "the name of the attribute that holds it",
}  # fmt: skip


def unexpected(owner: str, arguments: Mapping[str, object]) -> TypeError:
    """Return the error of arguments by names that a function does not have, with what they are called here."""
    name = next((each for each in arguments if each in ARGUMENTS), next(iter(arguments)))
    remedy = f"; here it is {ARGUMENTS[name]}" if name in ARGUMENTS else ""
    return TypeError(f"{owner}() got an unexpected keyword argument {name!r}{remedy}")


class _Signature:
    """Gives the signature of a class by its ``__init__``, which `inspect` would not look at beside a ``__new__``."""

    def __get__(self, thing: object, kind: type[Any]) -> Signature | None:
        return _made_with(kind) if thing is None else None


class Told:
    """The base of classes whose makers are told what arguments of other libraries are called here."""

    __slots__ = ()
    __signature__ = _Signature()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        elsewhere = {name: value for name, value in kwargs.items() if name in ARGUMENTS}
        if elsewhere and (unknown := elsewhere.keys() - _parameters(cls)):
            raise unexpected(cls.__name__, {name: elsewhere[name] for name in unknown})
        return super().__new__(cls)


def _parameters(kind: type[Any]) -> set[str]:
    """Return the names of the arguments that a class is made with, or those of `ARGUMENTS` where it takes any."""
    parameters = _made_with(kind).parameters.values()
    takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
    return set(ARGUMENTS) if takes_any else {each.name for each in parameters}


def _made_with(kind: type[Any]) -> Signature:
    own = signature(getattr(kind, "__init__"))  # noqa: B009  (of the class, not of what it makes)
    return own.replace(parameters=list(own.parameters.values())[1:])


def of_module(module: str, name: str, names: Mapping[str, str]) -> AttributeError:
    """Return the error of a name that a module does not have, with what it is called here."""
    remedy = f"; here it is {names[name]}" if name in names else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{remedy}", name=name)


class Elsewhere:
    """Stands in a class for an attribute that its objects do not have, and raises the error of that."""

    __slots__ = ("name", "remedy")

    def __init__(self, name: str, remedy: str) -> None:
        self.name = name
        self.remedy = remedy

    def __get__(self, thing: object, kind: type) -> NoReturn:
        raise AttributeError(
            f"{kind.__name__!r} object has no attribute {self.name!r}; here it is {self.remedy}", name=self.name
        )

    def __set__(self, thing: object, value: object) -> NoReturn:
        self.__get__(thing, type(thing))


def of_object(thing: object, name: str, names: Mapping[str, str]) -> Any:
    """Raise the error of a name that an object does not have, with what it is called here.

    Python calls this, by ``__getattr__``, for properties that raise an AttributeError too: that one is raised again.
    """
    if name in names and not hasattr(type(thing), name):
        raise AttributeError(
            f"{type(thing).__name__!r} object has no attribute {name!r}; here it is {names[name]}", name=name
        )
    return object.__getattribute__(thing, name)
