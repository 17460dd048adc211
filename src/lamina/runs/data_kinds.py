"""The kinds of data that can be learned from, and how they are told apart."""

from __future__ import annotations

from pathlib import Path

TABLE, IMAGES, TEXT = KINDS = ("table", "images", "text")

MODELS = {
    "mlp": TABLE, "cnn": IMAGES, "lenet5": IMAGES, "resnet18": IMAGES, "resnet34": IMAGES, "resnet50": IMAGES,
    "gpt": TEXT,
}  # fmt: skip
"""The kind of data that each model is for; of a kind, the first is what is taken where nobody says which."""

TEXT_FILES = (".txt", ".text", ".md", ".rst")
"""The ends of names that are a text's, where nobody says otherwise."""


def kind_of(file: str | None, task: str | None, target: str | None) -> str:
    """Return the kind of data that a training names: by its task, a folder is one of images, text by its name's end.

    Whoever names a target or another task has a table, whatever the file is called.
    """
    if task == TEXT:
        return TEXT
    if file is None:
        return TABLE
    path = Path(file)
    if path.is_dir():
        return IMAGES
    is_text = path.suffix.lower() in TEXT_FILES and task is None and target is None
    return TEXT if is_text and path.exists() else TABLE


def models_of(kind: str) -> list[str]:
    """Return the models that are for a kind of data, the usual one first."""
    return [model for model, of in MODELS.items() if of == kind]
