"""The subjects that there are, by the kind of data."""

from __future__ import annotations

from collections.abc import Callable

from lamina.data.record import Record
from lamina.runs.data_kinds import IMAGES, TABLE, TEXT
from lamina.runs.options import TrainingOptions
from lamina.runs.subjects.image_parts import prepare_images
from lamina.runs.subjects.images import ImageSubject
from lamina.runs.subjects.subject import Prepared, Subject
from lamina.runs.subjects.table_parts import prepare_table
from lamina.runs.subjects.tables import TableSubject
from lamina.runs.subjects.text import TextSubject
from lamina.runs.subjects.text_parts import prepare_text

SUBJECTS: dict[str, tuple[type[Subject], Callable[[TrainingOptions], Prepared]]] = {
    TABLE: (TableSubject, prepare_table),
    IMAGES: (ImageSubject, prepare_images),
    TEXT: (TextSubject, prepare_text),
}


def prepare(options: TrainingOptions) -> Prepared:
    """Read the data that options name, and divide it into parts.

    Raises
    ------
    DataError
        When the data, or the choice of target or task, cannot be used.
    """
    return SUBJECTS[options.kind][1](options)


def subject_from_json(record: Record) -> Subject:
    """Rebuild a subject from what its `to_json` gave."""
    kind = record.text("kind")
    if kind not in SUBJECTS:
        raise record.wrong("kind", " or ".join(SUBJECTS))
    return SUBJECTS[kind][0].from_json(record)
