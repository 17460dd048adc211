"""Data larger than memory, dealt out in shuffled batches of bounded memory."""

from lamina.data.streaming.arrays import ArrayStream
from lamina.data.streaming.images import ImageStream
from lamina.data.streaming.parquet import ParquetStream
from lamina.data.streaming.stream import Stream

__all__ = ["ArrayStream", "ImageStream", "ParquetStream", "Stream"]
