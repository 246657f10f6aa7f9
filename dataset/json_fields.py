"""Dataclasses as JSON objects and back, strictly: a field that is missing, foreign or of another kind is named."""

from __future__ import annotations

import dataclasses
import types
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..control.errors import UserError, shorten
from ..control.files import JsonObject

_NAMES = {str: "a text", int: "a whole number", float: "a number", dict: "an object", tuple: "a list"}


def to_json(value: Any) -> Any:
    """Return a dataclass as a JSON object without the fields that are at their default; other values as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        result: JsonObject = {}
        for field in dataclasses.fields(value):
            own = getattr(value, field.name)
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            if own != default:
                result[field.name] = to_json(own)
        return result
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: Any, value: Any, what: str) -> Any:
    """Return a value of a type made of dataclasses, tuples, dicts, str, int and float. Raises UserError, naming the
    field."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(args, value, what)
    if dataclasses.is_dataclass(kind):
        return _object(kind, value, what)
    if origin is tuple:
        return _list(args, value, what)
    if origin is dict:
        if not isinstance(value, dict):
            raise _other(what, dict, value)
        return {key: from_json(args[1], item, f"{what}.{key}"[:80]) for key, item in value.items()}
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise _other(what, kind, value)
    if kind is float and not abs(value) < float("inf"):
        raise _other(what, kind, value)
    return float(value) if kind is float else value


def _one_of(kinds: tuple[Any, ...], value: Any, what: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    some = [kind for kind in kinds if kind is not type(None)]
    for kind in some[:-1]:
        try:
            return from_json(kind, value, what)
        except UserError:
            continue
    return from_json(some[-1], value, what)


def _list(kinds: tuple[Any, ...], value: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _other(what, tuple, value)
    if kinds[-1] is Ellipsis:
        return tuple(from_json(kinds[0], item, f"{what}[{place}]") for place, item in enumerate(value))
    if len(value) != len(kinds):
        raise UserError(f"'{what}' has {len(value)} entries; {len(kinds)} were expected")
    return tuple(
        from_json(kind, item, f"{what}[{at}]") for at, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _object(kind: Any, value: Any, what: str) -> Any:
    if not isinstance(value, dict):
        raise _other(what, dict, value)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    prefix = "" if what.startswith("the ") else f"{what}."
    unknown = [key for key in value if key not in fields]
    if unknown:
        raise UserError(f"'{prefix}{unknown[0]}' is not a field: {', '.join(fields)} are")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise UserError(f"'{prefix}{name}' is missing")
    hints = _hints(kind)
    return kind(**{key: from_json(hints[key], item, prefix + key) for key, item in value.items()})


def _other(what: str, kind: Any, value: Any) -> UserError:
    return UserError(f"'{what}' is {shorten(value)}; {_NAMES.get(kind, 'another kind of value')} was expected")
