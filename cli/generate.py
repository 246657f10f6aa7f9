"""Generate a clip to files: the video, a contact sheet, and a report of what was asked and what came out."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ..control.bundle import Controls
from ..control.files import write_json
from ..control.media import write_image, write_video
from ..evaluation.control.judge import Judge
from ..models.pipeline import Pipeline
from ..view.sheet import condition_frames, contact_sheet

# `bar(total, title)` is a context manager that gives a function to call once per step.
Bar = Callable[[int, str], AbstractContextManager[Callable[[], None]]]


def generate(
    pipeline: Pipeline,
    controls: Controls,
    prompt: str,
    out: Path,
    *,
    frames: int,
    height: int,
    width: int,
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    condition_guidance: dict[str, float] | None = None,
    first_frame_pass: float | None = None,
    compare: bool = False,
    progress: Bar,
) -> dict:
    """Write `video.mp4`, `sheet.png` and `report.json` to `out`, and return the report.

    `compare` also generates the same seed with each condition taken away, and with none, for the sheet.
    Files appear whole or not at all.
    """
    began = time.perf_counter()
    steps = pipeline.config.steps if steps is None else steps
    size = {"frames": frames, "height": height, "width": width}
    conditions = pipeline.encode(controls, **size)
    seconds = {"conditions": time.perf_counter() - began, "sampling": 0.0, "decoding": 0.0}

    runs = {"result": controls.present()}
    if compare and controls.present():
        if len(controls.present()) > 1:
            for left_out in controls.present():
                runs[f"without {left_out}"] = tuple(n for n in controls.present() if n != left_out)
        runs["without any"] = ()

    clips = {}
    with progress(steps * len(runs), "sampling") as step:
        for title, names in runs.items():
            done = pipeline.generate(
                prompt,
                controls.only(names),
                **size,
                seed=seed,
                steps=steps,
                guidance=guidance,
                condition_guidance=condition_guidance,
                first_frame_pass=first_frame_pass,
                conditions=conditions.select(names) if conditions is not None and names else None,
                callback=lambda *_: step(),
            )
            clips[title] = done.frames
            for phase in ("sampling", "decoding"):
                seconds[phase] += done.seconds[phase]

    start = time.perf_counter()
    measured = {}
    judge = Judge.load() if Judge.fits(frames, height, width) else None
    if judge is not None:
        measured = {title: judge.agreement(clip, controls) for title, clip in clips.items()}
    seconds["measuring"] = time.perf_counter() - start

    start = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    fps = controls.camera.fps if controls.camera is not None else pipeline.config.fps
    files = {name: out / name for name in ("video.mp4", "sheet.png", "report.json")}
    write_video(files["video.mp4"], clips["result"], fps)
    write_image(files["sheet.png"], contact_sheet([*condition_frames(controls, **size), *clips.items()]))
    seconds["writing"] = time.perf_counter() - start
    seconds["total"] = time.perf_counter() - began

    report = {
        "asked": {"prompt": prompt, "conditions": list(controls.present()), "warnings": controls.warnings(), **size},
        "sampling": {
            "seed": seed,
            "steps": steps,
            "guidance": pipeline.config.guidance if guidance is None else guidance,
            "first_frame_pass": pipeline.config.first_frame_pass if first_frame_pass is None else first_frame_pass,
        },
        "tokens": conditions.tokens(pipeline.config) if conditions is not None else {},
        "measured": measured,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_memory_mb": peak_memory_mb(),
        "machine": f"{platform.machine()}, {pipeline.device}",
        "files": {name.split(".")[0]: str(path) for name, path in files.items()},
    }
    write_json(files["report.json"], report)
    return report


def peak_memory_mb() -> float | None:
    """The most memory this process ever held, in MiB; None on Windows, which does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)  # macOS counts in bytes, Linux in KiB
