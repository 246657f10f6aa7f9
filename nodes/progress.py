"""The host's progress bar and text on a node, and the point at which a canceled run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Tell = Callable[[str], None]


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


def teller(node: Any) -> Tell:
    """Return a function that shows a text in a node while it runs; it does nothing where nobody can see it.

    node: the class that the host calls, with the hidden input `unique_id`.
    """
    number = getattr(getattr(node, "hidden", None), "unique_id", None)

    def tell(text: str) -> None:
        with suppress(ImportError, AttributeError):  # no server: the nodes run by themselves
            from server import PromptServer

            PromptServer.instance.send_progress_text(text, number)

    return tell if number is not None else lambda text: None
