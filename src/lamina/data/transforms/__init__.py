"""Changes to images before a model sees them, with torchvision's names and meaning; Pillow makes them.

A sequence of transforms is applied from the first to the last. Those that draw take their numbers from a generator
that `lamina.data.ImageStream` addresses by seed, epoch and sample, so that a sample looks the same in every training
of one seed. Any function of an image and a generator that returns an image can stand between them.

Examples
--------
>>> import numpy as np
>>> from PIL import Image
>>> from lamina.data import transforms
>>> image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4))
>>> augment = (transforms.RandomCrop(4, padding=1), transforms.RandomHorizontalFlip(), transforms.Normalize(0.5, 0.5))
>>> transforms.apply(augment, image, np.random.default_rng(0)).shape
(1, 4, 4)
"""

from lamina.data.transforms.applying import TRANSFORMS, Transform, apply, checked
from lamina.data.transforms.colours import ColorJitter, Grayscale, Normalize
from lamina.data.transforms.orientation import RandomHorizontalFlip, RandomRotation, RandomVerticalFlip
from lamina.data.transforms.sizes import CenterCrop, RandomCrop, RandomResizedCrop, Resize

__all__ = [
    "Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop",
    "RandomHorizontalFlip", "RandomVerticalFlip", "RandomRotation",
    "ColorJitter", "Grayscale", "Normalize",
    "TRANSFORMS", "Transform", "apply", "checked",
]  # fmt: skip
