"""`lamina export`: a trained model for other programs."""

from __future__ import annotations

import json

import lamina as la
from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.output import check_output
from lamina.runs.folder import RunFolder


def export(given: Given) -> int:
    """Write the model of a run as ONNX, with what prepares its columns, or its weights as safetensors."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    path = options.output or folder.path / "model.onnx"
    check_output(path, (".onnx", ".safetensors"))
    model = folder.load_model(config, "cpu")
    if path.suffix.lower() == ".onnx":
        metadata = {"source": config.source, "task": config.subject.task}
        what = config.subject.export_onnx(model, path, metadata)
    else:
        la.save(model, path, metadata={"lamina": json.dumps(config.subject.to_json(), ensure_ascii=False)})
        what = "the weights"
    screen.line(f"{what} written to {path} ({path.stat().st_size:,} bytes)")
    screen.result({"run": str(options.run), "output": str(path), "bytes": path.stat().st_size})
    return DONE
