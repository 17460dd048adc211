"""What a run is about: a table, images or a text, each with all that depends on it."""

from lamina.runs.subjects.registry import SUBJECTS, prepare, subject_from_json
from lamina.runs.subjects.subject import Data, Measured, Predicted, Prepared, Subject

__all__ = ["SUBJECTS", "Subject", "Data", "Prepared", "Measured", "Predicted", "prepare", "subject_from_json"]
