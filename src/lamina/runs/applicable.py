"""Which options are for which data and model; others are refused where they are given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.runs.data_kinds import IMAGES, MODELS, TABLE, TEXT, models_of
from lamina.runs.option_declaration import OptionError, declared
from lamina.runs.options import OF_HIDDEN_LAYERS, TrainingOptions

PLURALS = {TABLE: "tables", IMAGES: "images", TEXT: "text"}
FILES = {TABLE: "a table", IMAGES: "a folder of images", TEXT: "a text"}


def chosen_model(kind: str, model: str | None) -> str:
    """Return the model of an option, the usual one of a kind of data where none was chosen.

    Raises
    ------
    OptionError
        When it is for other data.
    """
    known = models_of(kind)
    if model is not None and model not in known:
        raise OptionError("model", f"{model} is for {PLURALS[MODELS[model]]}; for {PLURALS[kind]} {_are(known)}")
    return model or known[0]


def options_of(kind: str, model: str | None) -> list[str]:
    """Return the names of the options of a training that are for a kind of data and a model, ``None`` the usual."""
    chosen = chosen_model(kind, model)
    return [name for name, row in declared(TrainingOptions).items() if row.serves(kind, chosen)]


def check_options(options: TrainingOptions, given: Iterable[str]) -> None:
    """Refuse options that were given and are for other data or another model.

    Raises
    ------
    OptionError
    """
    rows, kind = declared(TrainingOptions), options.kind
    model = chosen_model(kind, options.model)
    linear = model == "mlp" and not options.hidden
    for name in sorted(given):
        row = rows.get(name)
        if row is None or row.serves(kind, model):
            if linear and name in OF_HIDDEN_LAYERS and getattr(options, name) != rows[name].default:
                raise OptionError(name, "this is for hidden layers, and --hidden says that there are none")
            continue
        models = row.models(kind)
        if models:
            raise OptionError(name, f"{model} has none; with {_joined(models)} it can be chosen")
        kinds = " and ".join(PLURALS[each] for each in row.kinds)
        raise OptionError(name, f"this is for {kinds}, and {options.file or 'the data'} is {FILES[kind]}")


def _are(names: Sequence[str]) -> str:
    return f"there {'is' if len(names) == 1 else 'are'} {_joined(names, 'and')}"


def _joined(names: Sequence[str], word: str = "or") -> str:
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
