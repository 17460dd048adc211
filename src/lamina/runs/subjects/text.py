"""`TextSubject`: a text as tokens, and a language model that says which comes next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from lamina import nn, random
from lamina.data.record import Record
from lamina.errors import DataError, LaminaError, ShapeError
from lamina.functions.creation import asarray, zeros
from lamina.models import GPT, next_token_loss
from lamina.runs.applicable import chosen_model
from lamina.runs.data_kinds import TEXT
from lamina.runs.option_declaration import OptionError
from lamina.runs.subjects.named import Reading
from lamina.runs.subjects.subject import Data, Loss, Measured, Predicted, Subject
from lamina.runs.text_options import SamplingOptions
from lamina.tensor import Tensor
from lamina.text import ByteTokenizer, CharacterTokenizer, FileTokenizer, TextWindows, Tokenizer, decoded
from lamina.training import evaluate
from lamina.training.units import Unit

if TYPE_CHECKING:
    from lamina.runs.options import TrainingOptions

Numbers = npt.NDArray[np.int64]

MEASURED_BATCH = 64


@dataclass(frozen=True)
class TextSubject(Subject):
    """A text.

    Attributes
    ----------
    tokenizer : Tokenizer
    context : int
        How many tokens the model looks at.
    """

    tokenizer: Tokenizer
    context: int

    kind = TEXT
    file = "a text"
    task = "text"

    # --- what it is ---

    @property
    def unit(self) -> Unit:
        """Tokens, of which each sample is a window."""
        return Unit("tokens", self.context)

    @property
    def title(self) -> str:
        """What the model does."""
        return f"a language model of {self._tokens}"

    @property
    def _tokens(self) -> str:
        names = {CharacterTokenizer: "characters", ByteTokenizer: "bytes"}
        return names.get(type(self.tokenizer), "tokens")

    def network(self, options: TrainingOptions) -> str:
        """Return the size of the GPT."""
        return (
            f"({self.tokenizer.vocabulary:,} different ones): a GPT of depth {options.depth}, width {options.width}, "
            f"{options.heads} heads, that looks at {self.context}"
        )

    def details(self) -> dict[str, str]:
        """Return how many tokens there are."""
        return {"tokens": f"{self.tokenizer.vocabulary:,} different {self._tokens}; the model looks at {self.context}"}

    def facts(self) -> dict[str, Any]:
        """Return the same for machines."""
        return {"tokens": self._tokens, "vocabulary": self.tokenizer.vocabulary, "context": self.context}

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs: a tokeniser's file is kept whole."""
        found: dict[str, Any] = {"kind": self._tokens}
        if isinstance(self.tokenizer, CharacterTokenizer):
            found["characters"] = self.tokenizer.characters
        elif isinstance(self.tokenizer, FileTokenizer):
            found["content"] = self.tokenizer.content
        return {"tokenizer": found, "context": self.context}

    @classmethod
    def from_json(cls, record: Record) -> Self:
        """Rebuild it from what `to_json` gave."""
        found = record.record("tokenizer")
        kind = found.text("kind")
        tokenizer: Tokenizer = ByteTokenizer()
        if kind == "characters":
            tokenizer = CharacterTokenizer(found.text("characters"))
        elif kind == "tokens":
            tokenizer = FileTokenizer.of(found.text("content"), found.place)
        elif kind != "bytes":
            raise found.wrong("kind", "characters, bytes or tokens")
        return cls(tokenizer, record.whole("context", least=1))

    # --- the model ---

    def build(self, options: TrainingOptions) -> GPT:
        """Return a GPT."""
        chosen_model(self.kind, options.model)
        width, depth = options.width or 128, options.depth or 4
        try:
            return GPT(self.tokenizer.vocabulary, self.context, width, options.heads, depth, options.dropout)
        except ShapeError as error:
            raise OptionError("heads", f"{width} is not divided by {options.heads}; --width is a multiple") from error

    def loss(self, options: TrainingOptions) -> Loss:
        """Return the mean cross-entropy of the tokens that came next."""
        return next_token_loss

    def metrics(self, options: TrainingOptions) -> Sequence[str]:
        """Return the perplexity, where something is held out to measure it on."""
        return ("perplexity",) if options.validation else ()

    def example(self) -> Tensor:
        """Return one window."""
        return zeros((1, self.context), dtype="int64")

    # --- data ---

    def read(self, path: Path, how: Reading) -> tuple[Data, Sequence[str]]:
        """Read a whole text."""
        how.refuse(f"{path} is a text")
        tokens = self.encoded(read_text(path), str(path))
        return windows(tokens, self.context, f"{path}"), ()

    def encoded(self, text: str, where: str) -> Numbers:
        """Return the tokens of a text.

        Raises
        ------
        DataError
            When a character was not in the text that the tokeniser was made of.
        """
        try:
            return self.tokenizer.encode(text)
        except DataError as error:
            unknown = sorted(set(text) - set(getattr(self.tokenizer, "characters", "")))
            raise DataError(
                f"{where}: {unknown[0]!r} was not in the text that was trained on, which has "
                f"{self.tokenizer.vocabulary} different characters; leave it out, or train with --tokenizer bytes, "
                "which knows all"
            ) from error

    def measured(self, model: nn.Module, data: Data, device: str, also: Sequence[str] = ()) -> Measured:
        """Return the loss of a token, the perplexity, and how many bits a character takes."""
        assert isinstance(data, TextWindows)
        if also:
            raise OptionError("metrics", f"{also[0]} is not for text, of which loss and perplexity are measured always")
        loss = evaluate(model, data, loss=next_token_loss, batch_size=MEASURED_BATCH)["loss"]
        bits = loss / math.log(2.0) * self._tokens_per_character(data)
        scores = {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), "bits_per_character": bits}
        return Measured(len(data) * data.length, scores)

    def _tokens_per_character(self, data: TextWindows) -> float:
        if isinstance(self.tokenizer, CharacterTokenizer):
            return 1.0
        tokens = data.tokens.numpy()
        return len(tokens) / max(len(self.tokenizer.decode(tokens)), 1)

    def predicted(self, model: nn.Module, path: Path, how: Reading, device: str) -> Predicted:
        """Refuse: there is another command."""
        raise DataError(f'predict: this run is {self.title}; lamina generate RUN --prompt "..." lets it write')

    def export_onnx(self, model: nn.Module, path: Path, metadata: Mapping[str, str]) -> str:
        """Write a model from tokens to the logits of what comes next."""
        from lamina.exchange import export_onnx

        export_onnx(model, path, self.example(), input_names=["tokens"], output_names=["logits"], metadata=metadata)
        return f"the model, from {self.context} tokens to logits,"

    # --- writing ---

    def written(self, model: nn.Module, options: SamplingOptions, count: int, seed: int) -> Iterator[str]:
        """Yield what a model writes after a prompt, piece by piece.

        Parameters
        ----------
        model : GPT
        options : SamplingOptions
        count : int
            How many tokens.
        seed : int
            The same seed gives the same text.
        """
        assert isinstance(model, GPT)
        start = self.encoded(options.prompt, "--prompt") if options.prompt else self._beginning()
        tokens = model.continued(
            asarray(start, device=model.tokens.weight.device)[None],
            count,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            generator=random.Generator(seed),
        )
        return decoded(self.tokenizer, (int(token.item()) for token in tokens))

    def _beginning(self) -> Numbers:
        """Return the token after which a line begins, or the first one where there is none."""
        try:
            found = self.tokenizer.encode("\n")
        except LaminaError:
            found = np.zeros(0, np.int64)
        return found if len(found) else np.zeros(1, np.int64)


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    DataError
        When there is none, it is empty, or it is not in UTF-8.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; a language model learns from one file of text")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from error
    if not text:
        raise DataError(f"{path}: the text is empty; there is nothing to learn")
    return text.replace("\r\n", "\n")


def windows(tokens: Numbers, context: int, name: str, most: int | None = None) -> TextWindows:
    """Return the windows of a part in their order, evenly spread where there are more than ``most``.

    Raises
    ------
    DataError
        When there are not more tokens than the model looks at.
    """
    if len(tokens) <= context:
        raise DataError(f"{name}: the text has {len(tokens):,} tokens; the model looks at {context}, and needs more")
    whole = (len(tokens) - 1) // context
    return TextWindows(tokens, context, windows=whole if most is None else min(most, whole), name=name)
