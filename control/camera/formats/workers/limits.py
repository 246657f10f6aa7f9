"""What the scripts share: bounds on memory and time, and the answer as JSON on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

# Memory for the library itself, and what a byte of the file may grow to.
MEMORY, GROWTH, SECONDS = 1536 * 2**20, 4, 60
MOST_FRAMES = 100_000


class Refused(Exception):
    """The file cannot be used; the message says why."""


def answer(read: Callable[[str], dict]) -> None:
    """Read the file named on the command line and print what `read` gives, or {"error": why}."""
    try:
        import resource

        memory = MEMORY + GROWTH * os.path.getsize(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        # Windows has no such limits; the time limit of the caller stays.
        pass
    try:
        result = read(sys.argv[1])
    except Refused as error:
        result = {"error": str(error)}
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # What USD says starts with its own source file and line.
        reason = lines[0].rpartition(" : ")[2].strip("' ")
        result = {"error": f"the library refuses it ({reason[:200]})"}
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    # Some of these libraries crash while they clean up; everything has been said.
    os._exit(0)


def frames(seconds: float, fps: float) -> int:
    """The number of frames of an animation. Raises Refused for more than a path can have."""
    if not 0 < fps < 10_000 or not 0 <= seconds * fps < MOST_FRAMES:
        raise Refused(f"its animation lasts {seconds:.0f} s at {fps:g} frames per second: this is no camera path")
    return int(seconds * fps + 0.5) + 1
