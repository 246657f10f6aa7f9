"""Inputs that several nodes have: one place for their bounds and steps, and for how their values are read.

`more` goes to the input as it is (optional, advanced, another default or bound). `Any` marks what only the host knows:
these settings, and the values of sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from comfy_api.latest import io

from ..control.errors import UserError


def frames(tooltip: str = "Number of poses: the length of the video in frames.") -> io.Int.Input:
    """Return the input for the length of a video."""
    return io.Int.Input("frames", default=17, min=1, max=1025, tooltip=tooltip)


def fps(tooltip: str = "Frames per second of the video.", **more: Any) -> io.Float.Input:
    """Return the input for frames per second."""
    return io.Float.Input("fps", **{"default": 8.0, "min": 0.1, "max": 240.0, "step": 0.5, "tooltip": tooltip, **more})


def seed() -> io.Int.Input:
    """Return the input for the seed of a video that is made."""
    tooltip = "The same seed with the same settings gives the same video."
    return io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True, tooltip=tooltip)


def aspect(tooltip: str, **more: Any) -> io.Float.Input:
    """Return the input for width divided by height."""
    return io.Float.Input("aspect", default=1.5, min=0.1, max=10.0, step=0.05, round=0.001, tooltip=tooltip, **more)


def scale(tooltip: str) -> io.Float.Input:
    """Return the input for the factor of distances, before another program gets them."""
    return io.Float.Input("scale", default=1.0, min=0.0, max=100.0, step=0.05, round=0.001, tooltip=tooltip)


def size(
    width: str = "Width of the video in pixels.",
    height: str = "Height of the video in pixels.",
) -> list[io.Int.Input]:
    """Return the inputs for width and height in pixels; the default is that of core's Wan nodes."""
    return [
        io.Int.Input(name, default=side, min=16, max=4096, step=16, tooltip=tooltip)
        for name, side, tooltip in zip(("width", "height"), (832, 480), (width, height), strict=True)
    ]


def followed_model(more: str = "") -> io.Model.Input:
    """Return the socket for a model whose size, length and rate a node takes in the place of its own."""
    return io.Model.Input(
        "model",
        optional=True,
        tooltip=f"The model that will sample: length, size and frame rate are then its own, not those set here.{more}",
    )


def invert_mask() -> io.Boolean.Input:
    """Return the switch for masks that are white where the image is transparent."""
    return io.Boolean.Input(
        "invert_mask",
        default=False,
        advanced=True,
        optional=True,
        tooltip="Turn on for the MASK of Load Image, which is white where the image is transparent.",
    )


def growing(id: str, template: Any, prefix: str, most: int, tooltip: str) -> io.Autogrow.Input:
    """Return sockets like `template` that grow with use, up to `most`."""
    return io.Autogrow.Input(
        id,
        template=io.Autogrow.TemplatePrefix(template, prefix=prefix, min=1, max=most),
        optional=True,
        tooltip=tooltip,
    )


def weight(what: str, name: str = "", optional: bool = False) -> list[io.Float.Input]:
    """Return the inputs for the strength of `what` and for the part of sampling in which it has an effect.

    name: what their ids begin with, where a node has them of several things. optional: also the strength, out of sight
    until it is wanted. Saved workflows hold the values of widgets by their places, and the page puts optional ones
    behind all others: an input that came later has to be optional and last.
    """
    prefix = f"{name}_" if name else ""
    hidden: dict[str, Any] = {"advanced": True, "optional": True}

    def number(part: str, default: float, most: float, step: float, tooltip: str, **more: Any) -> io.Float.Input:
        bounds = {"min": 0.0, "max": most, "step": step}
        return io.Float.Input(prefix + part, default=default, **bounds, tooltip=tooltip, **more)

    strength = f"Strength of {what}; 0 leaves it out."
    return [
        number("strength", 1.0, 5.0, 0.05, strength, **(hidden if optional else {})),
        number("start", 0.0, 1.0, 0.01, f"Share of sampling at which the effect of {what} begins.", **hidden),
        number("end", 1.0, 1.0, 0.01, f"Share of sampling at which the effect of {what} ends.", **hidden),
    ]


def connected(sockets: Mapping[str, Any] | None) -> list[Any]:
    """Return the values of an Autogrow input in the order of its sockets; an unconnected socket leaves no gap."""
    return [value for _, value in sorted((sockets or {}).items()) if value is not None]


def refuse_beyond(names: Iterable[str], node: str, takes: str) -> None:
    """Raise UserError where a prompt without a page names inputs that a node does not have, sockets beyond the last.

    takes: how many of what the node takes, in words.
    """
    for name in names:
        raise UserError(f"{node} has no input '{name}': it takes {takes}")


def validity(check: Callable[[], object]) -> bool | str:
    """Return what `validate_inputs` answers: True, or the sentence of the UserError that `check` raises."""
    try:
        check()
    except ValueError as error:
        return str(error)
    return True
