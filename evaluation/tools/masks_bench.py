"""`fulldit bench masks`: in-betweens against analytic shapes, and propagated masks against the exact ones of scenes.

In-betweens: six outlines between two keys, each moved, scaled and turned by a known similarity; the figure is the
intersection over union (IoU) of the in-between and the analytic shape, at nine places between the keys.
Propagation: the exact mask of the first frame of held-out scenes is propagated through 24 more frames, for every object
that is visible in the first; frames in which neither mask has a pixel do not count. `held` is the IoU of the first mask
if it just stayed. Times are processor time on one thread, flow included, one object at a time.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange

from ...control.errors import UserError
from ...control.files import write_json
from ...control.identity.clip_flow import opencv
from ...control.identity.inbetween import Between, Form
from ...control.identity.keyframes import MaskKey, Masklet
from ...control.identity.propagate import propagate
from ...control.identity.shapes import Bitmap, Ellipse, Polygon, Shape, rasterize
from ...control.identity.slots import SLOTS
from ...control.identity.state import MaskSlot, MaskState, state_to_json
from ...control.progress import Progress, Step, quiet
from ...scenes import HELD_OUT_SEED, render

HEIGHT, WIDTH, FRAMES = 384, 672, 25
PLACES = np.linspace(0.1, 0.9, 9)  # of in-betweens, from the first key (0) to the second (1)
LEAST_SHARE = 0.002  # of the image; smaller objects are not propagated

_STAR = [
    (math.cos(k * math.pi / 5) * (1, 0.45)[k % 2], math.sin(k * math.pi / 5) * (1, 0.45)[k % 2]) for k in range(10)
]
# Outlines of about unit size. The star looks the same after 72 degrees, so no motion turns by half of that.
OUTLINES: dict[str, list[tuple[float, float]]] = {
    "boot": [(-0.5, -0.5), (-0.1, -0.5), (-0.1, 0.2), (0.5, 0.2), (0.5, 0.5), (-0.5, 0.5)],
    "kite": [(0, -0.5), (0.35, -0.1), (0, 0.5), (-0.35, -0.1)],
    "bar": [(-0.5, -0.08), (0.5, -0.08), (0.5, 0.08), (-0.5, 0.08)],
    "figure": [
        (0.0, -0.5),
        (0.08, -0.42),
        (0.05, -0.32),
        (0.2, -0.25),
        (0.25, 0),
        (0.15, 0),
        (0.12, -0.15),
        (0.1, 0.05),
        (0.15, 0.5),
        (0.03, 0.5),
        (0, 0.1),
        (-0.03, 0.5),
        (-0.15, 0.5),
        (-0.1, 0.05),
        (-0.12, -0.15),
        (-0.15, 0),
        (-0.25, 0),
        (-0.2, -0.25),
        (-0.05, -0.32),
        (-0.08, -0.42),
    ],
    "star": [(x / 2, y / 2) for x, y in _STAR],
}
Placement = tuple[tuple[float, float], float, float]  # center (shares of the image), size (image heights), degrees
# The placements at the first key and at the second.
MOTIONS: dict[str, tuple[Placement, Placement]] = {
    "moves": (((0.4, 0.5), 0.5, 0.0), ((0.6, 0.45), 0.5, 0.0)),
    "moves_far": (((0.15, 0.7), 0.25, 0.0), ((0.85, 0.3), 0.25, 0.0)),
    "grows": (((0.5, 0.5), 0.2, 0.0), ((0.5, 0.5), 0.8, 0.0)),
    "turns": (((0.5, 0.5), 0.6, 0.0), ((0.5, 0.5), 0.6, 34.0)),
    "does_all": (((0.25, 0.4), 0.25, -10.0), ((0.7, 0.55), 0.6, 20.0)),
    "leaves": (((0.6, 0.5), 0.5, 0.0), ((0.95, 0.55), 0.5, 0.0)),
}


def place_outline(name: str, center: tuple[float, float], size: float, turn: float) -> Shape:
    """Return an outline (or 'egg', an ellipse) around `center` (shares of the image), its center of mass.

    size: in image heights, turn: in degrees, clockwise.
    """
    if name == "egg":
        return Ellipse(center, (0.6 * size * HEIGHT / WIDTH, size), turn)
    points = np.array(OUTLINES[name], np.float64)
    following = np.roll(points, -1, 0)
    cross = points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]
    points -= ((points + following) * cross[:, None]).sum(0) / (3 * cross.sum())
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    points = points @ np.array([[cosine, sine], [-sine, cosine]]) * size * HEIGHT
    return Polygon(tuple((float(x) / WIDTH + center[0], float(y) / HEIGHT + center[1]) for x, y in points))


def iou(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return the intersection over union of two masks; None where both are empty."""
    one, other = one > 0.5, other > 0.5
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else None


def mean_iou(masklet: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean IoU of the frames (F, H, W) in which either mask has a pixel."""
    values = [iou(one, other) for one, other in zip(masklet, truth, strict=True)]
    return float(np.mean([value for value in values if value is not None]))


def measure_inbetweens(step: Step = lambda: None) -> dict[str, Any]:
    """Return the mean IoU of each motion, of all, and the worst of all."""
    ious: dict[str, list[float]] = {}
    for motion, (start, end) in MOTIONS.items():
        ious[motion] = []
        for name in (*OUTLINES, "egg"):
            ious[motion] += inbetween_ious(name, start, end)
            step()
    means = {motion: round(float(np.mean(values)), 4) for motion, values in ious.items()}
    every = [value for values in ious.values() for value in values]
    return {"mean": round(float(np.mean(every)), 4), "worst": round(min(every), 4), "motions": means}


def inbetween_ious(name: str, start: Placement, end: Placement) -> list[float]:
    """Return the IoU of in-between and analytic shape at each of PLACES between two keys of the outline `name`."""
    first, last = (Form(rasterize(place_outline(name, *placement), HEIGHT, WIDTH)) for placement in (start, end))
    between = Between(first, last)
    ious = []
    for w in PLACES:
        center, size, turn = ((1 - w) * np.array(a) + w * np.array(b) for a, b in zip(start, end, strict=True))
        x, y = center
        truth = rasterize(place_outline(name, (float(x), float(y)), float(size), float(turn)), HEIGHT, WIDTH)
        value = iou(between.at(w), truth)
        assert value is not None  # no motion leaves the image
        ious.append(value)
    return ious


def measure_propagation(scenes: int, frames: int, height: int, width: int, step: Step) -> dict[str, Any]:
    """Return means over all objects of `scenes` held-out scenes, and one row for each object."""
    rows = []
    with one_thread():
        for number in range(scenes):
            clip = render([HELD_OUT_SEED + number], frames=frames, height=height, width=width)
            video = (rearrange(clip.video[0], "c f h w -> f h w c").numpy() * 255 + 0.5).astype(np.uint8)
            for slot in range(SLOTS):
                truth = clip.identity[0].numpy() == slot
                if truth[0].mean() >= LEAST_SHARE:
                    rows.append({"scene": number, "slot": slot, **measure_object(video, truth)})
            step()
    if not rows:
        raise UserError("no object is visible in the first frame of these scenes: use more scenes")
    names = ("iou", "held_iou", "two_masks_iou", "ms_per_frame", "two_masks_ms_per_frame")
    return {
        **{name: _mean_of_known([row.get(name) for row in rows]) for name in names},
        "worst_iou": min(row["iou"] for row in rows),
        "objects": rows,
    }


def measure_object(video: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Return the figures of one object of a video (F, H, W, 3) uint8, whose exact masks are truth (F, H, W) bool."""
    frames = len(video)
    start = time.process_time()
    masklet, report = propagate(video, {0: truth[0]})
    seconds = time.process_time() - start
    figures: dict[str, Any] = {
        "iou": mean_iou(masklet[1:], truth[1:]),
        "held_iou": mean_iou(np.broadcast_to(truth[:1], truth[1:].shape), truth[1:]),
        "two_masks_iou": None,
        "ms_per_frame": 1000 * seconds / (frames - 1),
        "lost": len(report.lost),
    }
    if truth[-1].mean() >= LEAST_SHARE:
        start = time.process_time()
        masklet, _ = propagate(video, {0: truth[0], frames - 1: truth[-1]})
        figures["two_masks_iou"] = mean_iou(masklet[1:-1], truth[1:-1])
        figures["two_masks_ms_per_frame"] = 1000 * (time.process_time() - start) / (frames - 2)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV use one thread, so that processor time means the same on every machine."""
    cv2 = opencv()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _mean_of_known(values: list[float | None]) -> float | None:
    """Return the mean of the values that are not None, or None."""
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def measure_state() -> float:
    """Return the kilobytes of a painter's state with 3 slots of 8 bitmap keys at 1280x720."""
    slots = []
    for slot, name in enumerate([*OUTLINES][:3]):
        keys = []
        for number in range(8):
            mask = rasterize(place_outline(name, (0.3 + 0.05 * number, 0.5), 0.9, 9.0 * number + slot), 720, 1280)
            keys.append(MaskKey(17 * number, (Bitmap.of(mask),)))
        slots.append(MaskSlot(name, Masklet(tuple(keys), 121)))
    return round(len(state_to_json(MaskState(1280, 720, 121, tuple(slots)))) / 1000, 1)


def run_masks(
    json: str | Path | None = None,
    scenes: int = 4,
    progress: Progress = quiet,
    *,
    frames: int = FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> dict[str, Any]:
    """Return all figures, and write them to `json`. Raises UserError for fewer than one scene or two frames."""
    if scenes < 1 or frames < 2:
        raise UserError(f"{scenes} scenes of {frames} frames were asked for; at least 1 scene of 2 frames was expected")
    with progress(len(MOTIONS) * (len(OUTLINES) + 1) + scenes, "bench masks") as step:
        inbetweens = measure_inbetweens(step)
        propagation = measure_propagation(scenes, frames, height, width, step)
    result = {
        "inbetween_iou": inbetweens["mean"],
        "propagation_iou": propagation["iou"],
        "propagation_ms_per_frame": propagation["ms_per_frame"],
        "state_kb": measure_state(),
        "inbetween": inbetweens,
        "propagation": {"scenes": scenes, "frames": frames, "size": [height, width], **propagation},
        "machine": {
            "platform": platform.platform(terse=True),
            "cores": os.cpu_count(),
            "time": "processor time on one thread",
        },
    }
    if json:
        write_json(json, result)
    return result
