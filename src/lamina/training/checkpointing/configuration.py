"""What must be the same for a training to go on as if it had never stopped."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lamina.autodiff.trees import branches, in_words
from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.nn.module import Module
from lamina.nn.tree import walk
from lamina.optim import Optimizer
from lamina.tensor import Tensor
from lamina.training.pairs import Pairs, Samples
from lamina.training.sample_arrays import Tree
from lamina.training.streaming import StreamSamples
from lamina.variable import Variable

Configuration = dict[str, Any]
"""Plain values by name."""

_SHOWN = 8
_OPTIMIZER = "optimizer."


def described(**things: Any) -> Configuration:
    """Return what things are, by name: plain values as they are, everything else as a text.

    Models, optimisers and mappings give one entry for each of their variables and settings.
    """
    found: Configuration = {}
    for name, value in things.items():
        if isinstance(value, Module) and name == "model":
            found |= {f"{name}.{key}" if key else name: _member(each) for key, each in walk(value)}
        elif isinstance(value, Optimizer):
            found[name] = type(value).__name__
            found |= {f"{name}.{key}": each for key, each in _settings(value).items()}
        elif isinstance(value, Mapping):
            found |= {f"{name}.{key}": _text(each) for key, each in value.items()}
        else:
            found[name] = _text(value)
    return found


def _settings(optimizer: Optimizer) -> Configuration:
    """Return hyperparameters, and the learning rates that the groups were made with."""
    state = optimizer.state_dict()
    settings = {name: _text(value) for name, value in state.items() if not isinstance(value, Tensor)}
    for place, group in enumerate(optimizer.param_groups):
        settings[f"group.{place}.lr"] = float(group.get("initial_lr", group["lr"].item()))
    return settings


def _text(value: Any) -> Any:
    """Return a value that JSON can hold and that is the same in every process."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return _shape_and_checksum(value)
    if isinstance(value, list | tuple):
        return [_text(each) for each in value]
    if isinstance(value, partial):
        arguments = [*map(str, value.args), *(f"{name}={_text(each)}" for name, each in value.keywords.items())]
        return f"{_text(value.func)}({', '.join(arguments)})"
    if inspect.isroutine(value):
        return str(getattr(value, "__qualname__", getattr(value, "__name__", type(value).__name__)))
    if isinstance(value, Module):
        return repr(value)
    return type(value).__name__


def _member(member: Module | Variable) -> str:
    if isinstance(member, Variable):
        return _shape(member)
    return f"{type(member).__name__}({member.extra_repr()})"


def contents(samples: Samples | None) -> Configuration:
    """Return what samples are: how many, of which shape, and, where they are in memory, a checksum."""
    if isinstance(samples, Pairs):
        return {
            "samples": len(samples),
            "weights": samples.weights,
            **_by_place("inputs", samples.inputs),
            **_by_place("targets", samples.targets),
        }
    if isinstance(samples, StreamSamples):
        stream = samples.stream
        return {"samples": len(samples), "stream": stream.name, "inputs": list(stream.input_shape)}
    return {"samples": 0}


def _by_place(root: str, tree: Tree) -> Configuration:
    """Return the arrays of a tree by where they are in it, such as ``inputs["age"]``."""
    found = branches(tree)
    if found is None:
        return {root: tree}
    parts = (_by_place(in_words(root, (name,)), each) for name, each in found[1])
    return {name: each for part in parts for name, each in part.items()}


def _shape(tensor: Tensor) -> str:
    return f"{tensor.dtype.name} {list(tensor.shape)}"


def _shape_and_checksum(tensor: Tensor) -> str:
    numbers = np.ascontiguousarray(tensor.numpy())
    return f"{_shape(tensor)}, checksum {zlib.crc32(numbers.tobytes()):08x}"


def schedule_settings(schedule: Any) -> Configuration:
    """Return what a learning rate schedule was made with."""
    if schedule is None:
        return {"kind": "none"}
    moving = {*schedule.state_dict(), "optimizer"}
    settings = {name: value for name, value in vars(schedule).items() if name not in moving and name[0] != "_"}
    return {"kind": type(schedule).__name__, **settings}


def check(saved: Record, here: Configuration) -> None:
    """Refuse a state whose configuration differs, naming what does.

    The learning rate and other settings of the optimiser may be those at the time of the checkpoint as well as those
    of the beginning: the very optimiser that was interrupted has the one, one that was made anew the other.

    Raises
    ------
    CheckpointError
    """
    there = saved.record("configuration").values
    now = saved.record("parts").record("optimizer").values
    differing = []
    for name in [*there, *(name for name in here if name not in there)]:
        before, after = there.get(name), here.get(name)
        if before == after or (name in there and name in here and _same_now(name, after, now)):
            continue
        missing = "(none)"
        differing.append(f"{name}: {there.get(name, missing)} in the checkpoint, {here.get(name, missing)} here")
    if differing:
        more = [f"and {len(differing) - _SHOWN} more"] if len(differing) > _SHOWN else []
        lines = "\n  ".join([*differing[:_SHOWN], *more])
        raise CheckpointError(
            f"resume: {saved.place} is of another training; to go on, everything must be as it was, and to begin "
            f"anew, name another folder:\n  {lines}"
        )


def _same_now(name: str, value: Any, now: Mapping[str, Any]) -> bool:
    if not name.startswith(_OPTIMIZER):
        return False
    current = now.get(name.removeprefix(_OPTIMIZER))
    return bool((float(current.item()) if isinstance(current, Tensor) else _text(current)) == value)
