"""`fulldit bench depth`: flicker, chunks, memory and time of depth, on the procedural world and its small estimator.

flicker_ratio: mean absolute change, from frame to frame, of points of the background that are followed with the exact
camera, in units of the normalized range: stabilized and normalized over the whole clip, divided by the same estimates
normalized frame by frame. Of the camera movements that hardly change distances, since where the camera moves in the
true change of depth would count as flicker; those are listed by themselves, without the change that the movement
explains. chunk_max_diff: largest difference between a clip in one piece and in chunks that overlap by two frames and
come in scales and shifts of their own. peak_memory_mb and seconds_per_frame: of a process that takes a long video of
672x384 through estimating, stabilizing and normalizing, one frame at a time; time is the processor's, on one thread.
"""

from __future__ import annotations

import json as jsonlib
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ...control.depth.extract import Chunk, RawDepth, extract
from ...control.depth.flicker import Flicker, static_flicker
from ...control.depth.measure import RangeMeter
from ...control.depth.normalize import apply_recipe, measure_depth, normalize_depth
from ...control.depth.stabilize import Stabilizer, StabilizerOptions, stabilize
from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import quiet
from ...models.estimators.depth import estimate_depth, shipped
from ...models.estimators.estimators_file import Estimators
from ...scenes import FAR, HELD_OUT_SEED, WorldOptions, render

STEADY = ("static", "pan", "tilt", "roll", "truck", "pedestal", "handheld", "zoom")
APPROACHING = ("dolly", "orbit", "arc", "crane")
FRAMES, HEIGHT, WIDTH = 24, 192, 288
LONG_HEIGHT, LONG_WIDTH = 384, 672
# An estimate bleeds across the edges of things by some pixels of its 64x96: what is so near to one is left out.
MARGIN = 4
WOBBLE = (0.08, 0.04)  # deviation of log scale, and of shift in shares of the range, of an estimator with moods


def run_depth(
    json: str | Path | None = None, long_frames: int = 1000, progress: Callable = quiet, kinds: tuple[str, ...] = ()
) -> dict:
    """Measure; returns the result and writes it to `json`. long_frames: length of the video for memory and time, 0 to
    leave them out. kinds: camera movements instead of all. Raises UserError for a movement that is not among them."""
    unknown = set(kinds) - {*STEADY, *APPROACHING}
    if unknown:
        raise UserError(f"{sorted(unknown)} are no movements of this benchmark: {', '.join((*STEADY, *APPROACHING))}")
    kinds = tuple(kinds) or (*STEADY, *APPROACHING)
    estimators = shipped()
    clips, chunked = {}, []
    with progress(len(kinds) + bool(long_frames), "bench") as step:
        for number, kind in enumerate(kinds):
            clips[kind], difference = measure_clip(kind, number, estimators)
            chunked.append(difference)
            step()
        long = long_run(long_frames) if long_frames else {"peak_memory_mb": None, "seconds_per_frame": None}
        step()

    def mean(figure: str, among: tuple[str, ...]) -> float | None:
        found = [clips[kind][figure] for kind in among if kind in clips]
        return float(np.mean(found)) if found else None

    result = {
        "flicker_ratio": mean("ratio", STEADY),
        "chunk_max_diff": max(plain for plain, _ in chunked),
        "peak_memory_mb": long["peak_memory_mb"],
        "seconds_per_frame": long["seconds_per_frame"],
        "flicker_ratio_wobbling": mean("wobbling_ratio", STEADY),
        "flicker_ratio_approaching": mean("unexplained_ratio", APPROACHING),
        "flicker_ratio_approaching_camera": mean("camera_unexplained_ratio", APPROACHING),
        "error_ratio": mean("error_ratio", kinds),
        "error_ratio_camera": mean("camera_error_ratio", kinds),
        "chunk_max_diff_stabilized": max(whole for _, whole in chunked),
        "clips": clips,
        "long": long,
        "setting": {"frames": FRAMES, "height": HEIGHT, "width": WIDTH, "estimates": [64, 96], "margin": MARGIN},
        "machine": {
            "platform": platform.platform(terse=True),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }
    if json:
        write_json(json, result)
    return result


def measure_clip(kind: str, number: int, estimators: Estimators) -> tuple[dict, tuple[float, float]]:
    """One clip's figures of flicker, and its largest difference in chunks, plain and stabilized."""
    clip = render([HELD_OUT_SEED + 5000 + number], FRAMES, HEIGHT, WIDTH, options=WorldOptions(cameras=(kind,)))
    video = (clip.video[0].permute(1, 2, 3, 0).numpy() * 255).round().astype(np.uint8)
    estimates = estimate_depth(video, estimators=estimators)
    follow = _follower(clip, estimates.shape[1:])
    steady = np.stack(list(stabilize(estimates, video)))
    guided = np.stack(list(stabilize(estimates, video, camera=clip.controls(0).camera)))
    rng = np.random.default_rng(number)
    moods = np.exp(rng.normal(0, WOBBLE[0], (FRAMES, 1, 1)))
    moods, shifts = moods.astype(np.float32), rng.normal(0, WOBBLE[1] * np.ptp(estimates), (FRAMES, 1, 1))
    calmed = np.stack(list(stabilize(estimates * moods + shifts.astype(np.float32), video)))
    found = {
        "per_frame": follow(normalize_depth(estimates, "disparity", scope="frame").values),
        "whole_clip": follow(normalize_depth(estimates, "disparity").values),
        "stabilized": follow(normalize_depth(steady, "disparity").values),
        "with_camera": follow(normalize_depth(guided, "disparity").values),
        "wobbling": follow(normalize_depth(calmed, "disparity").values),
    }
    before = found["per_frame"]
    truth = np.where(follow.depth < FAR, 1 / follow.depth, 0)
    figures = {
        "ratio": found["stabilized"].whole / before.whole,
        "unexplained_ratio": found["stabilized"].unexplained / before.unexplained,
        "wobbling_ratio": found["wobbling"].whole / before.whole,
        "camera_unexplained_ratio": found["with_camera"].unexplained / before.unexplained,
        "error_ratio": _error(steady, truth) / _error(estimates, truth),
        "camera_error_ratio": _error(guided, truth) / _error(estimates, truth),
        **{name: {"whole": one.whole, "unexplained": one.unexplained} for name, one in found.items()},
    }
    return figures, (_chunks_apart(estimates, None, rng), _chunks_apart(estimates, video, rng))


class _follower:
    """Flicker of values (F, h, w) of one clip, with its exact camera, of the background away from edges of things."""

    def __init__(self, clip, size: tuple[int, int]):
        def nearest(values: torch.Tensor) -> np.ndarray:
            values = values[:, None].float()
            return torch.nn.functional.interpolate(values, size=size, mode="nearest-exact")[:, 0].numpy()

        self.depth = nearest(clip.depth[0])
        things = nearest((clip.identity[0] >= 0).float()) > 0.5
        sky = self.depth >= FAR * 0.999
        self.static = ~np.stack([_grown(frame, MARGIN) for frame in things | sky])
        self.c2w, self.intrinsics = clip.c2w[0].double().numpy(), clip.intrinsics[0].double().numpy()

    def __call__(self, values: np.ndarray) -> Flicker:
        return static_flicker(values, self.depth, self.c2w, self.intrinsics, self.static)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def _error(values: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error of disparity after the best scale and shift of the whole clip."""
    from ...control.depth.align import fit_scale_shift

    scale, shift, _ = fit_scale_shift(values, truth, robust=False)
    return float(np.abs(scale * values + shift - truth).mean())


def _chunks_apart(
    values: np.ndarray, video: np.ndarray | None, rng: np.random.Generator, size: int = 8, overlap: int = 2
) -> float:
    """The largest difference between a clip in one piece and in chunks of `size` in scales of their own."""
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


def long_run(frames: int) -> dict:
    """Peak memory (MB, the whole process with its libraries) and seconds per frame of a video of `frames` frames."""
    clip = render([HELD_OUT_SEED + 5100], 12, LONG_HEIGHT, LONG_WIDTH, options=WorldOptions(supersample=False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npy"
        np.save(path, (clip.video[0].permute(1, 2, 3, 0).numpy() * 255).round().astype(np.uint8))
        answer = Path(folder) / "answer.json"
        worker = multiprocessing.get_context("spawn").Process(target=_long_worker, args=(path, frames, answer))
        worker.start()
        worker.join()
        if worker.exitcode or not answer.is_file():
            raise UserError(f"measuring memory failed: its process ended with {worker.exitcode}")
        return jsonlib.loads(answer.read_text(encoding="utf-8"))


def _long_worker(path: Path, frames: int, answer: Path) -> None:
    torch.set_num_threads(1)
    rendered = np.load(path, allow_pickle=False)

    def video() -> Iterator[np.ndarray]:
        """The few frames back and forth: every neighbor is a true neighbor."""
        there = len(rendered) - 1
        for number in range(frames):
            yield rendered[there - abs(number % (2 * there) - there)]

    began, clock = time.process_time(), time.perf_counter()
    estimates = estimate_depth(video())
    estimated = time.process_time()
    # Stabilized twice rather than kept: once to measure the range, once to put out.
    meter = RangeMeter()
    for frame in stabilize(estimates, video()):
        meter.add(frame)
    recipe = meter.recipe("disparity")
    worker, total = Stabilizer(), 0.0
    for values, image in zip(estimates, video(), strict=True):
        normalized = apply_recipe(worker.step(values, image)[None], recipe)
        large = torch.nn.functional.interpolate(
            torch.from_numpy(normalized)[None], size=image.shape[:2], mode="bilinear", align_corners=False
        )
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
    write_json(answer, result)


def _peak_memory() -> float | None:
    """The most memory this process ever held, in MB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
