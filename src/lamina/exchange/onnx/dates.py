"""The parts of a date from the seconds since 1970, by arithmetic that ONNX has.

The calendar is the proleptic Gregorian one, counted in eras of 400 years that begin on the first of March, so that
the day that leap years have comes last.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamina.dtypes import float64
from lamina.exchange.onnx.nodes import Nodes

_DAY, _HOUR = 86_400.0, 3_600.0
_DAYS_TO_1970 = 719_468.0
"""From the first of March of the year 0."""
_DAYS_OF_ERA = 146_097.0


@dataclass(frozen=True)
class Number:
    """A float64 of the graph, with arithmetic."""

    nodes: Nodes
    name: str

    def _with(self, op: str, other: Number | float) -> Number:
        operand = other.name if isinstance(other, Number) else self.nodes.scalar(other, float64)
        return Number(self.nodes, self.nodes.add(op, self.name, operand))

    def __add__(self, other: Number | float) -> Number:
        return self._with("Add", other)

    def __sub__(self, other: Number | float) -> Number:
        return self._with("Sub", other)

    def __mul__(self, other: Number | float) -> Number:
        return self._with("Mul", other)

    def __truediv__(self, other: Number | float) -> Number:
        return self._with("Div", other)

    def __floordiv__(self, other: Number | float) -> Number:
        return Number(self.nodes, self.nodes.add("Floor", (self / other).name))

    def below(self, limit: float) -> Number:
        """Return 1 where it is less than this, and 0 elsewhere."""
        return Number(self.nodes, self.nodes.cast(self._with("Less", limit).name, float64))


def date_parts(nodes: Nodes, seconds: str) -> dict[str, str]:
    """Return the names of year, month, day, weekday (Monday is 1), hour and elapsed days."""
    moment = Number(nodes, seconds)
    days = moment // _DAY
    shifted = days + _DAYS_TO_1970
    era = shifted // _DAYS_OF_ERA
    of_era = shifted - era * _DAYS_OF_ERA
    # Every fourth year has one day more, but for every hundredth, but for the four hundredth.
    regular = of_era - of_era // 1460.0 + of_era // 36_524.0 - of_era // 146_096.0
    year_of_era = regular // 365.0
    of_year = of_era - (year_of_era * 365.0 + year_of_era // 4.0 - year_of_era // 100.0)
    # From March on five months have 153 days, again and again.
    from_march = (of_year * 5.0 + 2.0) // 153.0
    next_year = (from_march * -1.0).below(-9.5)
    parts = {
        "year": year_of_era + era * 400.0 + next_year,
        "month": from_march + 3.0 - next_year * 12.0,
        "day": of_year - (from_march * 153.0 + 2.0) // 5.0 + 1.0,
        "weekday": days + 4.0 - ((days + 3.0) // 7.0) * 7.0,
        "hour": (moment - days * _DAY) // _HOUR,
        "days": moment / _DAY,
    }
    return {part: number.name for part, number in parts.items()}
