"""`fulldit generate`: a clip to files: the video, a contact sheet, and a report of what was asked and what came out."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..control.ablations import ablations
from ..control.conditions import Conditions
from ..control.files import write_json
from ..control.media import write_image, write_video
from ..control.story import Story
from ..models.conditioning.condition_streams import ConditionStreams
from ..models.encode import trained_range_warnings
from ..models.estimators.judge import Judge
from ..models.pipeline import Pipeline
from ..models.sampling.windows import Windows
from ..view.comparison import draw_comparison
from ..view.sheet import condition_frames, contact_sheet
from .clock import Bar, Clock
from .long_clip import write_long
from .upscale import Upscaler, frames_on_disk

RESULT = "result"


def generate(
    pipeline: Pipeline,
    conditions: Conditions,
    prompt: str | Story,
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    condition_guidance: Mapping[str, float] | None = None,
    first_frame_pass: float | None = None,
    compare: bool = False,
    windows: Windows | None = None,
    notes: Sequence[str] = (),
    upscaler: Upscaler | None = None,
    progress: Bar,
) -> dict[str, Any]:
    """Write `video.mp4`, `sheet.png` and `report.json` to `out`, with an upscaler also `upscaled.mp4`; return the
    report.

    With `windows` a long clip is seen by windows and written as it is decoded, so that memory does not grow with it.
    `compare` also generates the same seed with each condition taken away, and with none, for the sheet and for
    `comparison.mp4`, which shows the clips side by side. None stands for
    the checkpoint's own value. notes: sentences for the report's warnings. Files appear whole or not at all.
    """
    config, video = pipeline.config, conditions.video
    # What the network sees at a time is what it was trained on, or not.
    seen = conditions if windows is None else replace(conditions, video=windows.video(config.geometry, video))
    steps, guidance, first_frame_pass = config.sampling_values(steps, guidance, first_frame_pass)
    sampling = {"seed": seed, "steps": steps, "guidance": guidance, "first_frame_pass": first_frame_pass}
    clock = Clock()
    with clock("conditions"):
        streams = pipeline.encode(conditions)
    sets = ablations(conditions.names, RESULT) if compare else {RESULT: conditions.names}
    walk = {**sampling, "condition_guidance": condition_guidance, "windows": windows}
    upscaled: dict[str, Any] | None = None
    large = out / "upscaled.mp4"
    if windows is not None:
        measured: dict[str, Any] = {}  # whole clips are measured, and they are not held
        room: AbstractContextManager[np.ndarray | None] = nullcontext()
        if upscaler is not None:
            room = frames_on_disk(video.frames, video.height, video.width)
        with room as kept:
            files = write_long(pipeline, conditions, streams, prompt, walk, out, progress, clock, kept)
            if upscaler is not None and kept is not None:
                upscaled = upscaler.write(kept, conditions.fps, prompt, large, progress, clock)
    else:
        clips = _sample(pipeline, conditions, streams, prompt, sets, walk, progress, clock)
        with clock("measuring"):
            measured = _measure(clips, conditions)
        with clock("writing"):
            files = _write(out, conditions, clips)
        if upscaler is not None:
            upscaled = upscaler.write(clips[RESULT], conditions.fps, prompt, large, progress, clock)
    if upscaled is not None:
        files.append(large)
    report = {
        "asked": {
            "prompt": prompt if isinstance(prompt, str) else prompt.to_json(),
            "conditions": list(conditions.names),
            "warnings": [*notes, *conditions.warnings(), *trained_range_warnings(seen, config)],
            "frames": video.frames,
            "height": video.height,
            "width": video.width,
            "fps": conditions.fps,
        },
        "sampling": {**sampling, "window": None if windows is None else [windows.length, windows.overlap]},
        "upscaled": upscaled,
        "tokens": streams.tokens(config.geometry),
        "measured": measured,
        "seconds": clock.report(),
        "peak_memory_mb": peak_memory_mb(),
        "machine": f"{platform.machine()}, {pipeline.device}",
        "files": {path.stem: str(path) for path in [*files, out / "report.json"]},
    }
    write_json(out / "report.json", report)
    return report


def _sample(
    pipeline: Pipeline,
    conditions: Conditions,
    streams: ConditionStreams,
    prompt: str | Story,
    sets: dict[str, tuple[str, ...]],
    walk: dict[str, Any],
    progress: Bar,
    clock: Clock,
) -> dict[str, np.ndarray]:
    """Generate a clip for every set of conditions, by title."""
    clips = {}
    scales = walk["condition_guidance"] or {}
    with progress(walk["steps"] * len(sets), "sampling") as step:
        for title, names in sets.items():
            own = scales if title == RESULT else {name: scale for name, scale in scales.items() if name in names}
            result = pipeline.generate(
                prompt,
                conditions.only(names),
                **{**walk, "condition_guidance": own},
                streams=streams.select(names),
                callback=lambda *_: step(),
            )
            clips[title] = result.frames
            for phase in ("sampling", "decoding"):
                clock.add(phase, result.seconds[phase])
    return clips


def _measure(clips: dict[str, np.ndarray], conditions: Conditions) -> dict[str, Any]:
    """Return how far every clip is from the conditions, where clips of this size can be measured."""
    video = conditions.video
    if not Judge.fits(video.frames, video.height, video.width):
        return {}
    judge = Judge.load()
    return {title: judge.agreement(clip, conditions) for title, clip in clips.items()}


def _write(out: Path, conditions: Conditions, clips: dict[str, np.ndarray]) -> list[Path]:
    """Write the video, the contact sheet, and several clips side by side; return the files."""
    out.mkdir(parents=True, exist_ok=True)
    video, sheet = out / "video.mp4", out / "sheet.png"
    size = conditions.video
    write_video(video, clips[RESULT], conditions.fps)
    write_image(sheet, contact_sheet([*condition_frames(conditions, size.height, size.width), *clips.items()]))
    if len(clips) == 1:
        return [video, sheet]
    write_video(out / "comparison.mp4", draw_comparison(clips), conditions.fps)
    return [video, sheet, out / "comparison.mp4"]


def peak_memory_mb() -> float | None:
    """Return the most memory this process ever held, in MiB; None on Windows, which does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)  # macOS counts in bytes, Linux in KiB
