"""Images for people: a camera path seen from above, conditions as frames, and contact sheets.

Frames are `(F, H, W, 3)` float32 in [0, 1] throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..control.camera.trajectory import CameraTrajectory
from ..control.conditions import (
    CameraCondition,
    Conditions,
    ControlVideoCondition,
    DepthCondition,
    IdentityCondition,
    KnownFramesCondition,
    LowResCondition,
    SoundCondition,
    SourceCondition,
    VideoSize,
)
from ..control.errors import UserError
from ..control.identity.slots import SLOT_COLORS, identity_map, reference_image
from ..control.images import resize_clip
from ..control.libraries import opencv
from .colors import INK, NOW, PAPER, PATH, SUBJECT, to_bytes
from .sound_plot import draw_loudness

FINE = 4  # the view from above is drawn so many times larger and averaged down: smooth lines at any size
MOST_ASPECT = 6.0  # of a cell: a strip of one pixel would make a sheet that no memory holds
GAP, MARGIN = 4, 168  # of a contact sheet, in pixels: between the cells, and for the titles


class TopView:
    """How a path is seen from above: x to the right, z up the page, all of the path and the subject on it.

    `height` and `width` are those of the fine page; `line` is the width of its lines.
    """

    def __init__(self, positions: np.ndarray, height: int, width: int):
        points = np.concatenate([positions[:, [0, 2]], [[0.0, 1.0]]])
        low, high = points.min(0), points.max(0)
        self.span = max(float((high - low).max()) * 1.35, 1.6)
        self.center = (low + high) / 2
        self.height, self.width = FINE * height, FINE * width
        self.scale = FINE * min(height, width) / self.span
        self.line = max(2, height // 24)

    def spot(self, x: float, z: float) -> tuple[int, int]:
        """Return the pixel of the point (x, z)."""
        across, along = (x - self.center[0]) * self.scale, (z - self.center[1]) * self.scale
        return int(self.width / 2 + across), int(self.height / 2 - along)


def draw_camera(trajectory: CameraTrajectory, height: int, width: int) -> np.ndarray:
    """Draw the path from above, one image per frame, the current frame's view in red: `(F, height, width, 3)`.

    The circle is the subject at distance 1 before the first frame. Height and roll, which a view from above cannot
    show, are a bar at the left (height) and the tilt of the horizon line at the top right (roll).
    """
    cv2 = opencv("drawing")
    c2w = trajectory.relative().c2w
    view = TopView(c2w[:, :, 3], height, width)
    path = np.array([view.spot(x, z) for x, z in c2w[:, [0, 2], 3]], np.int32)
    half_fov = np.arctan(0.5 / trajectory.intrinsics[:, 0])
    frames = np.empty((trajectory.frames, height, width, 3), np.float32)
    for index, pose in enumerate(c2w):
        page = np.full((view.height, view.width, 3), PAPER, np.float32)
        cv2.circle(page, view.spot(0.0, 1.0), int(0.11 * view.scale), SUBJECT, -1)
        cv2.polylines(page, [path], False, PATH, view.line)
        _draw_field_of_view(cv2, page, view, pose, half_fov[index])
        _draw_height(cv2, page, view, pose)
        _draw_roll(cv2, page, view, pose)
        frames[index] = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    return frames


def _draw_field_of_view(cv2: Any, page: np.ndarray, view: TopView, pose: np.ndarray, half_fov: float) -> None:
    """Draw what the camera of a pose c2w (3, 4) has in view, as a triangle."""
    x, _, z = pose[:, 3]
    heading = np.arctan2(pose[0, 2], pose[2, 2])
    length = 0.32 * view.span
    sides = [heading - half_fov, heading + half_fov]
    triangle = [(x, z), *((x + length * np.sin(side), z + length * np.cos(side)) for side in sides)]
    spots = [view.spot(*point) for point in triangle]
    cv2.polylines(page, [np.array(spots, np.int32)], True, NOW, view.line)
    cv2.circle(page, spots[0], 2 * view.line, NOW, -1)


def _draw_height(cv2: Any, page: np.ndarray, view: TopView, pose: np.ndarray) -> None:
    """Draw how far a pose c2w (3, 4) is above or below the first, as a bar at the left."""
    line, middle = view.line, view.height // 2
    end = int(np.clip(middle + pose[1, 3] * view.scale, line, view.height - line))
    cv2.line(page, (3 * line, middle), (3 * line, end), NOW, 2 * line)


def _draw_roll(cv2: Any, page: np.ndarray, view: TopView, pose: np.ndarray) -> None:
    """Draw the roll of a pose c2w (3, 4) as a tilted line at the top right."""
    line = view.line
    roll = np.arctan2(pose[1, 0], pose[0, 0])
    center = np.array([view.width - 12 * line, 6 * line])
    arm = np.array([np.cos(roll), np.sin(roll)]) * 8 * line
    start, end = (tuple(int(side) for side in point) for point in (center - arm, center + arm))
    cv2.line(page, start, end, INK, line)


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
    if len(condition.identities) <= len(SLOT_COLORS):
        return [*rows, ("who is where", identity_map(condition.identities, frames, height, width))]
    # More than there are colors: public models take them, each by itself.
    for identity in condition.identities:
        if identity.mask_video is not None:
            shown = resize_clip(identity.mask_video, height, width).clip(0, 1)
            rows.append((f"where: {identity.name}", np.repeat(shown[..., None], 3, -1)))
    return rows


def _depth_rows(condition: DepthCondition, frames: int, height: int, width: int) -> list[Row]:
    values = resize_clip(condition.clip.values, height, width).clip(0, 1)
    return [("depth", np.repeat(values[..., None], 3, -1).astype(np.float32))]


def _source_rows(condition: SourceCondition, frames: int, height: int, width: int) -> list[Row]:
    return [("source", resize_clip(condition.frames, height, width))]


def _known_rows(condition: KnownFramesCondition, frames: int, height: int, width: int) -> list[Row]:
    own = VideoSize(frames, *condition.images.shape[1:3])
    return [("known", resize_clip(condition.shown(own), height, width))]


def _control_rows(condition: ControlVideoCondition, frames: int, height: int, width: int) -> list[Row]:
    return [(video.kind.replace("_", " "), resize_clip(video.frames, height, width)) for video in condition.videos]


def _sound_rows(condition: SoundCondition, frames: int, height: int, width: int) -> list[Row]:
    return [("sound", draw_loudness(condition.values, height, width))]


def _lowres_rows(condition: LowResCondition, frames: int, height: int, width: int) -> list[Row]:
    return [("low resolution", resize_clip(condition.frames, height, width))]


# How a condition is drawn, by its name; one without an entry has no row. Each function takes its own class.
DRAWN: dict[str, Callable[[Any, int, int, int], list[Row]]] = {
    "camera": _camera_rows,
    "identity": _identity_rows,
    "depth": _depth_rows,
    "source": _source_rows,
    "known": _known_rows,
    "control": _control_rows,
    "sound": _sound_rows,
    "lowres": _lowres_rows,
}


def cell_width(clip: np.ndarray, height: int) -> int:
    """Return how wide frames (F, H, W, 3) are drawn at a height: in their proportions, up to MOST_ASPECT."""
    aspect = float(clip.shape[2] / clip.shape[1])
    return round(height * min(max(aspect, 1 / MOST_ASPECT), MOST_ASPECT))


def contact_sheet(rows: list[tuple[str, np.ndarray]], columns: int = 6, height: int = 96) -> np.ndarray:
    """Return one row per clip, `columns` evenly spaced frames in each, a title beside it: `(H, W, 3)` float32.

    Raises UserError where there is no row.
    """
    if not rows:
        raise UserError("A contact sheet needs at least one clip, but there is none.")
    cv2 = opencv("drawing")
    width = cell_width(rows[0][1], height)
    # Bytes, since OpenCV 5 writes text on nothing else.
    page = np.empty((GAP + len(rows) * (height + GAP), MARGIN + columns * (width + GAP), 3), np.uint8)
    page[:] = np.round(np.multiply(PAPER, 255))
    for index, (title, clip) in enumerate(rows):
        top = GAP + index * (height + GAP)
        picks = np.linspace(0, len(clip) - 1, columns).round().astype(int)
        for column, pick in enumerate(picks):
            method = cv2.INTER_AREA if clip.shape[1] > height else cv2.INTER_CUBIC
            cell = cv2.resize(np.ascontiguousarray(clip[pick], np.float32), (width, height), interpolation=method)
            left = MARGIN + column * (width + GAP)
            page[top : top + height, left : left + width] = np.round(np.clip(cell, 0, 1) * 255)
        for number, line in enumerate(_wrap(title, 20)):
            origin = (8, top + height // 2 + 5 + 18 * number)
            cv2.putText(page, line, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.45, to_bytes(INK), 1, cv2.LINE_AA)
    return page.astype(np.float32) / 255


def _wrap(text: str, length: int) -> list[str]:
    """Return `text` in lines of at most `length` characters; a longer word has a line of its own."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > length:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]
