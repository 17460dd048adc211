"""Reading tables: one module a format, and the table of them in `formats`."""

from lamina.data.reading.formats import read_table
from lamina.data.reading.idx import read_idx, read_idx_pair
from lamina.data.reading.images import read_images

__all__ = ["read_table", "read_idx", "read_idx_pair", "read_images"]
