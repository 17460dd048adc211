"""`Variable`: a named cell that holds a tensor and can be assigned, the only thing that ever changes."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from lamina.autodiff.node import Leaf
from lamina.backends.numpy_backend import write_rows
from lamina.backends.registry import CPU
from lamina.backends.thread_state import STATE, quietly
from lamina.dtypes import python_number
from lamina.errors import AssignmentError, BackendError, DTypeError, ShapeError, TracingError
from lamina.functions.operands import tensor
from lamina.ownership import exclusive
from lamina.primitives.batching import assignable, inside, is_batched
from lamina.primitives.indexing import put_rows
from lamina.primitives.operand import Operand
from lamina.primitives.primitive import Spec
from lamina.tensor import Tensor, from_data
from lamina.watched import changed


class Variable(Tensor):
    """A named cell that holds a tensor and can be assigned: the only thing that ever changes.

    In an expression a variable stands for its value at that moment. Parameters, optimiser state, running
    statistics and learning rates are variables.

    Parameters
    ----------
    value : Tensor
        The first value; its shape, type and device stay.
    name : str, optional
        Shown in ``repr`` and in errors.
    trainable : bool, default True
        Whether `backward` gives a gradient for it. Only floating-point variables are trainable.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, 2.0], name="w")
    >>> w.assign(w * 10)
    >>> w
    Variable('w', [10., 20.], shape=[2], dtype=float32)
    """

    __slots__ = ("_leaf", "_value", "_while_trainable", "name")

    def __init__(self, value: Tensor, name: str | None = None, trainable: bool = True) -> None:
        self.name = name
        self._leaf = Leaf(self) if trainable and value.dtype.floating else None
        self._while_trainable = self._leaf
        tracer = STATE.tracer
        self._set(inside(value if tracer is None else tracer.variables.first_value(self, value)))

    def _hold(self, value: Tensor) -> None:
        """Put a value into the cell, whatever its shape, type and device.

        `assign` is this with checks; a module that moves to another device needs it without.
        """
        if STATE.tracer is not None:
            STATE.tracer.variables.check_hold(self)
        self._set(value)
        changed()

    def _set(self, value: Tensor) -> None:
        self._backend, self._node = value._backend, self._leaf
        self._put(Tensor(value._data, value._backend, self._leaf))

    def _put(self, value: Tensor) -> None:
        """Hold a tensor and its array. No other thread sees one without the other: nothing is called in between."""
        before = getattr(self, "_value", None)
        self._data = value._data
        self._value = value
        del before

    @property
    def _cell(self) -> tuple[Any, ...]:
        """All of what the variable holds."""
        return self._data, self._backend, self._node, self._value

    @_cell.setter
    def _cell(self, held: tuple[Any, ...]) -> None:
        self._data, self._backend, self._node, self._value = held

    @property
    def trainable(self) -> bool:
        """Whether `backward` gives a gradient for this variable; set it to False to freeze one, to True to go on.

        Optimisers pass over a variable that is not trainable, and keep what they remember of it.

        Raises
        ------
        DTypeError
            When a variable that is not of floating-point numbers is to be trainable.
        TracingError
            When it is set inside of a compiled function.

        Examples
        --------
        >>> import lamina as la
        >>> w, b = la.variable([1.0, 2.0]), la.variable([3.0, 4.0])
        >>> w.trainable = False
        >>> grads = (w * b).sum().backward()
        >>> w in grads, b in grads
        (False, True)
        """
        return self._leaf is not None

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        if trainable == self.trainable:
            return
        if trainable and not self.dtype.floating:
            raise DTypeError(
                f"trainable: {self.label} is {self.dtype.name}, and only floating-point numbers are trained"
            )
        if STATE.tracer is not None:
            raise TracingError(f"trainable: {self.label} is frozen or set free before the compiled function is called")
        if self._while_trainable is None:
            self._while_trainable = Leaf(self)
        # The same leaf as before, so that programs traced while it was trainable serve again.
        self._leaf = self._while_trainable if trainable else None
        self._set(self._untracked)
        changed()

    @property
    def frozen(self) -> bool:
        """Whether this variable was trainable and is not now, so that `Module.unfreeze` sets it free."""
        return self._leaf is None and self._while_trainable is not None

    @property
    def label(self) -> str:
        """The name, or a description of a variable without one."""
        return f"variable {self.name!r}" if self.name else f"a variable of shape {list(self.shape)}"

    @property
    def value(self) -> Tensor:
        """The tensor held at this moment, still tracked."""
        tracer = STATE.tracer
        return self._value if tracer is None else tracer.variables.read(self)

    _snapshot = value

    @property
    def _untracked(self) -> Tensor:
        value = self._snapshot
        return Tensor(value._data, value._backend)

    def assign(self, value: Tensor | npt.NDArray[Any] | np.generic | bool | int | float) -> None:
        """Replace the value.

        Parameters
        ----------
        value : Tensor, array or number
            Of the variable's shape and type. No gradient flows through an assignment.

        Raises
        ------
        ShapeError, DTypeError, BackendError
            When the shape, type or device differs; the variable is unchanged then.
        """
        if value.__class__ is not Tensor:
            value = self._converted(value)
        if value._data.shape != self._data.shape:
            raise ShapeError(f"assign: {self.label} has shape {list(self.shape)}, the value {list(value.shape)}")
        tracer = STATE.tracer
        if value._backend is not self._backend:
            if is_batched(value) or is_batched(self):
                value = assignable(self, value)
            elif tracer is None:
                self._unify("assign", (self, value))
        if value._data.dtype is not self._data.dtype and value.dtype is not self.dtype:
            raise DTypeError(
                f"assign: {self.label} is {self.dtype.name}, the value {value.dtype.name}; cast it with astype"
            )
        if STATE.journal is not None:
            STATE.journal.setdefault(self, self._snapshot)
        if tracer is not None:
            tracer.variables.assign(self, value)
            return
        made, before = Tensor(value._data, self._backend, self._leaf), self._value
        # As in `_put`, without the call.
        self._data = value._data
        self._value = made
        del before

    def assign_rows(self, indices: Tensor, rows: Tensor) -> None:
        """Replace some rows, in a time that does not grow with the number of the others.

        Where nobody else holds the variable's memory, such as by ``w.value`` or a recorded computation, the rows are
        written into it; otherwise into a copy, as `assign` would be.

        Parameters
        ----------
        indices : Tensor of integers, shape [n]
            Which rows. Of those that are named twice the last is taken; an index that is no row's is left out.
        rows : Tensor of shape [n, ...]
            In the variable's type. No gradient flows through an assignment.

        Raises
        ------
        ShapeError, DTypeError, BackendError
            When shape, type or device do not fit; the variable is unchanged then.

        Examples
        --------
        >>> import lamina as la
        >>> w = la.variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> w.assign_rows(la.asarray([2]), la.asarray([[7.0, 8.0]]))
        >>> w.value
        Tensor([[1., 2.],
                [3., 4.],
                [7., 8.]], shape=[3, 2], dtype=float32)
        """
        indices, rows = tensor("assign_rows", indices)._untracked, tensor("assign_rows", rows)._untracked
        here = self._backend is CPU is indices._backend is rows._backend
        if here and STATE.tracer is None and STATE.journal is None and exclusive((self,)):
            try:
                quietly(write_rows, self._data, rows._data, indices._data)
            except ValueError as error:
                put_rows.spec("assign_rows", *[Spec(x.shape, x.dtype) for x in (self, rows, indices)])
                raise BackendError(f"assign_rows: {error}") from error
            return
        self.assign(put_rows(self._untracked, rows, indices))

    def _converted(self, value: Any) -> Tensor:
        if isinstance(value, Operand):
            return value._snapshot
        if isinstance(value, bool | int | float | np.generic):
            return self._scalar(python_number(value))
        return from_data(value, None, self.device, self.dtype)

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __repr__(self) -> str:
        name = repr(self.name) if self.name else "unnamed"
        frozen = "" if self.trainable or not self.dtype.floating else ", trainable=False"
        return f"Variable({name}, {self._values_text(f'Variable({name}, ')}, {self._description()}{frozen})"

    def _refuse(self, other: Any) -> NoReturn:
        raise AssignmentError("in-place operators do not change a variable; write w.assign(w + x)")

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __ipow__ = __imod__ = __imatmul__ = _refuse
    __iand__ = __ior__ = __ixor__ = __ilshift__ = __irshift__ = _refuse

    def __copy__(self) -> Variable:
        return _made(*self._parts)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return _made(*self._parts)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, self._parts

    @property
    def _parts(self) -> tuple[Tensor, str | None, bool, bool]:
        return self._untracked, self.name, self.trainable, self._while_trainable is not None


def _made(value: Tensor, name: str | None, trainable: bool, freed: bool) -> Variable:
    """Return a variable like another, which was trainable if it is to be set free by `Module.unfreeze`."""
    made = Variable(value, name, trainable)
    if freed and made._while_trainable is None:
        made._while_trainable = Leaf(made)
    return made
