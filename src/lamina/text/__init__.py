"""Text as numbers: tokenisers, and samples of a long text."""

from lamina.text.tokenizers import ByteTokenizer, CharacterTokenizer, FileTokenizer, Tokenizer, decoded
from lamina.text.windows import TextWindows

__all__ = ["Tokenizer", "ByteTokenizer", "CharacterTokenizer", "FileTokenizer", "TextWindows", "decoded"]
