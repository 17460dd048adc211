"""A text as training needs it: its tokens, divided into parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamina.errors import DataError
from lamina.runs.option_declaration import OptionError
from lamina.runs.options import TrainingOptions
from lamina.runs.sources import fingerprint, test_share
from lamina.runs.subjects.subject import Prepared
from lamina.runs.subjects.text import TextSubject, read_text, windows
from lamina.text import ByteTokenizer, CharacterTokenizer, FileTokenizer, TextWindows, Tokenizer

# Of the windows of an epoch, so many are measured of a part: validation costs at most a tenth of the time then.
MEASURED = 4


def prepare_text(options: TrainingOptions) -> Prepared:
    """Read a text, and divide it: the last part is held out, the part before it validates, the rest is learned.

    Raises
    ------
    DataError
        When the text cannot be used, or is too short for the context.
    """
    if options.file is None:
        raise OptionError("task", "name a text: lamina train FILE --task text")
    path = Path(options.file)
    text = read_text(path)
    subject = TextSubject(tokenizer_of(options.tokenizer, text), options.context)
    tokens = subject.encoded(text, str(path))
    subject.encoded(options.prompt, "--prompt")
    shares = {"validation": options.validation, "test": test_share(options, embedded=False)}
    counts = {part: round(share * len(tokens)) for part, share in shares.items()}
    if len(tokens) <= options.context:
        raise DataError(f"{path}: {_too_short(len(tokens), options.context)}")
    for part, share in shares.items():
        if share and counts[part] <= options.context:
            raise OptionError(
                part, f"a share of {share:g} of {len(tokens):,} tokens is {counts[part]:,}, and with --context "
                f"{options.context} more are needed; give a larger share, a shorter --context, or 0 for none",
            )  # fmt: skip
    learned = len(tokens) - sum(counts.values())
    if learned <= options.context:
        left = f", and {max(learned, 0):,} are left to learn from"
        raise DataError(f"{path}: {_too_short(len(tokens), options.context, left)}")
    edges = np.cumsum([learned, counts["validation"]])
    training, validation, test = np.split(tokens, edges)
    epoch = options.epoch_steps * options.batch_size
    most = max(1, epoch // MEASURED)
    parts = [windows(each, options.context, str(path), most) if len(each) else None for each in (training, validation)]
    assert parts[0] is not None
    notes = [] if options.task else [f"{path.name} is taken for a text; for a table, name a --target or a --task"]
    if parts[1] is not None and len(parts[1]) < parts[1].whole:
        notes.append(f"{len(parts[1]):,} of the {parts[1].whole:,} windows held out for validation are measured")
    return Prepared(
        options.file,
        False,
        subject,
        parts[0],
        parts[1],
        windows(test, options.context, str(path)) if len(test) else None,
        notes,
        varied=TextWindows(training, options.context, windows=epoch, name=str(path)),
        fingerprint=fingerprint(path),
    )


def _too_short(tokens: int, context: int, left: str = "") -> str:
    count = "1 token" if tokens == 1 else f"{tokens:,} tokens"
    return (
        f"the text has {count}{left}; with --context {context} more are needed; give a longer text or a shorter "
        "--context"
    )


def tokenizer_of(name: str, text: str) -> Tokenizer:
    """Return the tokeniser that an option names: of the characters of a text, of bytes, or of a file."""
    if name == "characters":
        return CharacterTokenizer(text)
    if name == "bytes":
        return ByteTokenizer()
    if not Path(name).exists():
        raise OptionError("tokenizer", f"there is no file {name!r}; give characters, bytes, or a tokenizer.json")
    return FileTokenizer(name)
