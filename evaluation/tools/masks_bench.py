"""`fulldit bench masks`: in-betweens against analytic shapes, and propagated masks against the exact ones of scenes.

In-betweens: six outlines between two keys, each moved, grown and turned by a known similarity; the figure is the share
(intersection over union) that the in-between and the analytic shape have in common, at nine places on the way.
Propagation: the exact mask of the first frame of held-out scenes is carried through 24 more frames, for every object
that is seen in the first; frames in which neither mask has a pixel count nothing. `held` is what the first mask would
reach if it just stayed. Times are processor time on one thread, flow included, one object at a time.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...control.errors import UserError
from ...control.files import write_json
from ...control.identity.clip_flow import opencv
from ...control.identity.inbetween import Between, Form
from ...control.identity.keyframes import MaskKey, Masklet
from ...control.identity.propagate import propagate
from ...control.identity.shapes import Bitmap, Ellipse, Polygon, Shape, rasterize
from ...control.identity.state import MaskSlot, MaskState, state_to_json
from ...control.progress import quiet
from ...scenes import HELD_OUT_SEED, render

HEIGHT, WIDTH, FRAMES = 384, 672, 25
PLACES = np.linspace(0.1, 0.9, 9)
# Smaller things are not given to propagation: a share of the image.
LEAST_SHARE = 0.002

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
# From and to: center (shares of the image), size (image heights), turn (degrees).
MOTIONS: dict[str, tuple[tuple, tuple]] = {
    "moves": (((0.4, 0.5), 0.5, 0.0), ((0.6, 0.45), 0.5, 0.0)),
    "moves_far": (((0.15, 0.7), 0.25, 0.0), ((0.85, 0.3), 0.25, 0.0)),
    "grows": (((0.5, 0.5), 0.2, 0.0), ((0.5, 0.5), 0.8, 0.0)),
    "turns": (((0.5, 0.5), 0.6, 0.0), ((0.5, 0.5), 0.6, 34.0)),
    "does_all": (((0.25, 0.4), 0.25, -10.0), ((0.7, 0.55), 0.6, 20.0)),
    "leaves": (((0.6, 0.5), 0.5, 0.0), ((0.95, 0.55), 0.5, 0.0)),
}


def placed(name: str, center: tuple[float, float], size: float, turn: float) -> Shape:
    """An outline (or 'egg', an ellipse) about its center of mass, sized, turned and moved."""
    if name == "egg":
        return Ellipse(center, (0.6 * size * HEIGHT / WIDTH, size), turn)
    points = np.array(OUTLINES[name], np.float64)
    after = np.roll(points, -1, 0)
    cross = points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]
    points -= ((points + after) * cross[:, None]).sum(0) / (3 * cross.sum())
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    points = points @ np.array([[cosine, sine], [-sine, cosine]]) * size * HEIGHT
    return Polygon(tuple((float(x) / WIDTH + center[0], float(y) / HEIGHT + center[1]) for x, y in points))


def iou(one: np.ndarray, other: np.ndarray) -> float | None:
    """What two masks have in common, as a share of what either covers; None where both are empty."""
    one, other = one > 0.5, other > 0.5
    either = int((one | other).sum())
    return float((one & other).sum() / either) if either else None


def measure_inbetweens(step: Callable[[], object] = lambda: None) -> dict:
    """Mean of each motion, of all, and the worst place of all."""
    found: dict[str, list[float]] = {}
    for motion, (one, other) in MOTIONS.items():
        found[motion] = []
        for name in (*OUTLINES, "egg"):
            forms = [Form(rasterize(placed(name, *where), HEIGHT, WIDTH)) for where in (one, other)]
            between = Between(*forms)
            for w in PLACES:
                center, size, turn = ((1 - w) * np.array(a) + w * np.array(b) for a, b in zip(one, other, strict=True))
                truth = rasterize(placed(name, tuple(center), float(size), float(turn)), HEIGHT, WIDTH)
                found[motion].append(iou(between.at(w), truth))
            step()
    means = {motion: round(float(np.mean(values)), 4) for motion, values in found.items()}
    every = [value for values in found.values() for value in values]
    return {"mean": round(float(np.mean(every)), 4), "worst": round(min(every), 4), "motions": means}


def measure_propagation(scenes: int, frames: int, height: int, width: int, step: Callable[[], object]) -> dict:
    """Over all objects of `scenes` held-out scenes: means, and one row for each object."""
    cv2 = opencv()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rows = []
    try:
        for number in range(scenes):
            clip = render([HELD_OUT_SEED + number], frames=frames, height=height, width=width)
            video = (clip.video[0].permute(1, 2, 3, 0).numpy() * 255 + 0.5).astype(np.uint8)
            for slot in range(3):
                truth = clip.identity[0].numpy() == slot
                if truth[0].mean() < LEAST_SHARE:
                    continue
                start = time.process_time()
                track, report = propagate(video, {0: truth[0]})
                took = time.process_time() - start
                row = {
                    "scene": number,
                    "slot": slot,
                    "iou": _mean(track[1:], truth[1:]),
                    "held_iou": _mean(np.broadcast_to(truth[:1], truth[1:].shape), truth[1:]),
                    "two_masks_iou": None,
                    "ms_per_frame": 1000 * took / (frames - 1),
                    "lost": len(report.lost),
                }
                if truth[-1].mean() >= LEAST_SHARE:
                    start = time.process_time()
                    track, _ = propagate(video, {0: truth[0], frames - 1: truth[-1]})
                    row["two_masks_iou"] = _mean(track[1:-1], truth[1:-1])
                    row["two_masks_ms_per_frame"] = 1000 * (time.process_time() - start) / (frames - 2)
                rows.append({name: round(v, 4) if isinstance(v, float) else v for name, v in row.items()})
            step()
    finally:
        cv2.setNumThreads(threads)
    if not rows:
        raise UserError("no object is seen in the first frame of these scenes: take more of them")

    def mean(name: str) -> float | None:
        values = [row[name] for row in rows if row.get(name) is not None]
        return round(float(np.mean(values)), 4) if values else None

    names = ("iou", "held_iou", "two_masks_iou", "ms_per_frame", "two_masks_ms_per_frame")
    return {**{name: mean(name) for name in names}, "worst_iou": min(row["iou"] for row in rows), "objects": rows}


def _mean(track: np.ndarray, truth: np.ndarray) -> float:
    values = [iou(one, other) for one, other in zip(track, truth, strict=True)]
    return float(np.mean([value for value in values if value is not None]))


def measure_state() -> float:
    """Kilobytes of a painter's state with 3 slots of 8 bitmap keys at 1280x720."""
    slots = []
    for slot, name in enumerate([*OUTLINES][:3]):
        keys = []
        for number in range(8):
            mask = rasterize(placed(name, (0.3 + 0.05 * number, 0.5), 0.9, 9.0 * number + slot), 720, 1280)
            keys.append(MaskKey(17 * number, (Bitmap.of(mask),)))
        slots.append(MaskSlot(name, Masklet(tuple(keys), 121)))
    return round(len(state_to_json(MaskState(1280, 720, 121, tuple(slots)))) / 1000, 1)


def run_masks(
    json: str | Path | None = None,
    scenes: int = 4,
    progress: Callable = quiet,
    *,
    frames: int = FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> dict:
    """All figures; written to `json` where it is given. Raises UserError for fewer than one scene or two frames."""
    if scenes < 1 or frames < 2:
        raise UserError(f"{scenes} scenes of {frames} frames were asked for; at least 1 of 2 was expected")
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
