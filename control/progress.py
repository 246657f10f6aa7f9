"""Progress of long work: a factory `progress(total, title)` is a context manager that yields a function `step()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Step = Callable[[], object]
Progress = Callable[[int, str], AbstractContextManager[Step]]


@contextmanager
def quiet(total: int, title: str) -> Iterator[Step]:
    """Show no progress."""
    yield lambda: None
