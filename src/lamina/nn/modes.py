"""Whether a model behaves as in training, for as long as something takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.nn.module import Module


@contextmanager
def mode(model: Module, training: bool) -> Iterator[None]:
    """Put a model in training or evaluation mode, and every module back to its own afterwards."""
    before = [(module, vars(module).get("training")) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            if was is None:
                del module.training  # it never had another than the class says
            else:
                module.training = was
