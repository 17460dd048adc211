"""The folder that a training leaves behind, usable at every moment from its first epoch on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import lamina as la
from lamina import nn
from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError
from lamina.files import finite_or_null, replace_file
from lamina.runs.applicable import options_of
from lamina.runs.config_files import configuration_text
from lamina.runs.inference import PartOutputs
from lamina.runs.run_config import RunConfig

CONFIG = "config.json"
OPTIONS = "config.toml"
WEIGHTS = "weights.safetensors"
METRICS = "metrics.jsonl"
CURVES = "curves.png"
RESULTS = "results.json"
ANSWERS = "answers.safetensors"
CHECKPOINTS = "checkpoints"
EVENTS = "tensorboard"
REPORT = "report.html"
SAMPLES = "samples.jsonl"


class RunFolder:
    """What a training leaves behind.

    ``config.json``
        What is needed to use the model: columns, target, options, versions.
    ``config.toml``
        The options as a configuration file, with which the training can be repeated.
    ``weights.safetensors``
        The best weights so far.
    ``metrics.jsonl``
        A line for each epoch.
    ``results.json``, ``answers.safetensors``, ``curves.png``
        How good the best weights are on every part, what they answer there, and the curves; written at the end.
    ``samples.jsonl``
        What a language model wrote as it learned.
    ``checkpoints``
        What is needed to go on with the training.
    ``tensorboard``, ``report.html``
        Where they were asked for.

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
        self.metrics = path / METRICS
        self.checkpoints = path / CHECKPOINTS
        self.events = path / EVENTS
        self.report = path / REPORT
        self.samples = path / SAMPLES

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
        folder = _checked(path, name)
        made = cls(folder)
        absent = not folder.exists()
        _make(folder)
        try:
            la.save(model, made.weights)
            made.update(config)
        except BaseException:
            for name in (WEIGHTS, OPTIONS, CONFIG):
                (folder / name).unlink(missing_ok=True)
            if absent:
                folder.rmdir()
            raise
        return made

    def update(self, config: RunConfig) -> None:
        """Write the configuration anew, as where a training goes on for longer."""
        replace_file("train", self.path / OPTIONS, _options_text(config))
        write_json(self.path / CONFIG, config.to_json())

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write how the training ended and how good the model is."""
        write_json(self.path / RESULTS, results)

    def write_answers(self, parts: Mapping[str, PartOutputs]) -> None:
        """Write what the model answers to each part, and what is right, for reports."""
        arrays = {f"{name}.outputs": part.outputs for name, part in parts.items()}
        arrays |= {f"{name}.targets": part.targets for name, part in parts.items()}
        la.save(arrays, self.path / ANSWERS)

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
        return cls(path), RunConfig.from_json(read_json(file))

    def read_results(self) -> dict[str, Any]:
        """Return how the training ended; nothing if it has not.

        Raises
        ------
        CheckpointError
            When the file is damaged.
        """
        file = self.path / RESULTS
        if not file.is_file():
            return {}
        return dict(read_json(file).values)

    def read_answers(self) -> dict[str, PartOutputs]:
        """Return what the model answered at the end of its training, by part; nothing if there is no such file.

        Raises
        ------
        CheckpointError
            When the file is damaged.
        """
        file = self.path / ANSWERS
        if not file.is_file():
            return {}
        arrays = {name: tensor.numpy() for name, tensor in la.training.read_state_dict(file).items()}
        found = {}
        for name in dict.fromkeys(name.rpartition(".")[0] for name in arrays):
            outputs, targets = arrays.get(f"{name}.outputs"), arrays.get(f"{name}.targets")
            if outputs is None or targets is None or outputs.ndim != 2 or len(outputs) != len(targets):
                raise CheckpointError(f"{file}: {name!r} has no outputs [samples, outputs] and targets that fit")
            found[name] = PartOutputs(outputs, targets)
        return found

    def load_model(self, config: RunConfig, device: str) -> nn.Module:
        """Rebuild the model with its weights, ready to predict on ``device``."""
        if not self.weights.is_file():
            raise CheckpointError(f"{self.path}: {WEIGHTS} is missing; train again, or put it back")
        model = config.subject.build(config.options)
        la.load(model, self.weights)
        model.to(device)
        model.eval()
        return model


def read_json(file: Path) -> Record:
    """Return what a file of JSON holds.

    Raises
    ------
    CheckpointError
        When it is damaged.
    """
    return parse_json(file.read_bytes(), file)


def parse_json(content: bytes, file: Path) -> Record:
    """Return the JSON object in the content of a file, or in a line of it; errors as in `read_json`."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: this is not JSON: {error}; the file is damaged") from error
    return Record.of(value, str(file))


def _options_text(config: RunConfig) -> bytes:
    title = f"The options of a training by Lamina {la.__version__}; to repeat it: lamina train --config {OPTIONS}"
    only = options_of(config.subject.kind, config.options.model)
    return configuration_text(config.options, title, only=only).encode()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object for people and machines; what is not finite becomes null."""
    text = json.dumps(finite_or_null(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    replace_file("train", path, text.encode())


def new_folder(path: Path | None, name: str) -> Path:
    """Make a folder at ``path``, or under ``runs/`` by name and time, and return its path.

    Raises
    ------
    DataError
        When there is something at ``path`` already, or the folder cannot be made.
    """
    folder = _checked(path, name)
    _make(folder)
    return folder


def _checked(path: Path | None, name: str) -> Path:
    folder = _fresh_default(name) if path is None else path
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"--out: the folder {folder} is not empty; give another, or remove it first")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--out: {folder} is a file; give a folder that is empty or not there yet")
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out: {folder} cannot be made: {error.strerror}; give a folder elsewhere") from error


def _fresh_default(name: str) -> Path:
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    number = 1
    path = Path("runs") / stem
    while path.exists():
        number += 1
        path = Path("runs") / f"{stem}-{number}"
    return path
