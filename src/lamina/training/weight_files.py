"""Weights in files: safetensors, which hold numbers and nothing that runs.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.dtypes import DTYPES, DType
from lamina.errors import CheckpointError, DTypeError
from lamina.files import PathLike, read_file, replace_file
from lamina.functions.creation import asarray
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.nn.module import Module

# How safetensors writes the names of the types that are here.
_FILE_DTYPES: dict[str, DType] = {
    "BOOL": DTYPES["bool"],
    "BF16": DTYPES["bfloat16"],
    **{f"I{bits}": DTYPES[f"int{bits}"] for bits in (8, 16, 32, 64)},
    **{f"U{bits}": DTYPES[f"uint{bits}"] for bits in (8, 16, 32, 64)},
    **{f"F{bits}": DTYPES[f"float{bits}"] for bits in (16, 32, 64)},
}

# How a file of torch.save begins. It holds a pickle, which could run anything, and is not read.
_ZIP = b"PK\x03\x04"
_PYTORCH = (
    "it may be one of torch.save: model.load_state_dict(torch.load(path, weights_only=True)) takes its weights, and "
    "safetensors.torch.save_file writes them as safetensors"
)


def save(model: Module | Mapping[str, Any], path: PathLike, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write the parameters and buffers of a model to a safetensors file.

    The file is written aside, brought to the disk and renamed: whatever fails, ``path`` holds the old weights or
    the new ones, whole.

    Parameters
    ----------
    model : Module or mapping of str to Tensor
        A model, or what its `state_dict` returns.
    path : str or path
    metadata : mapping of str to str, optional
        Texts to keep beside the weights; `read_metadata` returns them.

    Raises
    ------
    CheckpointError
        When the file cannot be written, as on a full disk, or the values are no tensors.
    DTypeError
        When this is no model and no mapping, or the path no path.

    Examples
    --------
    >>> import lamina as la, pathlib, tempfile
    >>> from lamina import nn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> la.save(nn.Linear(2, 3), path)
    >>> sorted(la.training.read_state_dict(path))
    ['bias', 'weight']
    """
    from safetensors.numpy import save as to_bytes

    if not hasattr(model, "state_dict") and not isinstance(model, Mapping):
        raise DTypeError(f"save: expected a Module or a mapping of names to tensors, got {type(model).__name__}")
    state = model if isinstance(model, Mapping) else model.state_dict()
    arrays = {_checked_name(name): _array(name, value) for name, value in state.items()}
    texts = dict(metadata or {})
    for key, text in texts.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise CheckpointError(f"save: metadata holds texts by name, got {key!r}: {text!r}; use str() or json.dumps")
    replace_file("save", path, to_bytes(arrays, metadata=texts or None))


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or name == "__metadata__":
        raise CheckpointError(f"save: a tensor cannot be named {name!r}; names are strings other than '__metadata__'")
    return name


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, Operand | np.ndarray):
        raise CheckpointError(
            f"save: {name!r} is of type {type(value).__name__}; save writes tensors and arrays by name, and "
            "la.training.save_state({...}, path) optimisers, numbers and texts too"
        )
    # Through a tensor, so that a type that could not be read back is refused here; order and bytes as the file wants.
    return np.ascontiguousarray(asarray(value).numpy()).reshape(value.shape)


def load(model: Module, path: PathLike, *, strict: bool = True) -> None:
    """Assign a model the weights of a safetensors file, as `save` or PyTorch's safetensors wrote it.

    Parameters
    ----------
    model : Module
        Every parameter and buffer takes the value of its name, on its own device.
    path : str or path
    strict : bool, default True
        Whether names that only one side has are errors. Shapes and types must fit always.

    Raises
    ------
    CheckpointError
        When the file cannot be read, is damaged, foreign, or does not fit; the model is unchanged then.
    DTypeError
        When this is no model, or the path no path.

    Examples
    --------
    >>> import lamina as la, pathlib, tempfile
    >>> from lamina import nn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> first, second = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> la.save(first, path)
    >>> la.load(second, path)
    >>> bool((first.weight == second.weight).all())
    True
    """
    if not hasattr(model, "load_state_dict"):
        raise DTypeError(
            f"load: expected a Module, got {type(model).__name__}; load assigns a model its weights, and "
            "la.training.read_state_dict(path) returns the tensors alone"
        )
    state = arrays_of(read_file("load", path), "load", path)
    try:
        model.load_state_dict(state, strict=strict)
    except CheckpointError as error:
        raise CheckpointError(f"load: {path} does not fit the model: {error}") from error


def read_state_dict(path: PathLike, *, device: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    Parameters
    ----------
    path : str or path
    device : str, optional
        Where to put them; the default device when None.

    Raises
    ------
    CheckpointError
        When the file cannot be read, is damaged, foreign, or holds a type that is not here.
    """
    arrays = arrays_of(read_file("read_state_dict", path), "read_state_dict", path)
    return {name: asarray(array, device=device) for name, array in arrays.items()}


def read_metadata(path: PathLike) -> dict[str, str]:
    """Return the texts that a safetensors file holds beside its tensors.

    Raises
    ------
    CheckpointError
        When the file cannot be read, is damaged or foreign.
    """
    content = read_file("read_metadata", path)
    arrays_of(content, "read_metadata", path)
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length]).get("__metadata__") or {})


def arrays_of(content: bytes, operation: str, path: PathLike) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of a safetensors file's content by name."""
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        kind = _PYTORCH if content[:4] == _ZIP else "it is cut off, damaged, or of another kind"
        raise CheckpointError(
            f"{operation}: {path} is not a whole safetensors file ({len(content)} bytes: {error}); {kind}"
        ) from error
    arrays = {}
    for name, entry in entries:
        dtype = _FILE_DTYPES.get(entry["dtype"])
        if dtype is None:
            raise CheckpointError(
                f"{operation}: {path} holds {name!r} as {entry['dtype']}, which is not a type here; "
                f"the types are {', '.join(_FILE_DTYPES)}"
            )
        arrays[name] = np.frombuffer(entry["data"], dtype=numpy_dtype(dtype)).reshape(entry["shape"])
    return arrays
