"""Everything that is needed to use a trained model again, or to go on training it, apart from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.report import describe_machine
from lamina.runs.option_declaration import OptionError, checked, declared, plain
from lamina.runs.options import TrainingOptions
from lamina.runs.subjects import Prepared, Subject, subject_from_json

FORMAT = "lamina run"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunConfig:
    """What a run was trained on and how, and how to rebuild its model.

    Attributes
    ----------
    source : str
        The name of an embedded data set or the path of a file.
    embedded : bool
    subject : Subject
        What of the data is needed to use the model.
    options : TrainingOptions
    fingerprint : str
        Of the file, so that training goes on with the same data only; empty for an embedded set.
    machine : mapping of str to str
        Where and with which versions it was trained.
    """

    source: str
    embedded: bool
    subject: Subject
    options: TrainingOptions
    fingerprint: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, prepared: Prepared, options: TrainingOptions) -> RunConfig:
        """Return what a run folder keeps of data that are ready to train on."""
        return cls(
            prepared.source, prepared.embedded, prepared.subject, options, prepared.fingerprint, describe_machine()
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "machine": dict(self.machine),
            "source": self.source,
            "embedded": self.embedded,
            "fingerprint": self.fingerprint,
            "kind": self.subject.kind,
            "task": self.subject.task,
            **self.subject.to_json(),
            "options": plain(self.options, TrainingOptions),
        }

    @classmethod
    def from_json(cls, record: Record) -> RunConfig:
        """Rebuild it from what `to_json` gave, each value checked.

        Raises
        ------
        CheckpointError
            When something is not what `to_json` would write.
        """
        if record.text("format") != FORMAT:
            raise record.wrong("format", repr(FORMAT))
        if record.whole("format_version") != FORMAT_VERSION:
            raise record.wrong("format_version", f"{FORMAT_VERSION}, which is what this version of Lamina reads")
        return cls(
            record.text("source"),
            record.truth("embedded"),
            subject_from_json(record),
            _options(record.record("options")),
            record.text("fingerprint"),
            {str(name): str(value) for name, value in record.record("machine").values.items()},
        )


def _options(record: Record) -> TrainingOptions:
    missing = [name for name in declared(TrainingOptions) if name not in record.values]
    if missing:
        raise CheckpointError(f"{record.place}: {missing[0]} is missing; the file is damaged")
    try:
        return TrainingOptions(**checked(TrainingOptions, record.values))
    except OptionError as error:
        raise CheckpointError(f"{record.place}: {error}") from error
