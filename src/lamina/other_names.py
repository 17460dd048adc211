"""What other libraries call things: errors say what it is called here.

There is one name for a thing, the array API's for functions of arrays and PyTorch's for layers, losses and optimisers.
Whoever asks for a name from elsewhere is told which that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

TENSOR: Mapping[str, str] = {
    # derivatives: PyTorch keeps them on tensors
    "detach": "la.stop_gradient(x)",
    "grad": "grads = loss.backward(), and then grads[x]",
    "requires_grad": "x.tracked; la.variable(values) makes what gradients are taken by",
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
    "numel": "x.size",
    "dim": "x.ndim",
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
    "data": "x.numpy()",
    # values
    "masked_fill": "la.where(mask, value, x)",
    "clamp": "x.clip(low, high)",
    "gather": "x.take_along_axis(indices, axis=axis)",
    "index_select": "x.take(indices, axis=axis)",
    "scatter_add": "la.scatter_add_along_axis(values, indices, size=size, axis=axis)",
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
}  # fmt: skip

FUNCTIONS: Mapping[str, str] = {
    "tensor": "la.asarray(values), or la.variable(values) to take gradients by",
    "array": "la.asarray(values)",
    "as_tensor": "la.asarray(values)",
    "from_numpy": "la.asarray(array)",
    "Parameter": "la.variable(values)",
    "manual_seed": "la.random.seed(0)",
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
    "Function": "la.custom_gradient",
    "custom_vjp": "la.custom_gradient",
    "custom_jvp": "la.custom_gradient",
    "inference_mode": "la.no_grad()",
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
    "half": 'dtype="float16" where its layers are made, or la.matmul_precision("bfloat16")',
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
    "LBFGS": "scipy.optimize.minimize with the gradients of la.value_and_grad(f)",
    "swa_utils": "la.fit(..., ema=0.99)",
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


def of_object(thing: object, name: str, names: Mapping[str, str]) -> Any:
    """Raise the error of a name that an object does not have, with what it is called here.

    Python calls this, by ``__getattr__``, for properties that raise an AttributeError too: that one is raised again.
    """
    if name in names and not hasattr(type(thing), name):
        raise AttributeError(
            f"{type(thing).__name__!r} object has no attribute {name!r}; here it is {names[name]}", name=name
        )
    return object.__getattribute__(thing, name)
