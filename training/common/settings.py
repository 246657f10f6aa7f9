"""Config files: where they are, and how one becomes a dataclass. A file that does not fit is refused at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...control.errors import UserError
from .entries import EntryError, T, parse_settings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def config_path(stage: str, name: str | Path) -> Path:
    """Return training/configs/STAGE/NAME.json for a name, and a path to a .json file as it is.

    Raises UserError where there is no such file.
    """
    if Path(name).suffix == ".json":
        if not Path(name).is_file():
            raise UserError(f"There is no config file {name}.")
        return Path(name)
    path = CONFIGS / stage / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "none"
        raise UserError(
            f"There is no config {str(name)!r} for the stage {stage!r}. There are: {known}; or give a .json file."
        )
    return path


def read_settings(path: Path, kind: type[T], changes: Mapping[str, object] | None = None, section: str = "") -> T:
    """Return the dataclass `kind` from a config file.

    The entry `about` is a comment for the reader; `like` names the config beside this one that gives every entry that
    this one lacks; `changes` replace entries of the file and come from its `section`, where that is named.
    Raises UserError, "The config PATH: ENTRY is VALUE; EXPECTED.", for anything that does not fit.
    """
    try:
        return parse_settings({**read_inherited(path), **(changes or {})}, kind)
    except EntryError as error:
        prefix = f"{section}." if section else ""
        raise UserError(f"The config {path}: {prefix}{error.text}.") from error


def read_inherited(path: Path) -> dict[str, Any]:
    """Return the entries of a config file with those of the config that it is like."""
    values = read_entries(path)
    if "like" not in values:
        return values
    like = values.pop("like")
    if not isinstance(like, str) or Path(like).name != like:
        raise EntryError("like", like, "expected the name of a config beside it")
    base = read_entries(Path(path).with_name(f"{like}.json"))
    if "like" in base:
        raise EntryError("like", like, f"this one is like {base['like']!r}, expected a config that is like no other")
    return {**base, **values}


def read_entries(path: Path) -> dict[str, Any]:
    """Return the entries of a config file but `about`. Raises UserError for a file that is not a JSON object."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The config {path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise UserError(f"The config {path} is not a JSON object.")
    values.pop("about", None)
    return values
