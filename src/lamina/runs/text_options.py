"""The options of a training on a text."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.runs.data_kinds import TEXT
from lamina.runs.option_declaration import option
from lamina.runs.option_kinds import Kind, Number, Whole


@dataclass(frozen=True)
class SamplingOptions:
    """How the next token is chosen."""

    prompt: str = option(Kind(), "", "What the model goes on from.", "text", shown="the start of a line", of=(TEXT,))
    temperature: float = option(
        Number(wanted="the temperature must be at least 0", least=0.0),
        0.8,
        "Below 1, likely tokens become more likely; at 0 the likeliest is taken.",
        "text",
        of=(TEXT,),
    )
    top_k: int | None = option(
        Whole(wanted="at least 1 token is needed", least=1), None, "Draw from so many of the likeliest only.", "text",
        of=(TEXT,),
    )  # fmt: skip
    top_p: float | None = option(
        Number(wanted="the share must be above 0 and at most 1", above=0.0, most=1.0),
        None,
        "Draw from the fewest of the likeliest whose probabilities add up to this.",
        "text",
        of=(TEXT,),
    )


@dataclass(frozen=True)
class TextOptions(SamplingOptions):
    """What the user can choose about a language model: its tokens, and what it writes as it learns."""

    tokenizer: str = option(
        Kind(metavar="TOKENS"),
        "characters",
        "What a token is: characters, bytes, or as a tokenizer.json of Hugging Face says.",
        "text",
        of=(TEXT,),
    )
    context: int = option(
        Whole(wanted="it looks at at least 1 token", least=1, below=10**6),
        64,
        "How many tokens the model looks at.",
        "text",
        of=(TEXT,),
    )
    heads: int = option(
        Whole(wanted="attention has at least 1 head", least=1), 4, "Heads of attention.", "text", of=("gpt",)
    )
    epoch_steps: int = option(
        Whole(wanted="an epoch has at least 1 step", least=1),
        250,
        "Steps of an epoch, each on --batch-size windows of the text.",
        "text",
        of=(TEXT,),
    )
    sample_every: int = option(
        Whole(), 1, "Epochs from one sample of what the model writes to the next; 0 for none.", "text", of=(TEXT,)
    )
    sample_tokens: int = option(
        Whole(wanted="a sample has at least 1 token", least=1), 200, "Tokens of a sample.", "text", of=(TEXT,)
    )
