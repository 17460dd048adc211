"""Tokenisers: from a text to the numbers of its tokens, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError, LaminaError
from lamina.tensor import Tensor

Numbers = npt.NDArray[np.int64]


class Tokenizer(Protocol):
    """What a tokeniser does."""

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        ...

    def encode(self, text: str) -> Numbers:
        """Return the numbers of the tokens of a text."""
        ...

    def decode(self, numbers: Tensor | Iterable[int]) -> str:
        """Return the text of numbers of tokens."""
        ...


def _numbers(name: str, numbers: Tensor | Iterable[int], vocabulary: int) -> list[int]:
    values = np.asarray(numbers.numpy() if isinstance(numbers, Tensor) else list(numbers))
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise DataError(f"{name}: expected the numbers of one text, got {values.dtype} of shape {list(values.shape)}")
    if values.size and not 0 <= values.min() <= values.max() < vocabulary:
        raise DataError(f"{name}: tokens are numbered 0 to {vocabulary - 1}, got {values.min()} to {values.max()}")
    return [int(value) for value in values]


class ByteTokenizer:
    """Each byte of the text in UTF-8 is a token: 256 of them, for any text.

    Examples
    --------
    >>> from lamina import text
    >>> tokenizer = text.ByteTokenizer()
    >>> tokenizer.encode("né").tolist()
    [110, 195, 169]
    >>> tokenizer.decode([110, 195, 169])
    'né'
    """

    vocabulary = 256

    def encode(self, text: str) -> Numbers:
        """Return the bytes of a text, int64 of shape [n]."""
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(np.int64)

    def decode(self, numbers: Tensor | Iterable[int]) -> str:
        """Return the text of bytes; what is no UTF-8, as where a character is cut, becomes the sign �."""
        return bytes(_numbers("ByteTokenizer", numbers, self.vocabulary)).decode("utf-8", errors="replace")


class CharacterTokenizer:
    """Each character that occurs in a text is a token.

    Parameters
    ----------
    text : str
        Its characters, in the order of their code points, are the vocabulary.

    Attributes
    ----------
    characters : str
        The character of each number. ``CharacterTokenizer(characters)`` is this tokeniser again.

    Raises
    ------
    DataError
        When the text is empty.

    Examples
    --------
    >>> from lamina import text
    >>> tokenizer = text.CharacterTokenizer("banana")
    >>> tokenizer.characters, tokenizer.encode("nab").tolist()
    ('abn', [2, 0, 1])
    """

    def __init__(self, text: str) -> None:
        if not text:
            raise DataError("CharacterTokenizer: the text is empty, and so would be the vocabulary")
        self.characters = "".join(sorted(set(text)))
        self._places = {character: number for number, character in enumerate(self.characters)}

    @property
    def vocabulary(self) -> int:
        """Number of different characters."""
        return len(self.characters)

    def encode(self, text: str) -> Numbers:
        """Return the numbers of characters, int64 of shape [n].

        Raises
        ------
        DataError
            When a character is not in the vocabulary.
        """
        try:
            return np.fromiter((self._places[character] for character in text), np.int64, len(text))
        except KeyError as error:
            unknown = sorted(set(text) - set(self.characters))
            raise DataError(
                f"CharacterTokenizer: {unknown[0]!r} is not among the {self.vocabulary} characters known; make the "
                "tokeniser of a text that has it, or use ByteTokenizer"
            ) from error

    def decode(self, numbers: Tensor | Iterable[int]) -> str:
        """Return the text of numbers."""
        return "".join(self.characters[n] for n in _numbers("CharacterTokenizer", numbers, self.vocabulary))


class FileTokenizer:
    """A tokeniser read from a file ``tokenizer.json`` of the library Hugging Face tokenizers.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    DataError
        When the file is missing or damaged.
    LaminaError
        When the library is not installed.

    Attributes
    ----------
    content : str
        Of the file. ``FileTokenizer.of(content)`` is this tokeniser again.

    Notes
    -----
    Needs ``pip install 'lamina[text]'``.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._use(Path(path).read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise DataError(f"FileTokenizer: {path} cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"FileTokenizer: {path} is no file of a tokeniser: {error}") from error

    @classmethod
    def of(cls, content: str, name: str = "the content") -> FileTokenizer:
        """Return the tokeniser of a file's content; errors call it by the name."""
        made = cls.__new__(cls)
        made._use(content, name)
        return made

    def _use(self, content: str, name: str) -> None:
        try:
            from tokenizers import Tokenizer as Library
        except ImportError as error:
            raise LaminaError("FileTokenizer: needs the library tokenizers; pip install 'lamina[text]'") from error
        try:
            json.loads(content)
            self._tokenizer: Any = Library.from_str(content)
        except Exception as error:  # the library raises nothing more precise
            raise DataError(f"FileTokenizer: {name} is no file of a tokeniser: {error}") from error
        self.content = content

    @property
    def vocabulary(self) -> int:
        """Number of different tokens, added ones included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> Numbers:
        """Return the numbers of tokens, int64 of shape [n], with those that the file says stand around a text."""
        return np.array(self._tokenizer.encode(text).ids, dtype=np.int64)

    def decode(self, numbers: Tensor | Iterable[int]) -> str:
        """Return the text of numbers, without special tokens."""
        return str(self._tokenizer.decode(_numbers("FileTokenizer", numbers, self.vocabulary)))


def decoded(tokenizer: Tokenizer, numbers: Iterable[int]) -> Iterator[str]:
    """Yield the text of tokens as they come, whole characters only.

    A character may have several tokens, and a token may be written otherwise after another, so a piece is the
    difference that a token makes to the text of those shortly before.

    Parameters
    ----------
    tokenizer : Tokenizer
    numbers : iterable of int

    Examples
    --------
    >>> from lamina import text
    >>> tokenizer = text.ByteTokenizer()
    >>> list(text.decoded(tokenizer, tokenizer.encode("né!")))
    ['n', 'é', '!']
    """
    recent: list[int] = []
    known = 0  # so many of the recent tokens have been written
    for number in numbers:
        recent.append(int(number))
        written, text = tokenizer.decode(recent[:known]), tokenizer.decode(recent)
        if len(text) > len(written) and not text.endswith("\ufffd"):
            yield text[len(written) :]
            recent, known = recent[known:], len(recent) - known
    rest = tokenizer.decode(recent)[len(tokenizer.decode(recent[:known])) :]
    if rest:
        yield rest
