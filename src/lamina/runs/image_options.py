"""The options of a training on images."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.runs.data_kinds import IMAGES
from lamina.runs.option_declaration import option
from lamina.runs.option_kinds import Choice, Listed, Widths

AUGMENTATIONS = ("flip", "crop", "rotate", "colour")


@dataclass(frozen=True)
class ImageOptions:
    """What the user can choose about how images are given to a network."""

    image_size: tuple[int, ...] | None = option(
        Widths(metavar="H,W", most=2),
        None,
        "Height and width to which images are scaled; one number for both.",
        "images",
        shown="their own if all have the same, else 64,64",
        of=(IMAGES,),
    )
    augment: tuple[str, ...] = option(
        Listed(item=Choice(among=AUGMENTATIONS)),
        (),
        "Changes at random, anew in every epoch: flip (left and right), crop, rotate, colour.",
        "images",
        shown="none",
        of=(IMAGES,),
    )
