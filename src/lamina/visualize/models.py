"""Asking a model, without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.autodiff.node import no_grad
from lamina.dtypes import DEFAULT_FLOAT, DType
from lamina.errors import DataError, ShapeError
from lamina.functions.creation import asarray
from lamina.nn.modes import mode
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.visualize.style import NDArray

_BATCH = 4096


@contextmanager
def asked(model: Any) -> Iterator[None]:
    """Evaluate inside: modules as in evaluation, and nothing recorded."""
    if not isinstance(model, Module):
        with no_grad():
            yield
        return
    with mode(model, training=False), no_grad():
        yield


def place_of(model: Any) -> tuple[DType, str | None]:
    """Return the type and device of what a model takes: those of its first parameter."""
    parameters = model.parameters() if isinstance(model, Module) else []
    return (parameters[0].dtype, parameters[0].device) if parameters else (DEFAULT_FLOAT, None)


def answers(operation: str, model: Callable[[Any], Any], inputs: NDArray) -> NDArray:
    """Return the outputs of a model as float64 of shape [samples, outputs]."""
    dtype, device = place_of(model)
    found = []
    with asked(model):
        for start in range(0, len(inputs), _BATCH):
            batch = inputs[start : start + _BATCH]
            output = model(asarray(batch, dtype=dtype, device=device))
            if not isinstance(output, Tensor):
                raise DataError(f"{operation}: the model gave {type(output).__name__}; it must give a Tensor")
            if output.shape[:1] != batch.shape[:1] or output.ndim > 2:
                raise ShapeError(
                    f"{operation}: the model gave shape {list(output.shape)} for {len(batch)} samples; it must give "
                    f"[{len(batch)}, outputs] or [{len(batch)}]"
                )
            found.append(output.numpy().astype(np.float64).reshape(len(batch), -1))
    result = np.concatenate(found)
    if not np.isfinite(result).all():
        raise DataError(f"{operation}: the model gave values that are not finite")
    return result
