"""`fulldit generate`: a clip to files: the video, a contact sheet, and a report of what was asked and what came out."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..control.conditions import Conditions
from ..control.files import write_json
from ..control.media import write_image, write_video
from ..evaluation.control.ablations import ablations
from ..evaluation.control.judge import Judge
from ..models.conditioning.condition_streams import ConditionStreams
from ..models.encode import trained_range_warnings
from ..models.pipeline import Pipeline
from ..view.sheet import condition_frames, contact_sheet

# `bar(total, title)` is a context manager that gives a function to call once per step.
Bar = Callable[[int, str], AbstractContextManager[Callable[[], object]]]
RESULT = "result"


def generate(
    pipeline: Pipeline,
    conditions: Conditions,
    prompt: str,
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    condition_guidance: Mapping[str, float] | None = None,
    first_frame_pass: float | None = None,
    compare: bool = False,
    progress: Bar,
) -> dict[str, Any]:
    """Write `video.mp4`, `sheet.png` and `report.json` to `out`, and return the report.

    `compare` also generates the same seed with each condition taken away, and with none, for the sheet. None stands for
    the checkpoint's own value. Files appear whole or not at all.
    """
    config = pipeline.config
    steps, guidance, first_frame_pass = config.sampling_values(steps, guidance, first_frame_pass)
    sampling = {"seed": seed, "steps": steps, "guidance": guidance, "first_frame_pass": first_frame_pass}
    clock = Clock()
    with clock("conditions"):
        streams = pipeline.encode(conditions)
    sets = ablations(conditions.names, RESULT) if compare else {RESULT: conditions.names}
    clips = _sample(pipeline, conditions, streams, prompt, sets, sampling, condition_guidance, progress, clock)
    with clock("measuring"):
        measured = _measure(clips, conditions)
    with clock("writing"):
        files = _write(out, conditions, clips)
    report = {
        "asked": {
            "prompt": prompt,
            "conditions": list(conditions.names),
            "warnings": conditions.warnings() + trained_range_warnings(conditions, config),
            "frames": conditions.video.frames,
            "height": conditions.video.height,
            "width": conditions.video.width,
        },
        "sampling": sampling,
        "tokens": streams.tokens(config.geometry),
        "measured": measured,
        "seconds": clock.report(),
        "peak_memory_mb": peak_memory_mb(),
        "machine": f"{platform.machine()}, {pipeline.device}",
        "files": {path.stem: str(path) for path in [*files, out / "report.json"]},
    }
    write_json(out / "report.json", report)
    return report


class Clock:
    """Seconds spent in each phase."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase."""
        start = time.perf_counter()
        yield
        self.add(phase, time.perf_counter() - start)

    def add(self, phase: str, seconds: float) -> None:
        """Add seconds to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def report(self) -> dict[str, float]:
        """Return the seconds of every phase, and in total."""
        return {name: round(s, 3) for name, s in {**self.seconds, "total": time.perf_counter() - self.began}.items()}


def _sample(
    pipeline: Pipeline,
    conditions: Conditions,
    streams: ConditionStreams,
    prompt: str,
    sets: dict[str, tuple[str, ...]],
    sampling: dict[str, Any],
    condition_guidance: Mapping[str, float] | None,
    progress: Bar,
    clock: Clock,
) -> dict[str, np.ndarray]:
    """Generate a clip for every set of conditions, by title."""
    clips = {}
    with progress(sampling["steps"] * len(sets), "sampling") as step:
        for title, names in sets.items():
            scales = {name: scale for name, scale in (condition_guidance or {}).items() if name in names}
            result = pipeline.generate(
                prompt,
                conditions.only(names),
                **sampling,
                condition_guidance=scales if title != RESULT else condition_guidance,
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
    """Write the video and the contact sheet."""
    out.mkdir(parents=True, exist_ok=True)
    video, sheet = out / "video.mp4", out / "sheet.png"
    size = conditions.video
    write_video(video, clips[RESULT], conditions.fps)
    write_image(sheet, contact_sheet([*condition_frames(conditions, size.height, size.width), *clips.items()]))
    return [video, sheet]


def peak_memory_mb() -> float | None:
    """Return the most memory this process ever held, in MiB; None on Windows, which does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)  # macOS counts in bytes, Linux in KiB
