"""The base of what runs are about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy.typing as npt

from lamina.data import Dataset, Stream
from lamina.data.dialect import Dialect
from lamina.runs.inference import PartOutputs
from lamina.runs.subjects.named import Reading
from lamina.tensor import Tensor
from lamina.training.units import Unit

if TYPE_CHECKING:
    import polars as pl

    from lamina import nn
    from lamina.data.record import Record
    from lamina.report import ClassPredictions, ValuePredictions
    from lamina.runs.options import TrainingOptions

Data = Dataset | Stream
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Measured:
    """How good a model is on a part of the data.

    Attributes
    ----------
    count : int
        How much was measured, in the subject's unit.
    scores : dict of str to float
    answers : PartOutputs, optional
        What the model put out, where a report shows more of it than the scores.
    """

    count: int
    scores: dict[str, float]
    answers: PartOutputs | None = None


@dataclass(frozen=True)
class Predicted:
    """What a model says about new data: a table, what the user should know of it, and how it is written as text."""

    frame: pl.DataFrame
    notes: Sequence[str] = ()
    dialect: Dialect = field(default_factory=Dialect)


class Subject(ABC):
    """What a run is about: all that is kept of its data, with which the model is built, measured and used again."""

    kind: ClassVar[str]
    """As in `lamina.runs.data_kinds`."""
    file: ClassVar[str]
    """What a file of such data is called."""

    # --- what it is ---

    @property
    @abstractmethod
    def task(self) -> str:
        """Classification, regression or text."""

    @property
    def unit(self) -> Unit:
        """What the data are counted in, wherever a count is shown."""
        return Unit("rows")

    @property
    def title(self) -> str:
        """What the model does, such as ``classification of 'species'``."""
        return self.task

    @abstractmethod
    def network(self, options: TrainingOptions) -> str:
        """Return what a user is told about the network before it is trained."""

    @abstractmethod
    def details(self) -> dict[str, str]:
        """Return what there is to know about the data, for people."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return the same for machines."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""

    @classmethod
    @abstractmethod
    def from_json(cls, record: Record) -> Self:
        """Rebuild it from what `to_json` gave."""

    # --- the model ---

    @abstractmethod
    def build(self, options: TrainingOptions) -> nn.Module:
        """Return the network that options describe, with fresh weights."""

    @abstractmethod
    def loss(self, options: TrainingOptions) -> Loss:
        """Return what is minimised."""

    @abstractmethod
    def metrics(self, options: TrainingOptions) -> Sequence[str]:
        """Return what is measured after each epoch."""

    @abstractmethod
    def example(self) -> Tensor:
        """Return an input of one sample, for summaries and graphs."""

    # --- data ---

    @abstractmethod
    def read(self, path: Path, how: Reading) -> tuple[Data, Sequence[str]]:
        """Read data to measure the model on; return it with notes for the user."""

    @abstractmethod
    def measured(self, model: nn.Module, data: Data, device: str, also: Sequence[str] = ()) -> Measured:
        """Return how good a model is, by what is always measured and what is asked for besides."""

    @abstractmethod
    def predicted(self, model: nn.Module, path: Path, how: Reading, device: str) -> Predicted:
        """Return what a model says about new data."""

    @abstractmethod
    def export_onnx(self, model: nn.Module, path: Path, metadata: Mapping[str, str]) -> str:
        """Write a model as ONNX, and return what was written."""

    # --- reports ---

    def predictions(self, part: str, answers: PartOutputs) -> ClassPredictions | ValuePredictions | None:
        """Return the answers of a part of the data as a report shows them."""
        return None

    def schema(self) -> Sequence[Mapping[str, Any]]:
        """Return what a report says about each column."""
        return ()


@dataclass(frozen=True)
class Prepared:
    """Data in parts, ready to train on.

    Attributes
    ----------
    source : str
        The name of an embedded data set or the path of a file or folder.
    embedded : bool
    subject : Subject
    training : Dataset or Stream
    validation : Dataset or Stream, optional
        Chooses the best weights; ``None`` where the share is 0.
    test : Dataset or Stream, optional
        Measured once, at the end; ``None`` where the share is 0.
    notes : list of str
        What the user should know about how the data was read.
    varied : Stream, optional
        The training part as it is trained on, where that differs from how it is measured.
    weights : array of shape [rows], optional
        How much each training row counts.
    fingerprint : str
        Of the file; empty for an embedded set.
    """

    source: str
    embedded: bool
    subject: Subject
    training: Data
    validation: Data | None
    test: Data | None
    notes: list[str] = field(default_factory=list)
    varied: Data | None = None
    weights: npt.NDArray[Any] | None = None
    fingerprint: str = ""

    @property
    def parts(self) -> dict[str, Data]:
        """The parts that there are, by name."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}
