"""How one column becomes inputs: a module a kind, and the table of them."""

from lamina.data.columns.boolean import BooleanColumn
from lamina.data.columns.categorical import CategoricalColumn
from lamina.data.columns.dates import DateColumn
from lamina.data.columns.kinds import COLUMNS, Column, fitting
from lamina.data.columns.numeric import NumericColumn

__all__ = ["COLUMNS", "BooleanColumn", "CategoricalColumn", "Column", "DateColumn", "NumericColumn", "fitting"]
