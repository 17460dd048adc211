"""Models, each short enough to be read as the documentation of how to write one."""

from lamina.models.gpt import GPT, next_token_loss
from lamina.models.lstm import LSTMLanguageModel
from lamina.models.sampling import sample

__all__ = ["GPT", "LSTMLanguageModel", "next_token_loss", "sample"]
