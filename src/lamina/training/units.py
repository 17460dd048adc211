"""What data are counted in, wherever a count is shown.

A table has rows, a folder or a stream of images has images, a text has tokens. Where it may be any of them, as where
arrays are given to a function, there are samples.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """What a user counts data in, such as rows of a table, images, or tokens of a text.

    Attributes
    ----------
    name : str
        In the plural.
    each : int
        How many of them a sample is: 1, but as many as a window of text has tokens.
    """

    name: str = "samples"
    each: int = 1


SAMPLES = Unit()
