"""The first level of `fulldit generate --key-frames`: every n-th frame as a clip, which the whole one then knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..control.conditions import Conditions
from ..control.key_frames import at_key_frames, between_key_frames
from ..control.media import write_video
from ..control.story import Story
from ..models.pipeline import Pipeline
from .clock import Bar


def with_key_frames(
    pipeline: Pipeline,
    conditions: Conditions,
    prompt: str | Story,
    every: int,
    out: Path,
    sampling: dict[str, Any],
    progress: Bar,
) -> Conditions:
    """Generate every `every`-th frame, write it to `key_frames.mp4`, and return the conditions of the whole clip, in
    which those frames are known. sampling: the arguments of `Pipeline.sample`."""
    thinned = at_key_frames(conditions, every)
    steps = pipeline.config.sampling_values(sampling["steps"], sampling["guidance"], sampling["first_frame_pass"])[0]
    with progress(steps, "key frames") as step:
        made = pipeline.generate(prompt, thinned, **sampling, callback=lambda *_: step())
    out.mkdir(parents=True, exist_ok=True)
    write_video(out / "key_frames.mp4", made.frames, thinned.fps)
    return between_key_frames(conditions, made.frames, every)
