"""`OnnxModel`: a model from a file, as a module whose weights are variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.exchange.onnx.reading.calls import Call
from lamina.exchange.onnx.reading.graph import Contents
from lamina.exchange.onnx.reading.texts import Texts, checked_texts
from lamina.functions.creation import asarray
from lamina.functions.operands import tensor
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.variable import Variable


class OnnxModel(Module):
    """A model that `import_onnx` read: what its nodes compute, with its weights as variables.

    It is called with the inputs of the file, in their order, as tensors or NumPy arrays, and returns the output, or a
    tuple of several. What is texts in the file is given as lists or arrays of ``str``, and returned as an array of
    them. Weights have the names that they have in the file, so that ``state_dict`` has them too; those that are
    trainable can be trained on, and the whole can be compiled, saved and exported like any module; where texts go in
    or come out, `on_numbers` can.

    Attributes
    ----------
    inputs : tuple of InputInfo
        What the file says of each input: its name, type and sizes, and whether it is texts.
    input_names, output_names : tuple of str
    texts : Texts
        The texts of the file with their numbers.
    """

    def __init__(self, contents: Contents, weights: Mapping[str, Variable], constants: Mapping[str, Tensor]) -> None:
        self.calls = contents.calls
        self.inputs = contents.inputs
        self.input_names = tuple(each.name for each in contents.inputs)
        self.output_names = contents.outputs
        self.weights = dict(weights)
        self.constants = dict(constants)
        self.texts = Texts(contents.texts)
        self._text_inputs = frozenset(each.name for each in contents.inputs if each.texts)
        self._text_outputs = contents.text_outputs
        self._last = _last_uses(self.calls, self.output_names)

    def _members(self) -> Iterable[tuple[str, Any]]:
        # The dict has no part in the names: they are those of the file.
        return self.weights.items()

    def __call__(self, *inputs: Any) -> Any:
        """Return the outputs for the inputs."""
        self._check_count(inputs)
        words = {
            name: checked_texts(f"OnnxModel: the input {name!r}", each)
            for name, each in zip(self.input_names, inputs, strict=True)
            if name in self._text_inputs
        }
        texts = self.texts.with_those_of(words.values())
        numbers = [
            texts.numbers(words[name]) if name in words else asarray(each) if isinstance(each, np.ndarray) else each
            for name, each in zip(self.input_names, inputs, strict=True)
        ]
        results = [
            texts.texts(each) if name in self._text_outputs else each
            for name, each in zip(self.output_names, self._computed(numbers), strict=True)
        ]
        return results[0] if len(results) == 1 else tuple(results)

    def on_numbers(self, *inputs: Tensor) -> Any:
        """Return the outputs for the inputs, with the numbers of texts instead of texts, of the type int64.

        Parameters
        ----------
        *inputs : Tensor
            For texts those that ``texts.numbers`` gives.

        Returns
        -------
        Tensor or tuple of Tensor
            The texts of numbers are those that ``texts.texts`` gives.
        """
        self._check_count(inputs)
        results = self._computed(inputs)
        return results[0] if len(results) == 1 else results

    def _check_count(self, inputs: tuple[Any, ...]) -> None:
        if len(inputs) != len(self.input_names):
            raise DataError(f"OnnxModel: it takes {', '.join(self.input_names)}, got {len(inputs)} inputs")

    def _computed(self, inputs: Iterable[Any]) -> tuple[Tensor, ...]:
        known: dict[str, Any] = {**self.constants, **self.weights}
        known.update((name, tensor("OnnxModel", each)) for name, each in zip(self.input_names, inputs, strict=True))
        for call, done in zip(self.calls, self._last, strict=True):
            known.update(zip(call.outputs, _run(call, known), strict=False))
            for name in done:
                del known[name]
        return tuple(known[name] for name in self.output_names)

    def extra_repr(self) -> str:
        return f"inputs={list(self.input_names)}, outputs={list(self.output_names)}, nodes={len(self.calls)}"


def _run(call: Call, known: Mapping[str, Any]) -> tuple[Any, ...]:
    try:
        return call(known)
    except LaminaError:
        raise
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise DataError(f"{call.place}: {error}") from error


def _last_uses(calls: tuple[Call, ...], outputs: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return what is no longer needed after each call, so that its memory is free."""
    kept = set(outputs)
    found: list[tuple[str, ...]] = []
    for call in reversed(calls):
        done = {name for name in (*call.inputs, *call.outputs) if name and name not in kept}
        kept |= done
        found.append(tuple(done))
    return tuple(reversed(found))
