"""A clip longer than memory: sampled by windows, written while it is decoded, and shown by a few of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..control.conditions import Conditions
from ..control.fit import Fit, TimeFit
from ..control.media import write_image, write_video
from ..control.story import Story
from ..models.conditioning.condition_streams import ConditionStreams
from ..models.pipeline import Pipeline
from ..view.sheet import condition_frames, contact_sheet
from .clock import Bar, Clock

SHOWN = 6  # frames of the contact sheet


def write_long(
    pipeline: Pipeline,
    conditions: Conditions,
    streams: ConditionStreams,
    prompt: str | Story,
    walk: dict[str, Any],
    out: Path,
    progress: Bar,
    clock: Clock,
    kept: np.ndarray | None = None,
) -> list[Path]:
    """Write the video and the contact sheet of one clip, and return the files. walk: the arguments of `sample`. kept:
    (F, H, W, 3) takes the frames as well."""
    with progress(walk["steps"], "sampling") as step:
        latent, seconds = pipeline.sample(prompt, conditions, **walk, streams=streams, callback=lambda *_: step())
    clock.add("sampling", seconds["sampling"])
    out.mkdir(parents=True, exist_ok=True)
    video, sheet = out / "video.mp4", out / "sheet.png"
    picks = np.linspace(0, conditions.video.frames - 1, SHOWN).round().astype(int)
    shown: dict[int, np.ndarray] = {}

    def frames() -> Iterator[np.ndarray]:
        count = 0
        for piece in pipeline.decode_stream(latent):
            for frame in piece:
                if count in picks:
                    shown[count] = frame
                if kept is not None:
                    kept[count] = frame
                count += 1
                yield frame

    with clock("decoding"):
        write_video(video, frames(), conditions.fps)
    with clock("writing"):
        size = replace(conditions.video, frames=SHOWN)
        asked = replace(conditions, video=size).fitted(Fit(time=TimeFit.RESAMPLE))
        clip = np.stack([shown[pick] for pick in picks])
        write_image(sheet, contact_sheet([*condition_frames(asked, size.height, size.width), ("result", clip)], SHOWN))
    return [video, sheet]
