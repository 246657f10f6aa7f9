"""The one error that a user is meant to read."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence or two: what came, what was expected, what to do. It begins with a capital and ends with
    a period, whatever it was put together from; `clause` is the text as it was given, to be part of another sentence.
    The command line prints it as one line and exits with 2; in ComfyUI it becomes the node's error.
    """

    def __init__(self, message: str):
        self.clause = str(message).strip()
        text = self.clause[:1].upper() + self.clause[1:]
        super().__init__(text if text.endswith((".", "!", "?", ".)")) else f"{text}.")


def need(module: str, what: str, extra: str = "standalone") -> UserError:
    """Return the error for an optional library that is missing: which one, what for, and the extra that brings it."""
    return UserError(
        f"{what} needs the library '{module}', which is not installed: pip install 'comfyui-fulldit[{extra}]'"
    )
