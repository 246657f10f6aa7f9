"""Configs as dataclasses: a file with an unknown or missing entry is refused before anything starts."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TypeVar

from ...control.errors import UserError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
T = TypeVar("T")


def config_path(stage: str, name: str | Path) -> Path:
    """`cpu` -> training/configs/STAGE/cpu.json; a path to a file stays what it is. Raises UserError for neither."""
    if Path(name).suffix == ".json":
        if not Path(name).is_file():
            raise UserError(f"There is no config file {name}.")
        return Path(name)
    path = CONFIGS / stage / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise UserError(
            f"There is no config {name!r} for the stage {stage!r}. There are: {there}; or give a .json file."
        )
    return path


def read_entries(path: Path) -> dict:
    """The entries of a config file but `about`. Raises UserError where it is missing or no JSON object."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"The config {path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise UserError(f"The config {path} is no JSON object.")
    values.pop("about", None)
    return values


def read_settings(path: Path, kind: type[T]) -> T:
    """A dataclass from a JSON object. The entry `about` is a comment for the reader; `like` names the config beside it
    that gives every entry that this one lacks."""
    values = read_entries(path)
    if "like" in values:
        base = Path(path).with_name(f"{values.pop('like')}.json")
        given = read_entries(base)
        if "like" in given:
            raise UserError(f"The config {path} is like {base.name}, which is like another: name that one.")
        values = {**given, **values}
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(set(values) - set(known))
    missing = sorted(
        name
        for name, f in known.items()
        if name not in values and f.default is MISSING and f.default_factory is MISSING
    )
    if unknown or missing:
        raise UserError(
            f"The config {path} has unknown entries ({', '.join(unknown) or 'none'}) or lacks some "
            f"({', '.join(missing) or 'none'}). Known: {', '.join(known)}."
        )
    return kind(**values)
