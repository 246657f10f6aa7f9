"""Seconds by phase, and what a progress bar is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

# `bar(total, title)` is a context manager that gives a function to call once per step.
Bar = Callable[[int, str], AbstractContextManager[Callable[[], object]]]


class Clock:
    """Seconds spent in each phase."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase."""
        start = time.perf_counter()
        yield
        self.add(phase, time.perf_counter() - start)

    def add(self, phase: str, seconds: float) -> None:
        """Add seconds to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def report(self) -> dict[str, float]:
        """Return the seconds of every phase, and in total."""
        return {name: round(s, 3) for name, s in {**self.seconds, "total": time.perf_counter() - self.began}.items()}
