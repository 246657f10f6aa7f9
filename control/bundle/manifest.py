"""The manifest of a bundle: `manifest.json`, which names every file and holds what is no image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UserError, shorten
from ..files import JsonObject, existing, is_path

MANIFEST = "manifest.json"
FORMAT, VERSION = "fulldit-conditions", 1
MOST_BYTES = 64 * 2**20  # of a manifest: it holds no frames


def read_manifest(folder: Path) -> JsonObject:
    """Return the manifest of a folder. Raises UserError for one that is missing, foreign, or of a newer version."""
    path = existing(folder / MANIFEST, "manifest")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"the manifest '{path}' is larger than any that is written here: it is another file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"the manifest '{path}' is not JSON ({error}): export the conditions again") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise UserError(f'\'{path}\' does not say "format": "{FORMAT}": choose a folder that Export Conditions wrote')
    if value.get("version") != VERSION:
        raise UserError(f"'{path}' is version {str(value.get('version'))[:20]}, but {VERSION} is read here: update")
    return value


def inside(folder: Path, name: Any) -> Path:
    """Return a file of a bundle by its name in the manifest. Raises UserError for one that leads out of the folder."""
    if not isinstance(name, str) or not name or not is_path(name):
        raise UserError(f"the manifest names a file {shorten(name)}: a path below its folder was expected")
    path, base = (folder / name).resolve(), folder.resolve()
    if not path.is_relative_to(base) or path == base:
        raise UserError(f"the manifest names '{name}', which lies outside of its folder: it is damaged or foreign")
    return path


def take(value: Any, key: str, kind: type | tuple[type, ...], what: str) -> Any:
    """Return a field of a manifest's object. Raises UserError where it is missing or of another kind."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise UserError(f"'{key}' of {what} in the manifest is {str(found)[:40]!r}: export the conditions again")
    return found
