"""Layers that add elements around their input. The function itself is in `lamina.functions.padding`."""

from __future__ import annotations

from typing import ClassVar

from lamina.errors import ShapeError
from lamina.functions.padding import PaddingMode, pad
from lamina.functions.spatial import NAMES, Sizes
from lamina.nn.module import Module
from lamina.tensor import Tensor


class _Pad(Module):
    """Elements added before and after the last axes; see `ZeroPad2d`."""

    _axes: ClassVar[int]
    _mode: ClassVar[PaddingMode] = "constant"
    value: float = 0

    def __init__(self, padding: Sizes) -> None:
        count = 2 * self._axes
        self.padding: tuple[int, ...] = (padding,) * count if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != count:
            raise ShapeError(
                f"{type(self).__name__}: padding must be an integer, or (before, after) of the last axis, then of "
                f"the one before, {count} integers for {NAMES[self._axes]}; got {padding!r}"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with its last axes longer."""
        return pad(x, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """One value added around the last axis; see `ZeroPad2d`."""

    _axes = 1


class ConstantPad2d(_ConstantPad):
    """One value added around the last two axes; see `ZeroPad2d`."""

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """One value added around the last three axes; see `ZeroPad2d`."""

    _axes = 3


class ZeroPad1d(_Pad):
    """Zeros added around the last axis; see `ZeroPad2d`."""

    _axes = 1


class ZeroPad2d(_Pad):
    """Zeros added around the last two axes; see `pad`.

    Parameters
    ----------
    padding : int or tuple of int
        How many at every end, or ``(left, right, top, bottom)``: of the last axis, then of the one before. A negative
        number takes elements away.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.ZeroPad2d((1, 0, 0, 1))(la.ones((1, 1, 2)))
    Tensor([[[0., 1., 1.],
             [0., 0., 0.]]], shape=[1, 2, 3], dtype=float32)
    """

    _axes = 2


class ZeroPad3d(_Pad):
    """Zeros added around the last three axes; see `ZeroPad2d`."""

    _axes = 3


class ReflectionPad1d(_Pad):
    """The last axis mirrored at its ends, which are not repeated; see `ZeroPad2d`."""

    _axes, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two axes mirrored at their ends, which are not repeated; see `ZeroPad2d`."""

    _axes, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three axes mirrored at their ends, which are not repeated; see `ZeroPad2d`."""

    _axes, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The ends of the last axis repeated; see `ZeroPad2d`."""

    _axes, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The ends of the last two axes repeated; see `ZeroPad2d`."""

    _axes, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The ends of the last three axes repeated; see `ZeroPad2d`."""

    _axes, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The last axis continued from its other end; see `ZeroPad2d`."""

    _axes, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """The last two axes continued from their other ends; see `ZeroPad2d`."""

    _axes, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """The last three axes continued from their other ends; see `ZeroPad2d`."""

    _axes, _mode = 3, "circular"
