"""Files are written whole or not at all."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from .errors import UserError

# Parsed JSON holds whatever its file does: each reader checks what it takes.
JsonObject: TypeAlias = dict[str, Any]


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same ending); rename it to `path` when the block ends well.

    When the block raises, the temporary file is removed and an older file at `path` stays as it was.
    Missing folders are made. Raises UserError when `path` cannot be written.
    """
    path = Path(path)
    temporary, mode = _writable_beside(path)
    try:
        yield temporary
        try:
            # Some writers (safetensors) let the owner alone read; the file is to be as readable as any other.
            temporary.chmod(mode)
            os.replace(temporary, path)
        except OSError as error:
            raise _not_writable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _writable_beside(path: Path) -> tuple[Path, int]:
    """Return a temporary path beside `path`, at which a file can be written, and the permissions of such a file."""
    if os.path.isdir(path):
        raise UserError(f"'{path}' is a folder, but a file is to be written there: give a file name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder '{path.parent}' cannot be made ({error.strerror}): choose another folder"
        ) from error
    # The ending stays last, since writers choose their format by it.
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        temporary.unlink()
    except OSError as error:
        raise _not_writable(path, error) from error
    return temporary, mode


def _not_writable(path: Path, error: OSError) -> UserError:
    return UserError(f"'{path}' cannot be written ({error.strerror}): choose another folder")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise UserError unless files can be written into a folder, which need not exist; nothing of it is left behind."""
    folder = Path(path)
    made = [part for part in (folder, *folder.parents) if not os.path.exists(part)]
    try:
        if os.path.exists(folder) and not is_folder(folder):
            raise UserError(f"'{path}' is a file, but a folder is to be written there: choose another folder")
        _writable_beside(folder / "check")
    finally:
        for part in made:
            with suppress(OSError):
                part.rmdir()


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder; False where the system cannot even look, as for a name that is too long."""
    return os.path.isdir(os.path.expanduser(path))


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write `value` as readable JSON (UTF-8, two spaces, one line end); NaN raises ValueError, since JSON has none."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def size_text(count: float) -> str:
    """Return a number of bytes in words: '378 MB', '2.84 GB'."""
    number, unit = (f"{count / 1e9:.2f}", "GB") if count >= 1e9 else (f"{count / 1e6:.1f}", "MB")
    return f"{number.rstrip('0').rstrip('.')} {unit}"


def existing(path: str | os.PathLike[str], what: str) -> Path:
    """Return `path` as a Path. Raises UserError, calling it `what`, unless a file is there that is not empty."""
    path = Path(os.path.expanduser(path))
    if is_folder(path):
        raise UserError(f"the {what} '{path}' is a folder; a file was expected")
    if not os.path.isfile(path):  # which says no to a name that is too long, where Path raises
        raise UserError(f"the {what} '{path}' does not exist: check the path")
    if path.stat().st_size == 0:
        raise UserError(f"the {what} '{path}' is empty (0 bytes): write or download it again")
    return path
