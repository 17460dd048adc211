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
    # in memory
    "Dataset", "split_rows", "Table", "generators", "embedded_names", "describe_embedded", "load_embedded",
    # from files
    "read_table", "read_images", "read_idx", "read_idx_pair",
    # what columns are, and how they become numbers
    "Schema", "ColumnSchema", "infer_schema", "TablePreprocessing", "usable_columns", "examined_columns",
    "Column", "NumericColumn", "CategoricalColumn", "BooleanColumn", "DateColumn",
    "Target", "ClassTarget", "NumericTarget", "infer_task",
    # larger than memory, and images changed as they are read
    "Stream", "ParquetStream", "ArrayStream", "ImageStream", "transforms",
]  # fmt: skip
