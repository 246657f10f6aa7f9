"""Inputs that several camera nodes have: one place for their bounds and steps.

`more` goes to the input as it is (optional, advanced, another default or bound).
"""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io


def frames() -> io.Int.Input:
    """How many poses a path gets."""
    return io.Int.Input("frames", default=17, min=1, max=1025, tooltip="How many poses: the length of the video.")


def fps(tooltip: str = "Frames per second of the video.", **more: Any) -> io.Float.Input:
    """Frames per second."""
    return io.Float.Input("fps", **{"default": 8.0, "min": 0.1, "max": 240.0, "step": 0.5, "tooltip": tooltip, **more})


def aspect(tooltip: str, **more: Any) -> io.Float.Input:
    """Width divided by height."""
    return io.Float.Input(
        "aspect", default=1.5, min=0.1, max=10.0, step=0.05, round=0.001, tooltip=tooltip, **more
    )


def scale(tooltip: str) -> io.Float.Input:
    """What distances are multiplied by before another program gets them."""
    return io.Float.Input("scale", default=1.0, min=0.0, max=100.0, step=0.05, round=0.001, tooltip=tooltip)


def video_size() -> list[io.Int.Input]:
    """Width and height of a video for core's Wan nodes."""
    return [
        io.Int.Input("width", default=832, min=16, max=4096, step=16, tooltip="Width of the video in pixels."),
        io.Int.Input("height", default=480, min=16, max=4096, step=16, tooltip="Its height in pixels."),
    ]
