"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from .errors import UserError, shorten

# Parsed JSON holds whatever its file does: each reader checks what it takes.
JsonObject: TypeAlias = dict[str, Any]

# What stands for half a character in a text of JSON: the escape by which JSON reads it back.
NOT_TEXT = "backslashreplace"
MOST_NAME_BYTES = 255  # of one name in a path: what the usual file systems take


class DiskFullError(UserError):
    """There is no more room where a file is written."""


# What systems say where there is no room: the disk, the user's quota, the largest size of a file.
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_PART = re.compile(r"\..*\.[0-9a-f]{8}\.part(\.[^.]*)?")


@contextmanager
def atomic_path(path: str | os.PathLike[str], durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same ending); rename it to `path` when the block ends well.

    When the block raises, the temporary file is removed and an older file at `path` stays as it was. durable: the file
    is on the disk before it gets its name, so that it is whole even where the power fails; False for files that are not
    worth the wait. Missing folders are made. Raises UserError when `path` cannot be written, and DiskFullError.
    """
    path = Path(path)
    temporary, mode = _writable_beside(path)
    try:
        with room_for(path):
            yield temporary
        try:
            # Some writers (safetensors) let the owner alone read; the file is to be as readable as any other.
            temporary.chmod(mode)
            publish(temporary, path, durable)
        except OSError as error:
            raise _not_writable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path, durable: bool = True) -> None:
    """Give a finished file or folder its name; durable: what it holds, and then its name, are on the disk."""
    if durable:
        for file in [temporary] if temporary.is_file() else [p for p in temporary.rglob("*") if p.is_file()]:
            _sync(file, os.O_RDWR)
    os.replace(temporary, path)
    if durable:
        _sync(path.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    """Wait until a file, or the names in a folder, are on the disk. Raises OSError where there is no room for them."""
    try:
        handle = os.open(path, flags)
    except OSError:  # Windows opens no folders, and keeps their names by itself
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in _FULL or error.errno == errno.EIO:
            raise
    finally:
        os.close(handle)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Raise DiskFullError, naming `path`, where the block finds no room for what it writes, be it a part of `path`."""
    try:
        yield
    except Exception as error:
        if _says_full(error):
            raise DiskFullError(
                f"there is no room left for '{path}': free some, or choose another folder. What was there before is"
                " as it was"
            ) from error
        raise


def _says_full(error: Exception) -> bool:
    if isinstance(error, UserError):
        return isinstance(error, DiskFullError)
    # Libraries written in Rust say the system's number in words.
    said = any(f"(os error {number})" in str(error) for number in _FULL)
    return said or getattr(error, "errno", None) in _FULL or _cut_short(error)


def _cut_short(error: Exception) -> bool:
    """Whether NumPy could write only a part of its array, which it says without the system's number."""
    return isinstance(error, OSError) and error.errno is None and " requested and " in str(error)


def remove_parts(folder: Path, before: float) -> list[Path]:
    """Remove the temporary files of `atomic_path` that killed writes left in a folder before a time; returns them.

    Nobody else may be writing there.
    """
    removed = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            if _PART.fullmatch(path.name) and path.is_file() and path.stat().st_mtime <= before:
                path.unlink()
                removed.append(path)
    return removed


def _writable_beside(path: Path) -> tuple[Path, int]:
    """Return a temporary path beside `path`, at which a file can be written, and the permissions of such a file."""
    _check_path(path)
    if os.path.isdir(path):
        raise UserError(f"'{path}' is a folder, but a file is to be written there: give a file name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder '{path.parent}' cannot be made ({error.strerror}): choose another folder"
        ) from error
    # The ending stays last, since writers choose their format by it.
    temporary = path.with_name(f".{path.stem[:40]}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        temporary.unlink()
    except OSError as error:
        raise _not_writable(path, error) from error
    return temporary, mode


def _not_writable(path: Path, error: OSError) -> UserError:
    if error.errno in _FULL:
        return DiskFullError(f"there is no room left for '{path}': free some, or choose another folder")
    return UserError(f"'{path}' cannot be written ({error.strerror}): choose another folder")


def check_folder(path: str | os.PathLike[str]) -> None:
    """Raise UserError unless files can be written into a folder, which need not exist; nothing of it is left behind."""
    _check_path(path)
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


def is_path(path: str | os.PathLike[str]) -> bool:
    """Return whether a file can be called so: text without NUL, at most MOST_NAME_BYTES between two slashes.

    Where it is not, the system raises errors of three kinds, some of them only when it is asked whether the file is
    there.
    """
    try:
        names = [os.fsencode(name) for name in Path(path).parts]
    except UnicodeEncodeError:  # half of a character
        return False
    return all(len(name) <= MOST_NAME_BYTES and b"\0" not in name for name in names)


def _check_path(path: str | os.PathLike[str]) -> None:
    if not is_path(path):
        raise UserError(
            f"{shorten(str(path))} is not the name of a file (text with at most {MOST_NAME_BYTES} bytes between two"
            f" slashes was expected): choose another folder or name"
        )


def check_room(folder: str | os.PathLike[str], needed: float, what: str) -> None:
    """Raise DiskFullError, calling it `what`, where fewer bytes are free for a folder, which need not exist, than it
    needs."""
    there = next(part for part in (Path(folder).absolute(), *Path(folder).absolute().parents) if part.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise DiskFullError(
            f"{what} needs {size_text(needed)} in '{folder}', but {size_text(free)} are free: free some, or choose "
            f"another folder"
        )


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a folder; False where the system cannot even look, as for a name that is too long."""
    return os.path.isdir(os.path.expanduser(path))


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write `value` as readable JSON (UTF-8, two spaces, one line end); NaN raises ValueError, since JSON has none.

    What is no text, such as a file's name in an unknown encoding, is written as JSON's escapes (NOT_TEXT).
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=NOT_TEXT)


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
