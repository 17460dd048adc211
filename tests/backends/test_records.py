"""Records and named tuples behave as those of the standard library, which take longer to make."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import typing
from typing import Any

import pytest

from lamina.records import NamedTuple, field, record, replaced, values_of


class Place(NamedTuple):
    """A named tuple of Lamina's."""

    name: str
    number: int
    around: tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.number


class StandardPlace(typing.NamedTuple):
    """The same."""

    name: str
    number: int
    around: tuple[int, ...] = ()


@record
class Point:
    """A record of values."""

    x: int
    y: int = 2


@dataclasses.dataclass(frozen=True)
class StandardPoint:
    """The same."""

    x: int
    y: int = 2


@record(frozen=False)
class Kernel:
    """A record that is assigned."""

    dims: tuple[int, ...]
    values: list[int] = field(default_factory=list)


@record(frozen=False)
class Product(Kernel):
    """One that is derived from it."""

    a: int = 0


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a", 1), {}),
    (("a", 1, (2,)), {}),
    (("a",), {"number": 3}),
    ((), {"number": 3, "name": "b", "around": (4,)}),
]


@pytest.mark.parametrize(("args", "named"), CALLS)
def test_named_tuples_are_the_tuples_of_the_standard_library(args: Any, named: Any) -> None:
    mine, theirs = Place(*args, **named), StandardPlace(*args, **named)
    assert mine == theirs
    assert hash(mine) == hash(theirs)
    assert repr(mine) == repr(theirs).replace("StandardPlace", "Place")
    assert mine._asdict() == theirs._asdict()
    assert mine._replace(number=9) == theirs._replace(number=9)
    assert (mine.name, mine.number, mine.around) == tuple(theirs)
    assert mine.twice == 2 * theirs.number


@pytest.mark.parametrize(("args", "named"), [((), {}), (("a", 1, (), 2), {}), (("a", 1), {"other": 1})])
def test_wrong_fields_are_refused(args: Any, named: Any) -> None:
    for kind in (Place, Point, Product):
        with pytest.raises(TypeError):
            kind(*args, **named)


def test_elements_of_named_tuples_are_not_assigned_and_nothing_is_added() -> None:
    made: Any = Place("a", 1)
    for name in ("number", "other"):
        with pytest.raises(AttributeError):
            setattr(made, name, 2)
    assert Place._fields == Place.__match_args__ == ("name", "number", "around")
    assert Place._field_defaults == {"around": ()}
    assert Place._make(["a", 1]) == ("a", 1, ())


@pytest.mark.parametrize("given", [Place("a", 1), Point(3)])
def test_they_are_copied_and_pickled(given: Any) -> None:
    assert pickle.loads(pickle.dumps(given)) == copy.deepcopy(given) == given


def test_records_are_equal_as_frozen_dataclasses_are() -> None:
    for one, other in (((1,), (1, 2)), ((1,), (1, 3)), ((2,), (1,))):
        assert (Point(*one) == Point(*other)) == (StandardPoint(*one) == StandardPoint(*other))
    assert hash(Point(1)) == hash(Point(1, 2))
    assert Point(1) != Place("a", 1)
    assert repr(Point(1)) == repr(StandardPoint(1)).replace("StandardPoint", "Point")
    assert replaced(Point(1), x=5) == Point(5)
    assert values_of(Point(1)) == {"x": 1, "y": 2}


def test_records_that_are_assigned_equal_themselves_alone_and_share_nothing() -> None:
    first, second = Kernel((1,)), Kernel((1,))
    first.values.append(1)
    assert second.values == []
    assert first != second
    assert len({first, second, first}) == 2
    assert Kernel((1,), [7]).values == [7]


def test_derived_records_have_the_fields_of_the_first_one_before_their_own() -> None:
    assert list(values_of(Product((1,), a=3)).items()) == [("dims", (1,)), ("values", []), ("a", 3)]
    assert repr(Product((1,), [2], 3)) == "Product(dims=(1,), values=[2], a=3)"
    assert Product((1,)).values is not Product((1,)).values
