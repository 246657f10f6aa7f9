"""The host's progress bar on a node, and the place where a canceled run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


def stop_if_canceled() -> bool:
    """End the run (by the host's own exception) where the user canceled it; else False: nothing is to be stopped."""
    import comfy.model_management

    comfy.model_management.throw_exception_if_processing_interrupted()
    return False


@contextmanager
def progress(total: int, title: str = "") -> Iterator[Callable[[], None]]:
    """`control.progress` for nodes: gives a function that is called after each of `total` steps."""
    import comfy.utils

    bar = comfy.utils.ProgressBar(total)

    def step() -> None:
        stop_if_canceled()
        bar.update(1)

    yield step
