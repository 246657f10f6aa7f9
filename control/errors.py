"""The one error that a user is meant to read."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence or two: what came, what was expected, what to do. The command line prints it as one
    line and exits with 2; in ComfyUI it becomes the node's error.
    """


def need(module: str, what: str, extra: str = "standalone") -> UserError:
    """The error for an optional library that is missing: which one, what for, and the extra that brings it."""
    return UserError(
        f"{what} needs the library '{module}', which is not installed: pip install 'comfyui-fulldit[{extra}]'"
    )
