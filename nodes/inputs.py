"""Inputs that several nodes have: one place for their bounds and steps, and for how their values are read.

`more` goes to the input as it is (optional, advanced, another default or bound). `Any` marks what only the host knows:
these settings, and the values of sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from comfy_api.latest import io


def frames(tooltip: str = "Number of poses: the length of the video in frames.") -> io.Int.Input:
    """Return the input for the length of a video."""
    return io.Int.Input("frames", default=17, min=1, max=1025, tooltip=tooltip)


def fps(tooltip: str = "Frames per second of the video.", **more: Any) -> io.Float.Input:
    """Return the input for frames per second."""
    return io.Float.Input("fps", **{"default": 8.0, "min": 0.1, "max": 240.0, "step": 0.5, "tooltip": tooltip, **more})


def aspect(tooltip: str, **more: Any) -> io.Float.Input:
    """Return the input for width divided by height."""
    return io.Float.Input("aspect", default=1.5, min=0.1, max=10.0, step=0.05, round=0.001, tooltip=tooltip, **more)


def scale(tooltip: str) -> io.Float.Input:
    """Return the input for the factor of distances, before another program gets them."""
    return io.Float.Input("scale", default=1.0, min=0.0, max=100.0, step=0.05, round=0.001, tooltip=tooltip)


def size(
    width: str = "Width of the video in pixels.",
    height: str = "Height of the video in pixels.",
    default: tuple[int, int] = (832, 480),
) -> list[io.Int.Input]:
    """Return the inputs for width and height in pixels; the default is that of core's Wan nodes."""
    return [
        io.Int.Input(name, default=side, min=16, max=4096, step=16, tooltip=tooltip)
        for name, side, tooltip in zip(("width", "height"), default, (width, height), strict=True)
    ]


def invert_mask() -> io.Boolean.Input:
    """Return the switch for masks that are white where the image is transparent."""
    return io.Boolean.Input(
        "invert_mask",
        default=False,
        advanced=True,
        optional=True,
        tooltip="Turn on for the MASK of Load Image, which is white where the image is transparent.",
    )


def connected(sockets: Mapping[str, Any] | None) -> list[Any]:
    """Return the values of an Autogrow input in the order of its sockets; an unconnected socket leaves no gap."""
    return [value for _, value in sorted((sockets or {}).items()) if value is not None]


def validity(check: Callable[[], object]) -> bool | str:
    """Return what `validate_inputs` answers: True, or the sentence of the UserError that `check` raises."""
    try:
        check()
    except ValueError as error:
        return str(error)
    return True
