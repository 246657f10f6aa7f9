"""One source of size, length and rate: what is connected decides, and that is said.

Among what is connected, the conditions go first, then the model, then images.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..control.conditions import Conditions, VideoSize
from .sockets import types

EMBEDDED = "embedded"  # the checkpoint that comes with the pack, in the list of Load FullDiT


@dataclass(frozen=True)
class Followed:
    """The video of what is connected. who: 'the model' and so on, None where nothing is connected."""

    video: VideoSize | None = None
    who: str | None = None

    def lines(self) -> list[str]:
        """Return the sentence for the node: none where nothing is connected."""
        if self.video is None:
            return []
        return [f"Size, length and rate are those of {self.who}: {self.video} at {self.video.fps:g} fps."]

    def frames_of(self, own: int) -> int:
        """Return the length: that of what is connected, else `own`."""
        return own if self.video is None else self.video.frames

    def fps_of(self, own: float) -> float:
        """Return the rate, likewise."""
        return own if self.video is None else self.video.fps

    def aspect_of(self, own: float) -> float:
        """Return width over height, likewise."""
        return own if self.video is None else self.video.aspect

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height, likewise."""
        return (width, height) if self.video is None else (self.video.width, self.video.height)

    def message(self) -> types.PageMessage | None:
        """Return the `ui` of a node whose widgets follow: the sentence, and the values for the page to show."""
        if self.video is None:
            return None
        return {"text": self.lines(), "fulldit_followed": [values_of(self.video)]}


def follow(model: types.HostModel | None = None, conditions: Conditions | None = None) -> Followed:
    """Return what widgets follow: the conditions where they are connected, else the model, else nothing.

    Raises UserError for a MODEL that is not known.
    """
    if conditions is not None:
        return Followed(conditions.video, "the conditions")
    if model is not None:
        from .drivers.run import own_video

        return Followed(own_video(model), "the model")
    return Followed()


def values_of(video: VideoSize) -> dict[str, int | float]:
    """Return the values of a video by the names of the widgets that follow it."""
    sides = {"frames": video.frames, "width": video.width, "height": video.height}
    return {**sides, "fps": video.fps, "aspect": round(video.aspect, 3)}


def checkpoint_video(name: str) -> VideoSize:
    """Return the clips that a checkpoint of Load FullDiT was trained on, from its header alone.

    Raises UserError for a file that is gone, or no FullDiT checkpoint.
    """
    from ..models.weights.checkpoint import read_config
    from .bridge.paths import checkpoint_file

    return read_config(checkpoint_file(name)).video
