"""The folder that a training leaves behind, usable at every moment from its first epoch on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import lamina as la
from lamina import nn
from lamina.runs.config import RunConfig
from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError
from lamina.training.files import finite_or_null, replace_file

CONFIG, WEIGHTS, METRICS, CURVES, RESULTS = (
    "config.json",
    "weights.safetensors",
    "metrics.jsonl",
    "curves.png",
    "results.json",
)


class RunFolder:
    """A run's files: ``config.json``, ``weights.safetensors``, ``metrics.jsonl``, ``curves.png``, ``results.json``.

    Each is written whole or not at all, except the metrics, which grow by a whole line per epoch.

    Parameters
    ----------
    path : Path
        Of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.weights = path / WEIGHTS
        self.curves = path / CURVES

    # --- writing ---

    @classmethod
    def create(cls, path: Path | None, name: str, config: RunConfig, model: nn.Module) -> RunFolder:
        """Make a new folder with a configuration and first weights: at ``path``, or under ``runs/`` by name and time.

        Raises
        ------
        DataError
            When there is something at ``path`` already, for an earlier run is never written over, or the folder
            cannot be made.
        CheckpointError
            When there is no room for the files; none is left behind.
        """
        folder = _fresh_default(name) if path is None else path
        if folder.is_dir() and any(folder.iterdir()):
            raise DataError(f"--out: the folder {folder} is not empty; give another, or remove it first")
        if folder.exists() and not folder.is_dir():
            raise DataError(f"--out: {folder} is a file; give a folder that is empty or not there yet")
        made = cls(folder)
        absent = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"--out: {folder} cannot be made: {error.strerror}; give a folder elsewhere") from error
        try:
            la.save(model, made.weights)
            made._write_json(CONFIG, config.to_json())
        except BaseException:
            made.weights.unlink(missing_ok=True)
            if absent:
                folder.rmdir()
            raise
        return made

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write how the training ended and how good the model is."""
        self._write_json(RESULTS, results)

    def append_metrics(self, epoch: Mapping[str, Any]) -> None:
        """Add the line of one epoch, whole or not at all."""
        line = json.dumps(finite_or_null(epoch), allow_nan=False) + "\n"
        path = self.path / METRICS
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(line.encode())
        except OSError as error:
            if path.exists():
                os.truncate(path, before)
            raise CheckpointError(f"train: {path} could not be written and is as it was: {error.strerror}") from error

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        text = json.dumps(finite_or_null(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        replace_file("train", self.path / name, text.encode())

    # --- reading ---

    @classmethod
    def open(cls, path: Path) -> tuple[RunFolder, RunConfig]:
        """Return the folder at ``path`` and its configuration.

        Raises
        ------
        CheckpointError
            When there is no run, or its configuration is damaged.
        """
        if not path.is_dir():
            raise CheckpointError(f"{path}: there is no such run folder; `lamina train` makes one and prints its path")
        file = path / CONFIG
        if not file.is_file():
            raise CheckpointError(f"{path}: this is not a run folder, it has no {CONFIG}")
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{file}: this is not JSON: {error}; the file is damaged") from error
        return cls(path), RunConfig.from_json(Record.of(value, str(file)))

    def load_model(self, config: RunConfig, device: str) -> nn.Module:
        """Rebuild the model with its weights, ready to predict on ``device``."""
        if not self.weights.is_file():
            raise CheckpointError(f"{self.path}: {WEIGHTS} is missing; train again, or put it back")
        model = build_model(config)
        la.load(model, self.weights)
        model.to(device)
        model.eval()
        return model


def build_model(config: RunConfig) -> nn.Module:
    """Return the model that a configuration describes, with fresh weights."""
    options = config.options
    return nn.MLP(
        config.inputs,
        list(options.hidden),
        config.target.outputs,
        activation=options.activation,
        dropout=options.dropout,
    )


def _fresh_default(name: str) -> Path:
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    number = 1
    path = Path("runs") / stem
    while path.exists():
        number += 1
        path = Path("runs") / f"{stem}-{number}"
    return path
