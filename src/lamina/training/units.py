"""What data are counted in, wherever a count is shown."""

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
