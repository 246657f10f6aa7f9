"""Images for people: a camera path seen from above, conditions as frames, and contact sheets.

Frames are `(F, H, W, 3)` float32 in [0, 1] throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..control.camera.trajectory import CameraTrajectory
from ..control.conditions import CameraCondition, Conditions, DepthCondition, IdentityCondition
from ..control.errors import UserError
from ..control.identity.slots import identity_map, reference_image
from ..control.images import resize_clip
from ..control.libraries import opencv

INK = (0.12, 0.13, 0.16)
PAPER = (0.97, 0.97, 0.96)
PATH = (0.62, 0.66, 0.74)
NOW = (0.85, 0.27, 0.16)
SUBJECT = (0.20, 0.47, 0.75)


def draw_camera(trajectory: CameraTrajectory, height: int, width: int) -> np.ndarray:
    """The path from above (x to the right, z up the page), one image per frame, the current frame's view in red.

    The circle is the subject at distance 1 before the first frame. Height and roll, which a view from above cannot
    show, stand as a bar at the left (height) and as the tilt of the horizon line at the top right (roll).
    Returns `(F, height, width, 3)`.
    """
    cv2 = opencv("drawing")
    c2w = trajectory.relative().c2w
    places = c2w[:, :, 3]
    ahead = c2w[:, :, 2]
    points = np.concatenate([places[:, [0, 2]], [[0.0, 1.0]]])
    low, high = points.min(0), points.max(0)
    span = max(float((high - low).max()) * 1.35, 1.6)
    middle = (low + high) / 2
    scale = 4 * min(height, width) / span

    def spot(x: float, z: float) -> tuple[int, int]:
        return int(2 * width + (x - middle[0]) * scale), int(2 * height - (z - middle[1]) * scale)

    frames = np.empty((trajectory.frames, height, width, 3), np.float32)
    half_fov = np.arctan(0.5 / trajectory.intrinsics[:, 0])
    for index in range(trajectory.frames):
        # Drawn four times larger and averaged down: smooth lines at any size.
        page = np.full((4 * height, 4 * width, 3), PAPER, np.float32)
        line = max(2, height // 24)
        cv2.circle(page, spot(0.0, 1.0), int(0.11 * scale), SUBJECT, -1)
        trail = np.array([spot(x, z) for x, z in places[:, [0, 2]]], np.int32)
        cv2.polylines(page, [trail], False, PATH, line)
        x, _, z = places[index]
        heading = np.arctan2(ahead[index, 0], ahead[index, 2])
        reach = 0.32 * span
        wedge = [spot(x, z)]
        wedge += [
            spot(
                x + reach * np.sin(heading + side * half_fov[index]),
                z + reach * np.cos(heading + side * half_fov[index]),
            )
            for side in (-1, 1)
        ]
        cv2.polylines(page, [np.array(wedge, np.int32)], True, NOW, line)
        cv2.circle(page, wedge[0], 2 * line, NOW, -1)
        lift = int(np.clip(2 * height + places[index, 1] * scale, line, 4 * height - line))
        cv2.line(page, (3 * line, 2 * height), (3 * line, lift), NOW, 2 * line)
        roll = np.arctan2(c2w[index, 1, 0], c2w[index, 0, 0])
        middle_x, middle_y, arm = 4 * width - 12 * line, 6 * line, 8 * line
        across = np.array([np.cos(roll), np.sin(roll)]) * arm
        cv2.line(
            page,
            (int(middle_x - across[0]), int(middle_y - across[1])),
            (int(middle_x + across[0]), int(middle_y + across[1])),
            INK,
            line,
        )
        frames[index] = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    return frames


Row = tuple[str, np.ndarray]


def condition_frames(conditions: Conditions, height: int, width: int) -> list[Row]:
    """Return what is asked as `(title, frames)` rows at a size of their own: every condition that can be drawn."""
    rows: list[Row] = []
    for condition in conditions.items:
        draw = DRAWN.get(condition.name)
        if draw is not None:
            rows += draw(condition, conditions.video.frames, height, width)
    return rows


def _camera_rows(condition: CameraCondition, frames: int, height: int, width: int) -> list[Row]:
    return [("camera", draw_camera(condition.trajectory, height, width))]


def _identity_rows(condition: IdentityCondition, frames: int, height: int, width: int) -> list[Row]:
    rows: list[Row] = []
    for identity in condition.identities:
        reference = reference_image(identity, height, width)
        rows.append((f"reference: {identity.name}", np.repeat(reference[None], frames, 0)))
    return [*rows, ("who is where", identity_map(condition.identities, frames, height, width))]


def _depth_rows(condition: DepthCondition, frames: int, height: int, width: int) -> list[Row]:
    values = resize_clip(condition.clip.values, height, width).clip(0, 1)
    return [("depth", np.repeat(values[..., None], 3, -1).astype(np.float32))]


# How a condition is drawn, by its name; one without an entry has no row. Each function takes its own class.
DRAWN: dict[str, Callable[[Any, int, int, int], list[Row]]] = {
    "camera": _camera_rows,
    "identity": _identity_rows,
    "depth": _depth_rows,
}


def contact_sheet(rows: list[tuple[str, np.ndarray]], columns: int = 6, height: int = 96) -> np.ndarray:
    """One row per clip, `columns` evenly spaced frames in each, a title beside it: `(H, W, 3)` float32.

    Raises UserError where there is no row.
    """
    if not rows:
        raise UserError("A contact sheet needs at least one clip, but none was given.")
    cv2 = opencv("drawing")
    gap, margin = 4, 168
    width = max(1, round(height * rows[0][1].shape[2] / rows[0][1].shape[1]))
    # Bytes, since OpenCV 5 writes text on nothing else.
    page = np.empty((gap + len(rows) * (height + gap), margin + columns * (width + gap), 3), np.uint8)
    page[:] = np.round(np.multiply(PAPER, 255))
    ink = tuple(round(255 * part) for part in INK)
    for index, (title, clip) in enumerate(rows):
        top = gap + index * (height + gap)
        picks = np.linspace(0, len(clip) - 1, columns).round().astype(int)
        for column, pick in enumerate(picks):
            method = cv2.INTER_AREA if clip.shape[1] > height else cv2.INTER_CUBIC
            cell = cv2.resize(np.ascontiguousarray(clip[pick], np.float32), (width, height), interpolation=method)
            left = margin + column * (width + gap)
            page[top : top + height, left : left + width] = np.round(np.clip(cell, 0, 1) * 255)
        for number, line in enumerate(_wrapped(title, 20)):
            place = (8, top + height // 2 + 5 + 18 * number)
            cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
    return page.astype(np.float32) / 255


def _wrapped(text: str, length: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > length:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]
