"""The host's progress bar on a node, and the point at which a canceled run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


def stop_if_canceled() -> bool:
    """Raise the host's own exception if the user canceled the run; else return False, as a `cancel` callback does."""
    import comfy.model_management

    comfy.model_management.throw_exception_if_processing_interrupted()
    return False


@contextmanager
def progress(total: int, title: str = "") -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of `total` steps. The nodes' counterpart of `control.progress.quiet`."""
    import comfy.utils

    bar = comfy.utils.ProgressBar(total)

    def step() -> None:
        stop_if_canceled()
        bar.update(1)

    yield step
