"""`fulldit bench depth`: flicker, chunks, memory and time of depth, on the procedural world and its small estimator.

flicker_ratio: mean absolute change, from frame to frame, of points of the background that are followed with the exact
camera, in units of the normalized range: stabilized and normalized over the whole clip, divided by the same estimates
normalized frame by frame. It is that of the camera movements that hardly change distances, since where the camera comes
nearer the true change of depth would count as flicker; those are listed by themselves, without the change that the
movement explains. chunk_max_diff: largest difference between a clip in one piece and in chunks that overlap by two
frames and have scales and shifts of their own. peak_memory_mb and seconds_per_frame: of a process that takes a long
video of 672x384 through estimating, stabilizing and normalizing, one frame at a time; time is the processor's, on one
thread.
"""

from __future__ import annotations

import json as jsonlib
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from ...control.depth.align import fit_scale_shift
from ...control.depth.extract import Chunk, RawDepth, extract
from ...control.depth.flicker import Flicker, static_flicker
from ...control.depth.measure import RangeMeter
from ...control.depth.normalize import apply_recipe, measure_depth, normalize_depth
from ...control.depth.stabilize import Stabilizer, StabilizerOptions, stabilize
from ...control.errors import UserError
from ...control.files import write_json
from ...control.libraries import opencv
from ...control.progress import Progress, quiet
from ...models.estimators.depth import embedded_estimators, estimate_depth
from ...models.estimators.estimators_file import Estimators
from ...models.estimators.layers import SIZE
from ...scenes import FAR, HELD_OUT_SEED, Clips, WorldOptions, render

STEADY = ("static", "pan", "tilt", "roll", "truck", "pedestal", "handheld", "zoom")
APPROACHING = ("dolly", "orbit", "arc", "crane")
FRAMES, HEIGHT, WIDTH = 24, 192, 288
LONG_HEIGHT, LONG_WIDTH = 384, 672
# Pixels of an estimate that are left out around objects, since it bleeds across their edges.
MARGIN = 4
WOBBLE = (0.08, 0.04)  # deviation of log scale, and of shift in shares of the range, of an unsteady estimator


def run_depth(
    json: str | Path | None = None, long_frames: int = 1000, progress: Progress = quiet, kinds: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run the benchmark; return the result and write it to `json`.

    long_frames: length of the video for memory and time, 0 to leave them out. kinds: camera movements instead of all.
    Raises UserError for a movement that is not among them.
    """
    unknown = set(kinds) - {*STEADY, *APPROACHING}
    if unknown:
        raise UserError(
            f"{', '.join(sorted(unknown))} is not a movement of this benchmark: choose from"
            f" {', '.join((*STEADY, *APPROACHING))}"
        )
    kinds = tuple(kinds) or (*STEADY, *APPROACHING)
    estimators = embedded_estimators()
    measured: dict[str, ClipFigures] = {}
    with progress(len(kinds) + bool(long_frames), "bench") as step:
        for number, kind in enumerate(kinds):
            measured[kind] = measure_clip(kind, number, estimators)
            step()
        long = long_run(long_frames) if long_frames else {"peak_memory_mb": None, "seconds_per_frame": None}
        step()
    result = summarize(measured, long)
    if json:
        write_json(json, result)
    return result


class ClipFigures(NamedTuple):
    """What one clip gave: figures of flicker and error by name, and the largest difference between a clip in chunks
    and in one piece, as estimated and stabilized."""

    figures: dict[str, Any]
    chunk_difference: float
    chunk_difference_stabilized: float


def summarize(measured: dict[str, ClipFigures], long: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the benchmark from the figures by camera movement and those of the long video."""

    def mean(figure: str, kinds: Iterable[str]) -> float | None:
        values = [measured[kind].figures[figure] for kind in kinds if kind in measured]
        return float(np.mean(values)) if values else None

    return {
        "flicker_ratio": mean("ratio", STEADY),
        "chunk_max_diff": max(clip.chunk_difference for clip in measured.values()),
        "peak_memory_mb": long["peak_memory_mb"],
        "seconds_per_frame": long["seconds_per_frame"],
        "flicker_ratio_wobbling": mean("wobbling_ratio", STEADY),
        "flicker_ratio_approaching": mean("unexplained_ratio", APPROACHING),
        "flicker_ratio_approaching_camera": mean("camera_unexplained_ratio", APPROACHING),
        "error_ratio": mean("error_ratio", measured),
        "error_ratio_camera": mean("camera_error_ratio", measured),
        "chunk_max_diff_stabilized": max(clip.chunk_difference_stabilized for clip in measured.values()),
        "clips": {kind: clip.figures for kind, clip in measured.items()},
        "long": long,
        "setting": {"frames": FRAMES, "height": HEIGHT, "width": WIDTH, "estimates": list(SIZE), "margin": MARGIN},
        "machine": {
            "platform": platform.platform(terse=True),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }


def measure_clip(kind: str, number: int, estimators: Estimators) -> ClipFigures:
    """Return the figures of one clip of the camera movement `kind`; `number` chooses its scene."""
    clip = render([HELD_OUT_SEED + 5000 + number], FRAMES, HEIGHT, WIDTH, options=WorldOptions(cameras=(kind,)))
    video = video_bytes(clip)
    estimates = estimate_depth(video, estimators=estimators)
    background = Background.of(clip, estimates.shape[1:])
    rng = np.random.default_rng(number)
    steady = np.stack(list(stabilize(estimates, video)))
    guided = np.stack(list(stabilize(estimates, video, camera=clip.trajectory(0))))
    calmed = np.stack(list(stabilize(wobble(estimates, rng), video)))
    flicker = {
        "per_frame": background.flicker(normalize_depth(estimates, "disparity", scope="frame").values),
        "whole_clip": background.flicker(normalize_depth(estimates, "disparity").values),
        "stabilized": background.flicker(normalize_depth(steady, "disparity").values),
        "with_camera": background.flicker(normalize_depth(guided, "disparity").values),
        "wobbling": background.flicker(normalize_depth(calmed, "disparity").values),
    }
    before = flicker["per_frame"]
    truth = np.where(background.depth < FAR, 1 / background.depth, 0)
    figures = {
        "ratio": flicker["stabilized"].whole / before.whole,
        "unexplained_ratio": flicker["stabilized"].unexplained / before.unexplained,
        "wobbling_ratio": flicker["wobbling"].whole / before.whole,
        "camera_unexplained_ratio": flicker["with_camera"].unexplained / before.unexplained,
        "error_ratio": disparity_error(steady, truth) / disparity_error(estimates, truth),
        "camera_error_ratio": disparity_error(guided, truth) / disparity_error(estimates, truth),
        **{name: {"whole": value.whole, "unexplained": value.unexplained} for name, value in flicker.items()},
    }
    return ClipFigures(figures, chunk_difference(estimates, None, rng), chunk_difference(estimates, video, rng))


def video_bytes(clip: Clips) -> np.ndarray:
    """Return the first of rendered clips as a video has it: (F, H, W, 3) uint8."""
    return (rearrange(clip.video[0], "c f h w -> f h w c").numpy() * 255).round().astype(np.uint8)


def wobble(estimates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return estimates (F, h, w) with a scale and a shift of its own for every frame, as unsteady estimators have."""
    scale = np.exp(rng.normal(0, WOBBLE[0], (FRAMES, 1, 1))).astype(np.float32)
    shift = rng.normal(0, WOBBLE[1] * np.ptp(estimates), (FRAMES, 1, 1)).astype(np.float32)
    return estimates * scale + shift


@dataclass(frozen=True)
class Background:
    """The background of one clip, away from the edges of objects, with its exact depth (F, h, w) and camera.

    static (F, h, w) bool: what counts; c2w (F, 3, 4), intrinsics (F, 4).
    """

    depth: np.ndarray
    static: np.ndarray
    c2w: np.ndarray
    intrinsics: np.ndarray

    @classmethod
    def of(cls, clip: Clips, size: tuple[int, int]) -> Background:
        """Return the background of a rendered clip at `size` (h, w)."""

        def nearest(values: torch.Tensor) -> np.ndarray:
            resized = F.interpolate(values[:, None].float(), size=size, mode="nearest-exact")[:, 0]
            pixels: np.ndarray = resized.numpy()
            return pixels

        depth = nearest(clip.depth[0])
        objects = nearest((clip.identity[0] >= 0).float()) > 0.5
        sky = depth >= FAR * 0.999
        static = ~np.stack([dilate(frame, MARGIN) for frame in objects | sky])
        return cls(depth, static, clip.c2w[0].double().numpy(), clip.intrinsics[0].double().numpy())

    def flicker(self, values: np.ndarray) -> Flicker:
        """Return how much values (F, h, w) flicker on the background."""
        return static_flicker(values, self.depth, self.c2w, self.intrinsics, self.static)


def dilate(mask: np.ndarray, by: int) -> np.ndarray:
    """Return a mask (h, w) bool grown by so many pixels, in squares."""
    cv2 = opencv("measuring flicker")
    grown: np.ndarray = cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0
    return grown


def disparity_error(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean absolute error of disparity after the best scale and shift of the whole clip."""
    scale, shift, _ = fit_scale_shift(values, truth, robust=False)
    return float(np.abs(scale * values + shift - truth).mean())


def chunk_difference(
    values: np.ndarray, video: np.ndarray | None, rng: np.random.Generator, size: int = 8, overlap: int = 2
) -> float:
    """Return the largest difference between a clip in one piece and in chunks of `size` in scales of their own."""
    chunk = Chunk(overlap, recipe=measure_depth([values], "disparity"))
    options = None if video is None else StabilizerOptions()
    whole = extract(RawDepth("estimates", values, "disparity"), images=video, stabilizing=options, chunk=chunk)
    state, parts = None, []
    for start in range(0, len(values) - overlap, size - overlap):
        part = slice(start, start + size)
        scale, shift = (1.0, 0.0) if state is None else (rng.uniform(0.3, 3), rng.uniform(-2, 2))
        raw = RawDepth("estimates", values[part] * np.float32(scale) + np.float32(shift), "disparity")
        images = None if video is None else video[part]
        made = extract(raw, images=images, stabilizing=options, chunk=chunk, state=state)
        state = made.state
        parts.append(made.clip.values)
    return float(np.abs(np.concatenate(parts) - whole.clip.values).max())


# ---- memory and time ---------------------------------------------------------------------------------------------


def long_run(frames: int) -> dict[str, Any]:
    """Return the peak memory (MB, the whole process with its libraries) and seconds per frame of a long video."""
    clip = render([HELD_OUT_SEED + 5100], 12, LONG_HEIGHT, LONG_WIDTH, options=WorldOptions(supersample=False))
    with tempfile.TemporaryDirectory() as folder:
        path, report = Path(folder) / "frames.npy", Path(folder) / "report.json"
        np.save(path, video_bytes(clip))
        worker = multiprocessing.get_context("spawn").Process(target=_long_worker, args=(path, frames, report))
        worker.start()
        worker.join()
        if worker.exitcode or not report.is_file():
            raise UserError(f"measuring memory failed: its process ended with {worker.exitcode}")
        figures: dict[str, Any] = jsonlib.loads(report.read_text(encoding="utf-8"))
        return figures


def back_and_forth(rendered: np.ndarray, frames: int) -> Iterator[np.ndarray]:
    """Yield `frames` frames of a few rendered ones, back and forth, so that every neighbor is a true neighbor."""
    last = len(rendered) - 1
    for number in range(frames):
        yield rendered[last - abs(number % (2 * last) - last)]


def _long_worker(path: Path, frames: int, report: Path) -> None:
    """Estimate, stabilize and normalize a long video one frame at a time, and write the figures to `report`."""
    torch.set_num_threads(1)
    rendered = np.load(path, allow_pickle=False)
    began, clock = time.process_time(), time.perf_counter()
    estimates = estimate_depth(back_and_forth(rendered, frames))
    estimated = time.process_time()
    # Stabilized twice instead of stored: once to measure the range, once for the result.
    meter = RangeMeter()
    for frame in stabilize(estimates, back_and_forth(rendered, frames)):
        meter.add(frame)
    recipe = meter.recipe("disparity")
    stabilizer, total = Stabilizer(), 0.0
    for values, image in zip(estimates, back_and_forth(rendered, frames), strict=True):
        normalized = torch.from_numpy(apply_recipe(stabilizer.step(values, image)[None], recipe))
        large = F.interpolate(normalized[None], size=image.shape[:2], mode="bilinear", align_corners=False)
        total += float(large.mean())
    result = {
        "peak_memory_mb": _peak_memory(),
        "seconds_per_frame": (time.process_time() - began) / frames,
        "estimating": (estimated - began) / frames,
        "wall_seconds_per_frame": (time.perf_counter() - clock) / frames,
        "frames": frames,
        "height": LONG_HEIGHT,
        "width": LONG_WIDTH,
        "mean": total / frames,
    }
    write_json(report, result)


def _peak_memory() -> float | None:
    """Return the most memory that this process ever held, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
