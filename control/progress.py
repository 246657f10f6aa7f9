"""Progress of long work. A factory `progress(total, title)` is a context manager that gives a function `step()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def quiet(total: int, title: str) -> Iterator[Callable[[], None]]:
    """Progress that is not shown."""
    yield lambda: None
