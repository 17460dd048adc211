"""`lamina generate`: what a language model writes."""

from __future__ import annotations

import time

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.errors import DataError
from lamina.runs.folder import RunFolder
from lamina.runs.subjects.text import TextSubject


def generate(given: Given) -> int:
    """Write on from a prompt, shown as it is drawn."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    subject = config.subject
    if not isinstance(subject, TextSubject):
        raise DataError(f"generate: {options.run} is a {subject.title}, which writes nothing; use lamina predict")
    model = folder.load_model(config, options.device)
    # Without a seed every text is another one; it is in the object for machines, so that any can be had again.
    seed = options.seed if options.seed is not None else time.time_ns() % 2**32
    writing, pieces = subject.written(model, options, options.tokens, seed), []
    if not screen.json:
        print(options.prompt, end="", flush=True)
    for piece in writing:
        pieces.append(piece)
        if not screen.json:
            print(piece, end="", flush=True)
    if not screen.json:
        print(flush=True)
    screen.result({"run": str(options.run), "prompt": options.prompt, "text": "".join(pieces), "seed": seed})
    return DONE
