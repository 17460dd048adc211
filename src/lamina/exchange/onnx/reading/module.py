"""`OnnxModel`: a model from a file, as a module whose weights are variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lamina.errors import DataError, LaminaError
from lamina.exchange.onnx.reading.calls import Call
from lamina.functions.operands import tensor
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.variable import Variable


class OnnxModel(Module):
    """A model that `import_onnx` read: what its nodes compute, with its weights as variables.

    It is called with the inputs of the file, in their order, and returns the output, or a tuple of several. Weights
    have the names that they have in the file, so that ``state_dict`` has them too; those that are trainable can be
    trained on, and the whole can be compiled, saved and exported like any module.

    Attributes
    ----------
    input_names, output_names : tuple of str
    """

    def __init__(
        self,
        calls: Iterable[Call],
        input_names: Iterable[str],
        output_names: Iterable[str],
        weights: Mapping[str, Variable],
        constants: Mapping[str, Tensor],
    ) -> None:
        self.calls = tuple(calls)
        self.input_names = tuple(input_names)
        self.output_names = tuple(output_names)
        self.weights = dict(weights)
        self.constants = dict(constants)
        self._last = _last_uses(self.calls, self.output_names)

    def _members(self) -> Iterable[tuple[str, Any]]:
        # The dict has no part in the names: they are those of the file.
        return self.weights.items()

    def __call__(self, *inputs: Any) -> Any:
        """Return the outputs for the inputs."""
        if len(inputs) != len(self.input_names):
            raise DataError(f"OnnxModel: it takes {', '.join(self.input_names)}, got {len(inputs)} inputs")
        known: dict[str, Any] = {**self.constants, **self.weights}
        known.update((name, tensor("OnnxModel", each)) for name, each in zip(self.input_names, inputs, strict=True))
        for call, done in zip(self.calls, self._last, strict=True):
            known.update(zip(call.outputs, _run(call, known), strict=False))
            for name in done:
                del known[name]
        results = tuple(known[name] for name in self.output_names)
        return results[0] if len(results) == 1 else results

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
