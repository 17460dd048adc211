"""Plain data, in classes that are made quickly.

A first call waits for a hundred classes of the compiler. `dataclasses.dataclass` takes 0.2 to 0.5 ms for one, since it
writes each method as text and compiles it, and `typing.NamedTuple` 0.1 ms, since it parses the annotations. Here a
class takes 0.01 ms, and the one method that is worth a text is written when the first object is made.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import MISSING, Field, field
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform, overload

__all__ = ["NamedTuple", "field", "record", "replaced", "values_of"]

T = TypeVar("T")


# --- named tuples -----------------------------------------------------------------------------------------

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    _Element = type(namedtuple("_Single", "only").only)

    class _NamedTupleType(type):
        """Makes elements of what is annotated in the body of a class."""

        def __new__(kind, name, bases, body):
            made = super().__new__(kind, name, bases, {**body, "__slots__": ()})
            made._fields = made.__match_args__ = tuple(made.__annotations__)
            made._field_defaults = {each: body[each] for each in made._fields if each in body}
            for place, each in enumerate(made._fields):
                setattr(made, each, _Element(place, ""))
            return made

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """As `typing.NamedTuple`: a tuple whose elements have the names that are annotated in the class."""

        def __new__(cls, *args, **kwargs):
            names = "".join(f"{each}, " for each in cls._fields)
            given = "".join(f", {each}" + ("=" + each if each in cls._field_defaults else "") for each in cls._fields)
            cls.__new__ = eval(
                f"lambda _cls{given}: _new(_cls, ({names}))", {"_new": tuple.__new__, **cls._field_defaults}
            )
            return cls.__new__(cls, *args, **kwargs)

        @classmethod
        def _make(cls, elements):
            return cls(*elements)

        def _replace(self, **changed):
            return type(self)(**{**self._asdict(), **changed})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            return _text(self, self._asdict())

        def __getnewargs__(self):
            return tuple(self)


# --- records ----------------------------------------------------------------------------------------------


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[T], /) -> type[T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, frozen: bool) -> Callable[[type[T]], type[T]]: ...
def record(kind: Any = None, /, *, frozen: bool = True) -> Any:
    """As `dataclasses.dataclass`: a class whose constructor takes what is annotated in it.

    Parameters
    ----------
    kind : type
        Its fields, those of records that it is derived from first, may have defaults; a `field` makes one for each
        object.
    frozen : bool, default True
        Whether fields are never assigned, which the type checker sees to. Then objects are equal, and have one hash,
        where all fields are equal; otherwise each equals itself alone.
    """
    return partial(_record, frozen=frozen) if kind is None else _record(kind, frozen)


def _record(kind: Any, frozen: bool) -> Any:
    names, defaults = _fields_of(kind)
    kind._record_fields, kind._record_defaults = names, defaults

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        kind.__init__ = _constructor(names, defaults)
        kind.__init__(self, *args, **kwargs)

    kind.__init__ = construct
    if "__repr__" not in vars(kind):
        kind.__repr__ = lambda self: _text(self, values_of(self))
    if frozen:
        values = attrgetter(*names)
        kind.__eq__ = lambda a, b: values(a) == values(b) if a.__class__ is b.__class__ else NotImplemented
        kind.__hash__ = lambda a: hash(values(a))
    return kind


def _fields_of(kind: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the names of a record's fields, and the default values or `Field` of those that have one."""
    names: dict[str, None] = {}
    defaults: dict[str, Any] = {}
    for base in reversed(kind.__mro__[1:]):
        names.update(dict.fromkeys(vars(base).get("_record_fields", ())))
        defaults.update(vars(base).get("_record_defaults", {}))
    for name in kind.__annotations__:
        names[name] = None
        if name in vars(kind):
            defaults[name] = default = vars(kind)[name]
            if isinstance(default, Field):
                delattr(kind, name)
    return tuple(names), defaults


def _constructor(names: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    known: dict[str, Any] = {"_missing": MISSING}
    given, body = [], []
    for name in names:
        default = defaults.get(name, MISSING)
        if isinstance(default, Field):
            known[f"_make_{name}"] = default.default_factory
            given.append(f"{name}=_missing")
            body.append(f" self.{name} = _make_{name}() if {name} is _missing else {name}\n")
        else:
            known[f"_{name}"] = default
            given.append(name if default is MISSING else f"{name}=_{name}")
            body.append(f" self.{name} = {name}\n")
    exec(f"def __init__(self, {', '.join(given)}):\n{''.join(body)}", known)
    return known["__init__"]  # type: ignore[no-any-return]


def replaced(given: T, **changed: Any) -> T:
    """Return a record with other values of some fields."""
    return type(given)(**{**values_of(given), **changed})


def values_of(given: Any) -> dict[str, Any]:
    """Return the fields of a record by their names."""
    return {name: getattr(given, name) for name in given._record_fields}


def _text(self: Any, fields: dict[str, Any]) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
