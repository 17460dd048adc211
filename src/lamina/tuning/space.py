"""What is searched: a range of numbers or some choices for each option, written in one short notation.

``LOW:HIGH`` is a range of numbers, ``LOW:HIGH:STEP`` one in steps, ``log:LOW:HIGH`` one of magnitudes, and ``A|B|C``
choices. Whole numbers make a range of whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.runs.option_declaration import Option, OptionError, accepted, declared
from lamina.runs.option_kinds import Kind, Listed, Number, Settings, Unfit, Whole, Widths, nearest, shown
from lamina.runs.options import TrainingOptions

if TYPE_CHECKING:
    import optuna

NOTATION = 'write a range as "1e-4:1e-1", "log:1e-4:1e-1" or "16:128:16", and choices as "32|64|128,64"'

# What would change the question or the place, not the answer.
NOT_SEARCHED = (
    "file", "target", "task", "table", "decimal", "encoding", "header", "weights", "validation", "test",
    "monitor", "metrics", "seed", "device", "tensorboard", "max_seconds", "checkpoint_epochs", "checkpoint_seconds",
    "checkpoint_keep",
)  # fmt: skip


@dataclass(frozen=True)
class Range:
    """What an option may be.

    Attributes
    ----------
    text : str
        As it was written.
    low, high : int or float
        Both included; of a range.
    step : int or float, optional
    log : bool
        Whether magnitudes are drawn evenly.
    choices : tuple of str
        The texts of the values; empty for a range.
    """

    text: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all numbers of a range are whole."""
        return all(isinstance(each, int) for each in (self.low, self.high, 1 if self.step is None else self.step))

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """Return what a trial is to try: a number, or the text of a choice."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


def read_range(text: str) -> Range:
    """Return what a text such as ``"log:1e-4:1e-1"`` or ``"relu|tanh"`` stands for.

    Raises
    ------
    Unfit
        When it stands for nothing.

    Examples
    --------
    >>> from lamina.tuning.space import read_range
    >>> read_range("16:128:16").whole, read_range("log:1e-4:1e-1").log, read_range("32|64").choices
    (True, True, ('32', '64'))
    """
    if "|" in text or ":" not in text:
        return _choices(text, [part.strip() for part in text.split("|")])
    parts = [part.strip() for part in text.split(":")]
    log = parts[0] == "log"
    numbers = [_number(text, part) for part in (parts[1:] if log else parts)]
    if not 2 <= len(numbers) <= (2 if log else 3):
        raise Unfit(f"{NOTATION}, got {shown(text)}")
    low, high = numbers[:2]
    step = numbers[2] if len(numbers) == 3 else None
    if not low < high or (log and low <= 0) or (step is not None and not 0 < step <= high - low):
        rule = "a range rises, begins above 0 if it is of magnitudes, and is wider than its step"
        raise Unfit(f"{rule}, got {shown(text)}")
    return Range(text, low, high, step, log)


def _choices(text: str, parts: Sequence[str]) -> Range:
    if len(parts) < 2 or len(set(parts)) < len(parts):
        raise Unfit(f"{NOTATION}, at least two different ones, got {shown(text)}")
    return Range(text, choices=tuple(parts))


def _number(text: str, part: str) -> float:
    try:
        return Whole(least=-(2**53), below=2**53).parse(part)
    except Unfit:
        pass
    try:
        return Number().parse(part)
    except Unfit:
        raise Unfit(f"{NOTATION}, got {shown(text)}") from None


@dataclass(frozen=True, kw_only=True)
class Ranges(Kind):
    """Ranges by the names of options: ``lr=log:1e-4:1e-1``, a table of texts and lists in TOML."""

    metavar: str = "NAME=RANGE"

    table = True

    def parse(self, text: str) -> Mapping[str, Range]:
        """Return the one range of a text on the command line."""
        name, separator, written = text.partition("=")
        if not separator:
            raise Unfit(f"give the name of an option, = and a range, such as lr=log:1e-4:1e-1, got {shown(text)}")
        return self.accept({name.strip().replace("-", "_"): written.strip()})

    def accept(self, value: Any) -> Mapping[str, Range]:
        """Return the ranges, each checked against its option."""
        if not isinstance(value, Mapping):
            raise Unfit(f"give ranges by the names of options, got {shown(value)}")
        return {str(name): self._range(str(name), each) for name, each in value.items()}

    def plain(self, value: Any) -> dict[str, str]:
        """Return the texts."""
        return {name: each.text for name, each in value.items()}

    def _range(self, name: str, value: Any) -> Range:
        known = {each: row for each, row in declared(TrainingOptions).items() if each not in NOT_SEARCHED}
        if name not in known:
            raise Unfit(f"{name}: there is no option of this name to search{nearest(name, list(known))}")
        try:
            if isinstance(value, list | tuple):
                # As TOML may write choices: ["relu", "tanh"], [32, 64], [[128, 64], [256]].
                made = _choices(shown(value), [_text(known[name], each) for each in value])
                made = Range(" | ".join(made.choices), choices=made.choices)
            else:
                made = value if isinstance(value, Range) else read_range(Kind().accept(value))
            check_range(known[name], made)
        except Unfit as error:
            raise Unfit(f"{name}: {error}") from None
        return made


def _text(row: Option, value: Any) -> str:
    if isinstance(value, list | tuple) and isinstance(row.kind, Widths | Listed):
        return ",".join(map(str, value))
    if isinstance(value, bool | Mapping):
        raise Unfit(f"{NOTATION}, got {shown(value)}")
    return str(value)


def check_range(row: Option, found: Range) -> None:
    """Refuse a range with a value that its option cannot have.

    Raises
    ------
    Unfit
        The message says what is wrong with the value.
    """
    if found.choices:
        for text in found.choices:
            value_of(row, text)
        return
    if not isinstance(row.kind, Whole | Number):
        raise Unfit(f'give choices with | between, such as "a|b", got {shown(found.text)}')
    if isinstance(row.kind, Whole) and not found.whole:
        raise Unfit(f"give whole numbers, got {shown(found.text)}")
    for bound in (found.low, found.high):
        row.kind.accept(bound)


def value_of(row: Option, drawn: Any) -> Any:
    """Return the value of an option for what a trial drew: a number, or the text of a choice."""
    if not isinstance(drawn, str):
        return accepted(row, drawn)
    if drawn == "none" and row.default is None:
        return None
    value = row.kind.parse(drawn)
    if isinstance(row.kind, Settings) and not isinstance(value, Mapping | str):
        raise OptionError(row.name, f"{drawn!r} is no setting")
    return value


DEFAULT_SPACE = {
    "lr": read_range("log:3e-4:3e-2"),
    "hidden": read_range("32|64|128|64,32|128,64|256,128"),
    "dropout": read_range("0.0:0.5"),
    "weight_decay": read_range("log:1e-5:1e-1"),
}
