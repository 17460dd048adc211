"""A training of one's own in one file: model, optimiser, schedule, random numbers, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.errors import CheckpointError, DTypeError
from lamina.files import PathLike, read_file, replace_file
from lamina.training.checkpointing.format import from_bytes, to_bytes


def save_state(parts: Mapping[str, Any], path: PathLike) -> None:
    """Write all that a training needs to go on to one file.

    The file is written aside, brought to the disk and renamed: whatever fails, ``path`` holds the old state or the new
    one, whole. It is a safetensors file with a checksum, and holds nothing that runs.

    Parameters
    ----------
    parts : mapping of str
        What has a state, such as models, optimisers, schedules and generators of random numbers; and tensors, arrays,
        numbers, texts, truth values and None, in mappings, lists and tuples.
    path : str or path

    Raises
    ------
    CheckpointError
        When the file cannot be written, or there is something else in the parts.
    DTypeError
        When ``parts`` is no mapping, or the path no path.

    Examples
    --------
    >>> import lamina as la, pathlib, tempfile
    >>> from lamina import nn, optim
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "training.safetensors"
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.Adam(model.parameters(), lr=0.1)
    >>> random = la.random.default_generator()
    >>> la.training.save_state({"model": model, "optimizer": optimizer, "random": random, "epoch": 3}, path)

    In another process, where the same things have been made:

    >>> found = la.training.load_state({"model": model, "optimizer": optimizer, "random": random}, path)
    >>> found["epoch"]
    3
    """
    _check_mapping("save_state", parts)
    states = {name: part.state_dict() if hasattr(part, "state_dict") else part for name, part in parts.items()}
    replace_file("save_state", path, to_bytes(states))


def load_state(parts: Mapping[str, Any], path: PathLike) -> dict[str, Any]:
    """Give models, optimisers and whatever else has a state the one that `save_state` wrote under their name.

    Parameters
    ----------
    parts : mapping of str
        What has a state, each under the name it was saved under. Not all that was saved need be given.
    path : str or path

    Returns
    -------
    dict
        What else is in the file, by name: numbers, tensors, and the states of what was not given.

    Raises
    ------
    CheckpointError
        When the file cannot be read, is damaged or foreign, holds no such name, or a state does not fit; nothing has
        changed then.
    DTypeError
        When ``parts`` is no mapping of things with a state, or the path no path.
    """
    _check_mapping("load_state", parts)
    for name, part in parts.items():
        if not hasattr(part, "load_state_dict"):
            raise DTypeError(
                f"load_state: {name!r} is of type {type(part).__name__}, which has no state; leave it out, and take it "
                "from what load_state returns"
            )
    found = dict(from_bytes(read_file("load_state", path), str(path)).values)
    missing = [name for name in parts if name not in found]
    if missing:
        raise CheckpointError(f"load_state: {path} holds {', '.join(found)}, and not {', '.join(missing)}")
    _assign(parts, found, path)
    return {name: value for name, value in found.items() if name not in parts}


def _assign(parts: Mapping[str, Any], found: Mapping[str, Any], path: PathLike) -> None:
    """Give each part its state; where one does not fit, the others get back what they had."""
    before: dict[str, Any] = {}
    for name, part in parts.items():
        had = part.state_dict()
        try:
            part.load_state_dict(found[name])
        except (CheckpointError, DTypeError) as error:
            for changed, state in before.items():
                parts[changed].load_state_dict(state)
            raise CheckpointError(f"load_state: {path}: {name!r} does not fit: {error}") from error
        before[name] = had


def _check_mapping(operation: str, parts: Any) -> None:
    if not isinstance(parts, Mapping):
        raise DTypeError(
            f'{operation}: expected a mapping such as {{"model": model, "optimizer": optimizer}}, got '
            f"{type(parts).__name__}"
        )
