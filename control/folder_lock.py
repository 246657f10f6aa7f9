"""A lock on a folder, which dies with the process that holds it: two programs that write the same files spoil them.

The lock is one of the system's on a file in the folder, so that nothing is left to clean up after a crash, and a file
that lies there means nothing by itself. POSIX record locks work across the machines of a network folder where it
supports locks at all, and children do not inherit them.
"""

from __future__ import annotations

import errno
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from .errors import UserError
from .files import check_folder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_PLACE = 2**20  # of the byte that is locked on Windows: what stands in the file stays readable
# Folders that this process holds: by itself it would get the same lock twice.
_own: set[tuple[int, int]] = set()


@contextmanager
def folder_lock(folder: Path, who: str) -> Iterator[None]:
    """Hold a folder for the block; it is made where it is missing. who: what holds it, in words ('a training').

    Raises UserError, naming the process that holds it, where there is one. On file systems without locks it only warns.
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    # Closing any handle of the file would give up the lock that this process has on it: look before opening it.
    if path.exists() and _key(path.stat()) in _own:
        raise _refusal(folder, who, f"process {os.getpid()}")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"'{path}' cannot be written ({error.strerror}): choose another folder") from error
    key = _key(os.fstat(handle))
    try:
        _acquire(handle, folder, who)
        _own.add(key)
        yield
    finally:
        _own.discard(key)
        os.close(handle)


def _key(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _acquire(handle: int, folder: Path, who: str) -> None:
    try:
        if fcntl is not None:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(handle, _PLACE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # on Windows alone
    except OSError as error:
        if error.errno in _HELD:
            raise _refusal(folder, who, _holder(handle)) from error
        warnings.warn(
            f"'{folder}' is on a file system without locks ({error.strerror}): start nothing else in it", stacklevel=4
        )
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())


def _holder(handle: int) -> str:
    """Return what the holder wrote about itself."""
    text = ""
    with suppress(OSError):
        os.lseek(handle, 0, os.SEEK_SET)
        text = os.read(handle, 200).decode("utf-8", "replace").strip()
    return text or "another process"


def _refusal(folder: Path, who: str, holder: str) -> UserError:
    return UserError(f"{who} is at work in '{folder}' ({holder}): wait for it, stop it, or choose another folder")
