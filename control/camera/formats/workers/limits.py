"""What the scripts share: bounds on memory and time, and the answer as JSON on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

# Memory for the library itself, and the bytes that a byte of the file may grow to.
MEMORY, GROWTH, SECONDS = 1536 * 2**20, 4, 60
MAX_FRAMES = 100_000


class Refused(Exception):
    """The file cannot be used; the message says why."""


def print_answer(read: Callable[[str, str], dict[str, Any]]) -> None:
    """Print what `read` returns for the file and the place of a camera in it ('' = any), or {"error": reason}; end.

    Both are taken from the command line.
    """
    try:
        import resource

        memory = MEMORY + GROWTH * os.path.getsize(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        # Windows has no such limits; the timeout of the caller stays.
        pass
    try:
        result = read(sys.argv[1], sys.argv[2])
    except Refused as error:
        result = {"error": str(error)}
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # USD's messages start with its own source file and line.
        reason = lines[0].rpartition(" : ")[2].strip("' ")
        result = {"error": f"the library refuses it ({reason[:200]})"}
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    # Some of these libraries crash while they clean up; the answer has been printed.
    os._exit(0)


def frame_count(seconds: float, fps: float) -> int:
    """Return the number of frames of an animation. Raises Refused for more than a path can have."""
    if not 0 < fps < 10_000 or not 0 <= seconds * fps < MAX_FRAMES:
        raise Refused(f"its animation lasts {seconds:.0f} s at {fps:g} frames per second: this is not a camera path")
    return int(seconds * fps + 0.5) + 1
