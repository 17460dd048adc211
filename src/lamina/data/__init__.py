"""Data: embedded sets, tables read from files, and the encoding that turns columns into numbers."""

from lamina.data import generators, transforms
from lamina.data.columns import BooleanColumn, CategoricalColumn, Column, DateColumn, NumericColumn
from lamina.data.dataset import Dataset, split_rows
from lamina.data.embedded import describe_embedded, embedded_names, load_embedded
from lamina.data.preprocessing import TablePreprocessing, examined_columns, usable_columns
from lamina.data.reading import read_idx, read_idx_pair, read_images, read_table
from lamina.data.schema import ColumnSchema, Schema, infer_schema
from lamina.data.streaming import ArrayStream, ImageStream, ParquetStream, Stream
from lamina.data.table import Table
from lamina.data.targets import ClassTarget, NumericTarget, Target, infer_task

__all__ = [
    "generators",
    "transforms",
    "Dataset",
    "split_rows",
    "embedded_names",
    "describe_embedded",
    "load_embedded",
    "Table",
    "read_table",
    "read_images",
    "read_idx",
    "read_idx_pair",
    "Schema",
    "ColumnSchema",
    "infer_schema",
    "TablePreprocessing",
    "Column",
    "NumericColumn",
    "CategoricalColumn",
    "BooleanColumn",
    "DateColumn",
    "usable_columns",
    "examined_columns",
    "Stream",
    "ParquetStream",
    "ArrayStream",
    "ImageStream",
    "Target",
    "ClassTarget",
    "NumericTarget",
    "infer_task",
]
