"""What recurrent layers share: parameters by layer and direction, and the loops over layers, directions and time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from lamina.autodiff.scan import scan
from lamina.dtypes import DTypeLike, int64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.comparisons import less, where
from lamina.functions.creation import asarray
from lamina.functions.manipulation import concat, stack, unstack
from lamina.functions.operands import cast, tensor
from lamina.functions.reductions import max as max_
from lamina.nn.dropouts import dropped
from lamina.nn.init import uniform
from lamina.nn.module import Module
from lamina.nn.packed_sequences import Lengths, PackedSequence, pack_again, pad_packed_sequence, time_first
from lamina.nn.recurrent_steps import Product, State, Step, gru_step, projected
from lamina.nn.settings import parameter_dtype, positive_count, probability
from lamina.primitives.broadcasting import reshape
from lamina.primitives.contraction import product_of, transposed
from lamina.primitives.repeated_product import RepeatedProduct
from lamina.tensor import Tensor
from lamina.variable import Variable


class Recurrent(Module):
    """The base of recurrent layers: their settings and parameters, and the loops over layers, directions and time."""

    _gates: ClassVar[int]
    _states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = positive_count(name, "input_size", input_size)
        self.hidden_size = positive_count(name, "hidden_size", hidden_size)
        self.num_layers = positive_count(name, "num_layers", num_layers)
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = probability(name, dropout)
        self.bidirectional = bidirectional
        if not 0 <= proj_size < self.hidden_size:
            raise ShapeError(f"{name}: proj_size must be from 0 (none) to below hidden_size, got {proj_size!r}")
        self.proj_size = proj_size
        self._make_parameters(parameter_dtype(name, dtype))

    @property
    def _out_size(self) -> int:
        """The length of the hidden state."""
        return self.proj_size or self.hidden_size

    def _make_parameters(self, dtype: Any) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size)
        rows = self._gates * self.hidden_size
        for layer, suffix in self._places():
            directions = 2 if self.bidirectional else 1
            width = self.input_size if layer == 0 else directions * self._out_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, self._out_size)}
            if self.bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if self.proj_size:
                shapes |= {"weight_hr": (self.proj_size, self.hidden_size)}
            for kind, shape in shapes.items():
                value = uniform(-bound, bound)(shape, dtype=dtype)
                setattr(self, kind + suffix, Variable(value, kind + suffix))

    def _places(self) -> Iterator[tuple[int, str]]:
        """Yield every layer and direction, with what the names of its parameters end with."""
        for layer in range(self.num_layers):
            for direction in ("", "_reverse") if self.bidirectional else ("",):
                yield layer, f"_l{layer}{direction}"

    @property
    def _step(self) -> Step:
        raise NotImplementedError

    # --- the call ---

    def _run(self, x: Any, state: State | None, lengths: Lengths | None) -> tuple[Any, State]:
        """Return the outputs and the last states, for padded or packed sequences."""
        name = type(self).__name__
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise DataError(f"{name}: packed sequences have their lengths; leave lengths= out")
            padded, counts = pad_packed_sequence(x)
            y, after = self._over_time(self._checked(padded, x.data), state, counts)
            return pack_again(y, x), after
        x = self._checked(tensor(name, x), x)
        batched = x.ndim == 3
        if not batched:
            x = reshape(x, shape=(x.shape[0], 1, self.input_size))
            state = None if state is None else tuple(self._with_batch(each) for each in state)
        y, after = self._over_time(time_first(x, self.batch_first and batched), state, self._counted(x, lengths))
        if not batched:
            return y[:, 0], tuple(each[:, 0] for each in after)
        return time_first(y, self.batch_first), after

    def _checked(self, x: Tensor, given: Any) -> Tensor:
        name = type(self).__name__
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            order = "[batch, time, {}]" if self.batch_first else "[time, batch, {}]"
            raise ShapeError(
                f"{name}: expected an input of shape {order.format(self.input_size)} or [time, {self.input_size}], "
                f"got {list(given.shape)}"
            )
        if x.shape[1 if self.batch_first and x.ndim == 3 else 0] == 0:
            raise ShapeError(f"{name}: the sequences have no elements: shape {list(given.shape)}")
        return x

    def _with_batch(self, state: Tensor) -> Tensor:
        if tensor(type(self).__name__, state).ndim != 2:
            raise ShapeError(
                f"{type(self).__name__}: for an input without a batch the state has two axes, got {list(state.shape)}"
            )
        return reshape(state, shape=(state.shape[0], 1, state.shape[1]))

    def _counted(self, x: Tensor, lengths: Lengths | None) -> Tensor | None:
        """Return the length of each sequence of a batch."""
        if lengths is None:
            return None
        name = type(self).__name__
        counts = lengths if isinstance(lengths, Tensor) else asarray(np.asarray(lengths), device=x.device)
        batch, steps = (x.shape[0], x.shape[1]) if self.batch_first else (x.shape[1], x.shape[0])
        if counts.shape != (batch,) or not counts.dtype.integral:
            raise ShapeError(
                f"{name}: lengths must be one integer for each of {batch} sequences, got {counts.dtype.name}"
                f"{list(counts.shape)}"
            )
        source = counts._snapshot
        if source._backend.has_values and batch:
            low, high = (int(getattr(source.numpy(), end)()) for end in ("min", "max"))
            if low < 0 or high > steps:
                raise DataError(f"{name}: lengths must be from 0 to {steps}, got {low} to {high}")
        return cast(source, int64)

    def _first_states(self, x: Tensor, state: State | None) -> list[State]:
        """Return the state before the first step, for every layer and direction."""
        name, count = type(self).__name__, sum(1 for _ in self._places())
        sizes = (self._out_size, self.hidden_size)[: self._states]
        if state is None:
            return [tuple(x._full((x.shape[1], size), 0) for size in sizes)] * count
        for each, size in zip(state, sizes, strict=True):
            shape = (count, x.shape[1], size)
            if tensor(name, each).shape != shape:
                raise ShapeError(
                    f"{name}: expected a state of shape {list(shape)} (layers times directions, batch, size), "
                    f"got {list(each.shape)}"
                )
            if each.dtype is not x.dtype:
                raise DTypeError(f"{name}: the state is {each.dtype.name}, the input {x.dtype.name}; cast one")
        return list(zip(*(unstack(each) for each in state), strict=True))

    def _over_time(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        """Return the outputs [T, B, size] of the last layer, and the last states of all, for ``x`` [T, B, F]."""
        first = self._first_states(x, state)
        steps = x.shape[0]
        present = longest = None
        if lengths is not None and lengths.size:
            longest = max_(lengths)
            times = lengths._constant(np.arange(steps)[:, None, None], int64)
            present = less(times, reshape(lengths, shape=(1, x.shape[1], 1)))
        last: list[State] = []
        outputs: list[Tensor] = []
        for (layer, suffix), before in zip(self._places(), first, strict=True):
            if layer > 0 and not suffix.endswith("_reverse"):
                x = concat(outputs, axis=2) if len(outputs) > 1 else outputs[0]
                x, outputs = dropped(x, self.dropout) if self.training else x, []
            after, y = self._in_one_direction(x, before, present, longest, suffix)
            last.append(after)
            outputs.append(y)
        y = concat(outputs, axis=2) if len(outputs) > 1 else outputs[0]
        return y, tuple(stack(each) for each in zip(*last, strict=True))

    def _in_one_direction(
        self, x: Tensor, before: State, present: Tensor | None, longest: Tensor | None, suffix: str
    ) -> tuple[State, Tensor]:
        """Return the last state and the outputs of one layer in one direction, as far as the longest sequence."""
        product, x = self._products(x, suffix)
        step = self._step
        if self.proj_size:
            step = projected(step, RepeatedProduct(transposed(getattr(self, "weight_hr" + suffix))))

        def advanced(state: State, now: tuple[Tensor, Tensor | None]) -> tuple[State, Tensor]:
            x, there = now
            after = step(x, state, product)
            if there is None:
                return after, after[0]
            # A sequence that has ended, or not begun when running backwards, keeps its state.
            after = tuple(where(there, new, old) for new, old in zip(after, state, strict=True))
            return after, where(there, after[0], 0.0)

        return scan(advanced, before, (x, present), reverse=suffix.endswith("_reverse"), stop=longest)

    def _products(self, x: Tensor, suffix: str) -> tuple[Product, Tensor]:
        """Return the product with the recurrent weights, and that of the input at all times with the others."""
        steps, batch, width = x.shape
        weight = getattr(self, "weight_ih" + suffix)
        if x.dtype is not weight.dtype:
            raise DTypeError(
                f"{type(self).__name__}: the input is {x.dtype.name}, the weights are {weight.dtype.name}; cast one"
            )
        flat = product_of(x)(reshape(x, shape=(steps * batch, width)), transposed(weight))
        product: Product = RepeatedProduct(transposed(getattr(self, "weight_hh" + suffix)))
        if self.bias:
            of_x, of_h = getattr(self, "bias_ih" + suffix), getattr(self, "bias_hh" + suffix)
            if self._step is gru_step:
                # Its candidate gates what comes from the state, bias included.
                flat, unbiased = flat + of_x, product
                product = lambda h: unbiased(h) + of_h  # noqa: E731
            else:
                flat = flat + (of_x + of_h)
        return product, reshape(flat, shape=(steps, batch, flat.shape[1]))

    def extra_repr(self) -> str:
        changed = {
            "num_layers": (self.num_layers, 1), "bias": (self.bias, True), "batch_first": (self.batch_first, False),
            "dropout": (self.dropout, 0.0), "bidirectional": (self.bidirectional, False),
            "proj_size": (self.proj_size, 0),
        }  # fmt: skip
        rest = [f"{name}={value}" for name, (value, default) in changed.items() if value != default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *rest])
