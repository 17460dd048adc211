"""`lamina inspect`: what is in the folder of a run or a search, a weight file or an ONNX model."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.output import check_output
from lamina.cli.screen import Screen, show_scores
from lamina.cli.trials import OPTIONS, read_trials, show_trials, trial_record
from lamina.errors import CheckpointError, DataError
from lamina.files import replace_file
from lamina.functions.creation import zeros
from lamina.runs.applicable import options_of
from lamina.runs.config_files import read_configuration
from lamina.runs.folder import RunFolder
from lamina.runs.option_declaration import OptionError, plain
from lamina.runs.options import TrainingOptions
from lamina.runs.reporting import scores_of
from lamina.runs.run_config import RunConfig
from lamina.training import read_metadata, read_state_dict
from lamina.tuning.options import TuneOptions


def inspect(given: Given) -> int:
    """Show what is at a path, or the computation graph of its model."""
    options, screen = given.options, given.screen
    path: Path = options.path
    if not path.exists():
        raise DataError(f"{path}: there is no such run folder or file")
    if options.graph is None:
        if options.output is not None:
            raise OptionError("output", "it is for the graph; choose its form with --graph")
        kind = path.suffix.lower()
        if path.is_dir():
            kind = "search" if (path / OPTIONS).is_file() else "run"
        shows: Mapping[str, Callable[[Path, Screen], None]] = {
            "run": _show_run,
            "search": _show_search,
            ".safetensors": _show_weights,
            ".onnx": _show_onnx,
        }
        if kind not in shows:
            raise DataError(f"{path}: give the folder of a run or a search, a .safetensors file or a .onnx file")
        shows[kind](path, screen)
        return DONE
    text = _graph(path, options.graph)
    if options.output is not None:
        check_output(options.output, (".md", ".mmd", ".mermaid", ".dot", ".gv", ".svg", ".txt"))
        replace_file("inspect", options.output, text.encode())
        screen.line(f"graph written to {options.output}")
    else:
        screen.line(text)
    screen.result({"path": str(path), "format": options.graph, "output": options.output, "graph": text})
    return DONE


# --- a run ---


def _show_run(path: Path, screen: Screen) -> None:
    folder, config = RunFolder.open(path)
    model = folder.load_model(config, "cpu")
    results = folder.read_results()
    subject = config.subject
    screen.line(f"{path}: {subject.title} from {config.source}", "bold")
    state = results.get("status", "not at its end")
    reason = f" ({results['reason']})" if results.get("reason") else ""
    screen.line(f"training: {state}{reason}, best epoch {results.get('best_epoch', '–')}")
    for name, text in subject.details().items():
        screen.line(f"{name + ':':9} {text}")
    parts = scores_of(results, folder)
    if parts:
        counts = {name: int(values.pop("count", None) or 0) for name, values in parts.items()}
        show_scores(screen, {name: (counts[name], values) for name, values in parts.items()}, "", subject.unit)
    screen.line(str(model.summary(subject.example().shape, dtype=subject.example().dtype)))
    changed = _changed(config)
    if changed:
        screen.table(["option", "value"], [[name, str(value)] for name, value in changed.items()], "Options")
    screen.result(
        {
            "path": str(path),
            "kind": "run",
            "source": config.source,
            "task": subject.task,
            **subject.facts(),
            "parameters": sum(each.size for each in model.parameters()),
            "options": plain(config.options, TrainingOptions),
            "results": results,
            "machine": dict(config.machine),
        }
    )


def _changed(config: RunConfig) -> dict[str, Any]:
    """Return the options that are not those chosen where nothing is said."""
    default, found = plain(TrainingOptions()), plain(config.options, TrainingOptions)
    names = options_of(config.subject.kind, config.options.model)
    return {name: found[name] for name in names if found[name] != default[name] and found[name] is not None}


# --- a search ---


def _show_search(path: Path, screen: Screen) -> None:
    status, monitor, found = read_trials(path)
    written = read_configuration(path / OPTIONS, TuneOptions)
    screen.line(f"{path}: a search by {monitor or 'the validation loss'}, {status}", "bold")
    searched = {name: each.text for name, each in written.pop("search", {}).items()}
    screen.table(["searched", "range"], [[name, text] for name, text in searched.items()])
    if written:
        screen.table(["fixed", "value"], [[name, str(value)] for name, value in written.items()])
    show_trials(screen, monitor, found)
    if status != "finished":
        screen.say(f"go on with it: lamina tune --resume {shlex.quote(str(path))}")
    screen.result(
        {
            "path": str(path),
            "kind": "search",
            "searched": searched,
            "fixed": written,
            "status": status,
            "monitor": monitor,
            "trials": [trial_record(each) for each in found.trials],
        }
    )


# --- files ---


def _show_weights(path: Path, screen: Screen) -> None:
    state, metadata = read_state_dict(path), read_metadata(path)
    rows = []
    for name, tensor in sorted(state.items()):
        values = tensor.numpy().astype(np.float64)
        spread = [f"{values.mean():.4g}", f"{values.std():.4g}"] if values.size else ["–", "–"]
        rows.append([name, tensor.dtype.name, str(list(tensor.shape)), f"{tensor.size:,}", *spread])
    total = sum(tensor.size for tensor in state.values())
    title = f"{path}: {len(state)} tensors, {total:,} numbers, {path.stat().st_size:,} bytes"
    screen.table(["name", "type", "shape", "numbers", "mean", "deviation"], rows, title)
    _show_metadata(metadata, screen)
    tensors = {name: {"dtype": each.dtype.name, "shape": list(each.shape)} for name, each in state.items()}
    screen.result({"path": str(path), "kind": "weights", "numbers": total, "tensors": tensors, "metadata": metadata})


def _show_onnx(path: Path, screen: Screen) -> None:
    graph, version, metadata = _onnx_graph(path)
    rows = [["input", each.name, _onnx_type(each)] for each in graph.input]
    rows += [["output", each.name, _onnx_type(each)] for each in graph.output]
    operators = Counter(f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in graph.node)
    weights = {each.name: list(each.dims) for each in graph.initializer}
    total = sum(int(np.prod(shape)) for shape in weights.values())
    title = f"{path}: {len(graph.node)} nodes, {total:,} numbers in {len(weights)} tensors, operator set {version}"
    screen.table(["", "name", "type"], rows, title)
    counted = [[name, f"{count:,}"] for name, count in operators.most_common()]
    screen.table(["operator", "nodes"], counted)
    _show_metadata(metadata, screen)
    ends = {side: {each.name: _onnx_type(each) for each in getattr(graph, side)} for side in ("input", "output")}
    screen.result(
        {
            "path": str(path),
            "kind": "onnx",
            "opset": version,
            **{f"{side}s": found for side, found in ends.items()},
            "operators": dict(operators),
            "tensors": weights,
            "metadata": metadata,
        }
    )


def _show_metadata(texts: Mapping[str, str], screen: Screen) -> None:
    for key, text in texts.items():
        screen.line(f"{key}: {text if len(text) <= 200 else text[:197] + '...'}")


def _onnx_graph(path: Path) -> tuple[Any, int, dict[str, str]]:
    """Return the graph of an ONNX file as it stands, its operator set and its texts; nothing in it is run."""
    from lamina.exchange.onnx.library import onnx_library

    library = onnx_library("inspect")
    content = path.read_bytes()
    try:
        message = library.load_model_from_string(content)
    except Exception as error:
        # What protocol buffers raise depends on their implementation.
        raise CheckpointError(f"{path}: this is not an ONNX model: {type(error).__name__}") from error
    if not message.HasField("graph"):
        raise CheckpointError(f"{path}: this is not an ONNX model: it has no graph")
    versions = [each.version for each in message.opset_import if not each.domain]
    return message.graph, versions[0] if versions else 0, {each.key: each.value for each in message.metadata_props}


def _onnx_type(value: Any) -> str:
    from onnx import TensorProto

    kind = value.type.tensor_type
    dims = [each.dim_param or (str(each.dim_value) if each.HasField("dim_value") else "?") for each in kind.shape.dim]
    try:
        name = TensorProto.DataType.Name(kind.elem_type).lower()
    except ValueError:
        name = "unknown"
    return f"{name}[{', '.join(dims)}]"


# --- graphs ---


def _graph(path: Path, form: str) -> str:
    """Return the computation graph of the model at a path."""
    from lamina import visualize

    draw = {"mermaid": visualize.graph_mermaid, "dot": visualize.graph_dot, "svg": visualize.graph_svg}[form]
    if path.is_dir():
        folder, config = RunFolder.open(path)
        return draw(folder.load_model(config, "cpu"), config.subject.example())
    if path.suffix.lower() != ".onnx":
        raise DataError(f"{path}: a graph is that of a run folder or a .onnx file")
    from lamina.exchange import import_onnx

    model = import_onnx(path)
    examples = {each.name: zeros([size or 1 for size in each.sizes or ()], dtype=each.dtype) for each in model.inputs}
    return draw(lambda inputs: model.on_numbers(*inputs.values()), examples, model=model)
