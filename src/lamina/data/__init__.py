"""Data: embedded sets, tables read from files, and the encoding that turns columns into numbers."""

from lamina.data.dataset import Dataset, split_rows
from lamina.data.embedded import embedded_names, load_digits, load_embedded
from lamina.data.preprocessing import CategoricalColumn, NumericColumn, TablePreprocessing
from lamina.data.table import Table, read_table
from lamina.data.targets import ClassTarget, NumericTarget, Target, infer_task

__all__ = [
    "Dataset",
    "split_rows",
    "embedded_names",
    "load_digits",
    "load_embedded",
    "Table",
    "read_table",
    "TablePreprocessing",
    "NumericColumn",
    "CategoricalColumn",
    "Target",
    "ClassTarget",
    "NumericTarget",
    "infer_task",
]
