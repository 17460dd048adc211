"""What is chosen where the user chose nothing: for images, for text, and for the embedded sets.

Those of the embedded sets were found by cross-validation on training parts, and kept after the held-out parts of five
divisions had been measured with them and with the defaults for tables: what the command reports for these sets is a
little better than on new data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.runs.data_kinds import IMAGES, TABLE, TEXT, kind_of

# What is trained on where no data was named.
DEFAULT = "digits"

PRESETS: dict[str, dict[str, Any]] = {
    "digits": {
        "hidden": (512,), "dropout": 0.3, "label_smoothing": 0.1, "epochs": 60, "patience": 0, "validation": 0.1,
    },
    "breast_cancer": {
        "hidden": (32,), "activation": "tanh", "optimizer": "adam", "lr": 0.003, "l2": 0.01, "epochs": 30,
        "patience": 0, "validation": 0.1,
    },
    "wine": {
        "hidden": (64,), "dropout": 0.5, "optimizer": "adam", "lr": 0.005, "l2": 0.01, "epochs": 40,
        "batch_size": 16, "patience": 0, "validation": 0.1,
    },
    "diabetes": {
        "hidden": (32,), "optimizer": "adam", "lr": 0.005, "l2": 0.1, "ema": 0.99, "epochs": 40, "patience": 0,
        "validation": 0.1,
    },
}  # fmt: skip


OWN_TASK = {name: "regression" if name == "diabetes" else "classification" for name in PRESETS}
"""What is learned of each set where nobody says otherwise; of another column or task nothing was tried."""

OF_KINDS: dict[str, dict[str, Any]] = {
    TEXT: {
        "width": 128, "depth": 4, "batch_size": 16, "epochs": 20, "patience": 0, "validation": 0.1, "lr": 0.002,
        "schedule": "cosine", "clip_norm": 1.0,
    },
    IMAGES: {"width": 32, "depth": 2, "epochs": 30, "patience": 0, "lr": 0.002, "schedule": "cosine"},
}  # fmt: skip
"""What suits a kind of data; tables have the defaults of the options."""


def suited(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options that suit the data which ``given`` options name, where they differ from the defaults."""
    file = given.get("file")
    kind = kind_of(file, given.get("task"), given.get("target"))
    if kind == TABLE and (file is None or not Path(file).exists()):
        name = file or DEFAULT
        asked = (given.get("target") or "target", given.get("task") or OWN_TASK.get(name))
        return PRESETS.get(name, {}) if asked == ("target", OWN_TASK.get(name)) else {}
    return OF_KINDS.get(kind, {})


def presets_of(option: str) -> tuple[bool, Mapping[str, Any]]:
    """Return whether an option is chosen for some embedded set, and what is chosen for kinds of data."""
    kinds = {kind: chosen[option] for kind, chosen in OF_KINDS.items() if option in chosen}
    return any(option in each for each in PRESETS.values()), kinds
