"""The entries of a config against the types of a dataclass: unknown, missing, mistyped and out of range, each by name.

A config is a frozen dataclass derived from `Settings` whose annotations say all that is checked: `int`, `float`, `str`,
`bool`, `object` (anything), `Literal`, `X | None`, `list[X]`, `dict[str, X]`, other `Settings`, and `Annotated` with a
`Range`. What depends on several entries is checked in `__post_init__`, which raises `EntryError`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ...control.errors import UserError
from ...scenes.world import WORLD_VERSIONS


@dataclass(frozen=True)
class Settings:
    """Base of every config. `RENAMED` maps entries of older configs to what they are called now."""

    RENAMED: ClassVar[Mapping[str, str]] = {}


T = TypeVar("T", bound=Settings)


class EntryError(UserError):
    """One entry that cannot be used; `text` is "ENTRY is VALUE; EXPECTED"."""

    def __init__(self, entry: str, value: object, expected: str):
        self.entry, self.value, self.expected = entry, value, expected
        shown = "missing" if value is MISSING else json.dumps(value, default=str, ensure_ascii=False)
        self.text = f"{entry} is {shown if len(shown) <= 100 else shown[:100] + '...'}; {expected}"
        super().__init__(f"the setting {self.text}")


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high` (None: no bound); `above` leaves `low` itself out."""

    low: float
    high: float | None = None
    above: bool = False

    def __contains__(self, value: float) -> bool:
        reached = value > self.low if self.above else value >= self.low
        return reached and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        return f"above {self.low:g}, at most {self.high:g}" if self.above else f"from {self.low:g} to {self.high:g}"


Count = Annotated[int, Range(1)]
WholeNumber = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]

LARGEST = 1e308  # of a number; NaN is not at most that either
NOUNS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", list: "a list"}


def parse_settings(values: object, kind: type[T], entry: str = "") -> T:
    """Return the dataclass `kind` from the JSON object `values`; `entry` is where it stands in the config.

    Raises EntryError for the first entry that is unknown, missing, of another type, out of range, or contradicts
    another.
    """
    if not isinstance(values, Mapping):
        raise EntryError(entry, values, f"expected {describe(kind)}")
    prefix = f"{entry}." if entry else ""
    known = {field.name: field for field in fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    for name, value in values.items():
        if name in kind.RENAMED:
            raise EntryError(prefix + name, value, f"this entry is called {kind.RENAMED[name]} now")
        if name not in known:
            raise EntryError(prefix + name, value, f"there is no such entry, expected one of {', '.join(known)}")
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise EntryError(prefix + name, MISSING, f"expected {describe(hints[name])}")
    parsed = {name: parse(value, hints[name], prefix + name) for name, value in values.items()}
    try:
        return kind(**parsed)
    except EntryError as error:
        raise EntryError(prefix + error.entry, error.value, error.expected) from None


def parse(value: Any, hint: Any, entry: str) -> Any:
    """Return the JSON value as the annotation `hint` wants it. Raises EntryError where it cannot be that."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if value is None else parse(value, optional(hint), entry)
    if isinstance(hint, type) and issubclass(hint, Settings):
        return parse_settings(value, hint, entry)
    if not fits(value, hint):
        raise EntryError(entry, value, f"expected {describe(hint)}")
    if origin is list:
        return [parse(item, arguments[0], f"{entry}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        return {name: parse(item, arguments[1], f"{entry}.{name}") for name, item in value.items()}
    return value


def fits(value: Any, hint: Any) -> bool:
    """Whether the value itself, without what it contains, is of the annotated type and in its range."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(value, arguments[0]) and all(value in bounds for bounds in arguments[1:])
    if origin is Literal:
        return value in arguments
    kind = origin or hint
    if kind in (int, float):  # True and False are integers in Python, and JSON may hold NaN.
        numbers = int if kind is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool) and abs(value) <= LARGEST
    return isinstance(value, kind)


def optional(hint: Any) -> Any:
    """Return X of the annotation `X | None`."""
    (kind,) = (argument for argument in get_args(hint) if argument is not NoneType)
    return kind


def describe(hint: Any) -> str:
    """Return what a value of this annotation is, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([describe(arguments[0]), *map(str, arguments[1:])])
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, UnionType):
        return f"{describe(optional(hint))} or null"
    if isinstance(hint, type) and issubclass(hint, Settings):
        return f"an object with the entries {', '.join(field.name for field in fields(hint))}"
    return NOUNS.get(origin or hint, "an object")


def check_ends(entry: str, ends: Sequence[float]) -> None:
    """Raise EntryError unless these shares of a run increase and the last one is 1."""
    if not ends or ends[-1] != 1 or any(a >= b for a, b in zip([0.0, *ends], ends, strict=False)):
        raise EntryError(entry, list(ends), "expected shares of the run that increase from above 0 and end at 1")


def check_budget(steps: int | None, minutes: float | None) -> None:
    """Raise EntryError unless the run ends."""
    if steps is None and minutes is None:
        raise EntryError("steps", None, "expected at least one of steps and minutes, else the run never ends")


def check_world(version: int) -> None:
    """Raise EntryError for a procedural world that there is not."""
    if version not in WORLD_VERSIONS:
        raise EntryError("world", version, f"expected one of {', '.join(map(str, WORLD_VERSIONS))}")
