"""The one error that a user is meant to read."""

from __future__ import annotations

MOST_CHARACTERS = 1500  # of an error


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence or two: what came, what was expected, what to do. It begins with a capital and ends with
    a period, whatever it was put together from; `clause` is the text as it was given, to be part of another sentence.
    The command line prints it as one line and exits with 2; in ComfyUI it becomes the node's error.
    """

    def __init__(self, message: str):
        text = str(message).strip()
        # What came may be a text or a list without end: its beginning, and what to do, are enough.
        long = len(text) > MOST_CHARACTERS
        self.clause = f"{text[: MOST_CHARACTERS // 2]} ... {text[-MOST_CHARACTERS // 2 :]}" if long else text
        text = self.clause[:1].upper() + self.clause[1:]
        super().__init__(text if text.endswith((".", "!", "?", ".)")) else f"{text}.")


def need(module: str, what: str, extra: str = "standalone") -> UserError:
    """Return the error for an optional library that is missing: which one, what for, and the extra that brings it."""
    return UserError(
        f"{what} needs the library '{module}', which is not installed: pip install 'comfyui-fulldit[{extra}]'"
    )


def shorten(value: object) -> str:
    """Return a value as an error shows it: never longer than a line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, or nested without end
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
