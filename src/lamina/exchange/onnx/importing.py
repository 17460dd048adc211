"""Reading models from ONNX files."""

from __future__ import annotations

import stat
from importlib import import_module
from pathlib import Path
from typing import Any

from lamina.errors import CheckpointError
from lamina.exchange.onnx.library import LARGEST_FILE, onnx_library
from lamina.exchange.onnx.reading.graph import Contents, contents_of
from lamina.exchange.onnx.reading.module import OnnxModel
from lamina.exchange.onnx.reading.shape_inference import rehearse
from lamina.files import PathLike, check_path
from lamina.functions.creation import asarray
from lamina.variable import Variable


def import_onnx(path: PathLike) -> OnnxModel:
    """Return the model of an ONNX file as a module.

    Its weights become variables with the names that they have in the file: parameters, so that it can be trained on,
    and buffers. Of a file that `export_onnx` wrote they are those of the model; of others, floating-point tensors with
    axes are parameters, but for the statistics of batch normalisation. Nothing in the file is executed. Files with
    weights beside them are read, if those are in the same folder.

    Parameters
    ----------
    path : str or path
        Of an operator set from 7 to 28.

    Returns
    -------
    OnnxModel
        Called with the inputs of the file, in their order. Texts are arrays of ``str``.

    Raises
    ------
    CheckpointError
        When the file cannot be read, is damaged, or holds an operator that is not here; the message names the node.
    BackendError
        When the package onnx is not installed.

    Examples
    --------
    >>> import lamina as la, pathlib, tempfile
    >>> from lamina import nn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> la.exchange.export_onnx(nn.Linear(2, 3), path, la.zeros((1, 2)))
    >>> model = la.exchange.import_onnx(path)
    >>> sorted(model.state_dict())
    ['bias', 'weight']
    """
    library = onnx_library("import_onnx")
    check_path("import_onnx", path)
    place = f"import_onnx: {path}"
    message = _message(library, path, place)
    try:
        contents = contents_of(message, place, Path(path).parent)
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{place}: a name or a text in it is not UTF-8: {error}") from error
    return _module(contents, place)


def _message(library: Any, path: PathLike, place: str) -> Any:
    try:
        details = Path(path).stat()
        if not stat.S_ISREG(details.st_mode) or details.st_size > LARGEST_FILE:
            raise CheckpointError(f"{place}: this is no file of at most 2 GiB")
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{place} cannot be read: {error}") from error
    message = library.ModelProto()
    try:
        message.ParseFromString(content)
    except import_module("google.protobuf.message").DecodeError as error:
        raise CheckpointError(f"{place} is no whole ONNX file: it is cut off, damaged, or of another kind") from error
    if not message.HasField("graph"):
        raise CheckpointError(f"{place} is not an ONNX model: it has no graph")
    return message


def _module(contents: Contents, place: str) -> OnnxModel:
    weights = {name: Variable(asarray(array), name) for name, array in contents.parameters.items()}
    weights |= {name: Variable(asarray(array), name, trainable=False) for name, array in contents.buffers.items()}
    constants = {name: asarray(array) for name, array in contents.constants.items()}
    rehearse(contents, {**constants, **weights}, place)
    return OnnxModel(contents, weights, constants)
