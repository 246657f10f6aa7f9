"""The video that Conditions asks for: its size, whose it is, and how many tokens everything takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..control.conditions import Conditions, VideoSize
from ..control.identity.slots import MOST_IDENTITIES
from .followed import Followed, follow
from .sockets import types

if TYPE_CHECKING:
    from ..models.config import FullDiTConfig


def asked_video(
    frames: int, width: int, height: int, model: types.HostModel | None = None, source: np.ndarray | None = None
) -> tuple[VideoSize, Followed]:
    """Return the video, and what a 0 stands for: the model's own size, else the source's, else the embedded model's.

    Raises UserError for a size that the model cannot have.
    """
    config = _any_config()
    followed = follow(model)
    if model is None and source is not None:
        height_here, width_here = source.shape[1:3]
        length = config.geometry.nearest_frames(len(source))[0]
        whole = config.geometry.nearest_size(VideoSize(length, height_here, width_here, config.fps))
        followed = Followed(whole, "the source video")
    if model is not None:
        from .drivers.run import check_size, own_video

        video = own_video(model, frames, height, width)
        check_size(model, video)
    else:
        own = followed.video or config.video
        video = VideoSize(frames or own.frames, height or own.height, width or own.width, own.fps)
        config.geometry.check(video.frames, video.height, video.width)
    return video, followed


def described_size(followed: Followed, video: VideoSize, model: types.HostModel | None = None) -> list[str]:
    """Return whose size and length the video has: what is connected, where they are its own or others that it was
    trained on; else both."""
    who = followed.who or "the embedded model"
    own = followed.video or _any_config().video
    trained: tuple[VideoSize, ...] = (own,)
    if model is not None:
        from .drivers.run import trained_videos

        trained = trained_videos(model)
    if any((video.frames, video.height, video.width) == (one.frames, one.height, one.width) for one in trained):
        return [f"Size and length are those of {who}: {video}."]
    return [f"Size and length were set here: {video}. Those of {who} are {own}."]


def budget(
    conditions: Conditions, model: types.HostModel | None
) -> tuple[Mapping[str, int], list[str], tuple[str, ...]]:
    """Return the tokens of the video and of each stream; sentences, with a model about what becomes of each; and the
    conditions that it reads in other ways than as tokens."""
    if model is not None:
        from .drivers.run import describe

        described = describe(model, conditions)
        return described.tokens, [*conditions.warnings(), *described.lines], described.others
    from ..models.encode import count_tokens, far_beyond_warnings
    from ..models.families.presets import PRESETS

    config = _any_config()
    new = [name for name in conditions.names if name not in PRESETS["mini-cpu"].conditions]
    said = [f"FullDiT models take the condition '{name}' only if they were trained with it." for name in new]
    said += far_beyond_warnings(conditions.video, config)
    return count_tokens(conditions, config), [*conditions.warnings(), *said], ()


def _any_config() -> FullDiTConfig:
    """The embedded model's config with every condition that there is: what a model takes is said once it is known."""
    from ..models.conditioning.streams import STREAMS
    from ..models.families.presets import PRESETS

    return dataclasses.replace(PRESETS["mini-cpu"], streams=tuple(STREAMS), slots=MOST_IDENTITIES)
