"""The base of layers and models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lamina.backends.registry import get_backend
from lamina.dtypes import DTypeLike
from lamina.errors import AssignmentError
from lamina.nn.state import Unmatched, load_into, state_of
from lamina.nn.summary import Summary, summarize
from lamina.nn.tree import Branch, children, walk
from lamina.other_names import MODULE, Told, of_object
from lamina.tensor import Tensor
from lamina.variable import Variable
from lamina.watched import Watched


class Module(Told, Branch, Watched):
    """A layer or model: a plain Python object whose attributes hold variables and other modules.

    Write a class with the layers as attributes and a ``__call__`` (or ``forward``) that uses them. Variables and
    modules are found in attributes and in lists, tuples and dicts, however deep. What is shared between two
    places counts once. A `Variable` that is trainable is a parameter; one that is not, such as one that `freeze` has
    seen, is a buffer: part of the state, but not trained. A `Tensor` is a constant and no part of the state. The
    base class needs no initialisation.

    Attributes
    ----------
    training : bool
        Whether layers such as `Dropout` behave as in training; True at first, set by `train` and `eval`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> class Network(nn.Module):
    ...     def __init__(self, inputs, hidden, outputs):
    ...         self.l1 = nn.Linear(inputs, hidden)
    ...         self.l2 = nn.Linear(hidden, outputs)
    ...
    ...     def __call__(self, x):
    ...         return self.l2(self.l1(x).relu())
    >>> model = Network(2, 8, 1)
    >>> model(la.zeros((4, 2))).shape
    (4, 1)
    >>> [name for name, _ in model.named_parameters()]
    ['l1.weight', 'l1.bias', 'l2.weight', 'l2.bias']
    >>> model
    Network(
      (l1): Linear(in_features=2, out_features=8, bias=True)
      (l2): Linear(in_features=8, out_features=1, bias=True)
    )
    """

    training: bool = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return ``forward(...)``; a class that defines ``__call__`` needs no ``forward``."""
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output: to be defined by a class that does not define ``__call__``."""
        raise NotImplementedError(f"{type(self).__name__}: define __call__(self, x), which computes the output")

    def __setattr__(self, name: str, value: Any) -> None:
        if (value.__class__ is Tensor or isinstance(value, np.ndarray)) and isinstance(vars(self).get(name), Variable):
            kind = "a tensor" if value.__class__ is Tensor else "an array"
            raise AssignmentError(
                f"{type(self).__name__}.{name} is a variable, and {kind} in its place would not be trained or saved; "
                f"write {name}.assign(value), or delete it first"
            )
        super().__setattr__(name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return of_object(self, name, MODULE)

    # --- what the model is made of ---

    def named_parameters(self) -> list[tuple[str, Variable]]:
        """Return the trainable variables with their names, such as ``"l1.weight"`` or ``"layers.0.bias"``.

        Each variable appears once, under the first name that leads to it.
        """
        return [(name, each) for name, each in walk(self) if isinstance(each, Variable) and each.trainable]

    def parameters(self) -> list[Variable]:
        """Return the trainable variables, each once: what an optimiser takes."""
        return [variable for _, variable in self.named_parameters()]

    def named_buffers(self) -> list[tuple[str, Variable]]:
        """Return the variables that are not trainable, with their names."""
        return [(name, each) for name, each in walk(self) if isinstance(each, Variable) and not each.trainable]

    def buffers(self) -> list[Variable]:
        """Return the variables that are not trainable, each once."""
        return [variable for _, variable in self.named_buffers()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """Return this module, named ``""``, and all modules inside it, each once, with their names."""
        return [(name, each) for name, each in walk(self) if isinstance(each, Module)]

    def modules(self) -> list[Module]:
        """Return this module and all modules inside it, each once."""
        return [module for _, module in self.named_modules()]

    def named_children(self) -> list[tuple[str, Module]]:
        """Return the modules directly inside this one, with their names."""
        found: dict[int, tuple[str, Module]] = {}
        for name, each in children(self):
            if isinstance(each, Module):
                found.setdefault(id(each), (name, each))
        return list(found.values())

    def children(self) -> list[Module]:
        """Return the modules directly inside this one."""
        return [module for _, module in self.named_children()]

    def _settings(self) -> Iterable[tuple[str, Any]]:
        return {"training": self.training, **vars(self)}.items()

    # --- state ---

    def state_dict(self) -> dict[str, Tensor]:
        """Return the value of every parameter and buffer by name.

        A shared variable appears once, under its first name (PyTorch lists it under every name).

        Raises
        ------
        CheckpointError
            When two variables have the same name, as the dict keys ``1`` and ``"1"`` would give them.
        """
        return state_of(self)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Unmatched:
        """Assign every parameter and buffer the value of its name.

        A shared variable takes its value under any of its names, so a dict from PyTorch, which has them all,
        loads too.

        Parameters
        ----------
        state : mapping of str to Tensor or array
            Of the shapes and types that the model has. Values move to the device of their variable.
        strict : bool, default True
            Whether names that are missing or unexpected are errors. Shapes and types must fit always.

        Returns
        -------
        Unmatched
            The names ``missing`` and ``unexpected``; both empty when ``strict``.

        Raises
        ------
        CheckpointError
            When names, shapes or types do not fit; it lists them all, and the model is unchanged.
        DTypeError
            When ``state`` is no mapping.

        Examples
        --------
        >>> from lamina import nn
        >>> first, second = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> second.load_state_dict(first.state_dict())
        Unmatched(missing=[], unexpected=[])
        """
        return load_into(self, state, strict)

    def to(self, device: str) -> Self:
        """Move every parameter and buffer to a device, and return this module.

        The variables stay the same objects, so an optimiser that holds them goes on; tensors that are plain
        attributes stay where they are.

        Raises
        ------
        BackendError
            When there is no such device or it cannot be used; nothing has moved then.
        """
        get_backend(device)
        variables = [each for _, each in walk(self) if isinstance(each, Variable)]
        moved = [variable._untracked.to(device) for variable in variables]
        for variable, value in zip(variables, moved, strict=True):
            variable._hold(value)
        return self

    # --- mode ---

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` here and in every module inside, and return this module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set ``training`` to False here and in every module inside, and return this module."""
        return self.train(False)

    # --- what is trained ---

    def freeze(self) -> Self:
        """Make every parameter here and inside a constant of the training, and return this module.

        They are no parameters then but buffers, and `backward` gives no gradients for them. Statistics of
        normalisation go on in training; `eval` stops them.

        Examples
        --------
        >>> from lamina import nn
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> body = model[0].freeze()
        >>> [name for name, _ in model.named_parameters()]
        ['2.weight', '2.bias']
        """
        for variable in self.parameters():
            variable.trainable = False
        return self

    def unfreeze(self) -> Self:
        """Undo `freeze` for all that was trainable here and inside, and return this module."""
        for variable in self.buffers():
            if variable.frozen:
                variable.trainable = True
        return self

    # --- for people ---

    def summary(
        self, input_shape: int | Sequence[int], *more_shapes: int | Sequence[int], dtype: DTypeLike | None = None
    ) -> Summary:
        """Return a table of the layers with the shapes of their outputs and their numbers of parameters.

        The model runs once on zeros, as in evaluation and without gradients; it and the default random generator
        are as before afterwards.

        Parameters
        ----------
        input_shape : int or sequence of int
            The whole shape of the input, the batch axis included.
        *more_shapes : int or sequence of int
            Of further inputs, if the model takes several.
        dtype : DType, default float32
            Of the inputs.

        Examples
        --------
        >>> from lamina import nn
        >>> print(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)).summary((4, 2)))
        Layer               Output   Parameters
        ───────────────────────────────────────
        Sequential          [4, 1]
          0 Linear          [4, 8]           24
          1 ReLU            [4, 8]
          2 Linear          [4, 1]            9
        ───────────────────────────────────────
        Total (132 bytes)                    33
        """
        return summarize(self, [input_shape, *more_shapes], dtype)

    def extra_repr(self) -> str:
        """Return what stands between the brackets of ``repr``: by default the shapes of the module's own variables."""
        own = ((name, each) for name, each in children(self) if isinstance(each, Variable))
        return ", ".join(f"{name}={list(variable.shape)}" for name, variable in own)

    def _drawn_members(self) -> list[tuple[str, Any]]:
        """Return the lines of ``repr`` below the module's own, with their names."""
        return [(name, each) for name, each in children(self) if isinstance(each, Module)]

    def __repr__(self) -> str:
        return "\n".join(_drawn(self, set()))


def _drawn(module: Module, seen: set[int]) -> Iterator[str]:
    """Yield the lines of a module's tree; one that has been drawn, as in a cycle, is not opened again."""
    kind, details = type(module).__name__, module.extra_repr()
    inside = module._drawn_members()
    if not inside:
        yield f"{kind}({details})"
    elif id(module) in seen:
        yield f"{kind}(...)"
    else:
        seen.add(id(module))
        yield f"{kind}("
        if details:
            yield f"  {details}"
        for name, each in inside:
            first, *rest = _drawn(each, seen) if isinstance(each, Module) else [getattr(each, "__name__", repr(each))]
            yield f"  ({name}): {first}"
            yield from (f"  {line}" for line in rest)
        yield ")"
