"""A camera file that was dropped on the camera editor: what the editor shows of it."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import TypedDict

from ...control.camera import formats
from ...control.camera.fit_keyframes import trajectory_to_editor_state
from ...control.errors import UserError, shorten

MAX_BYTES = 64 * 2**20
KEYED_FRAMES = 65  # for files of keyframes, which have no length
MOST_ASPECT = 20.0  # width / height, and the reverse
MOST_NAME = 60  # characters, of the end of a name, which may decide on the format


class DroppedCamera(TypedDict):
    """state: the editor's JSON; frames, fps: of the file; notes: sentences on what was read."""

    state: str
    frames: int
    fps: float
    notes: list[str]


def read_dropped_camera(name: str, data: bytes, aspect: float = 1.5) -> DroppedCamera:
    """Return the keyframes that fit the path in a file of any format that Load Camera File reads.

    name: of the file, whose ending may decide on the format. aspect: width / height of the image, for files that do
    not say. Raises UserError for a file that cannot be read.
    """
    safe = _plain_name(name)
    if len(data) > MAX_BYTES:
        size = f"{len(data) >> 20} MiB; at most {MAX_BYTES >> 20} are read here"
        raise UserError(f"'{safe}' has {size}: use Load Camera File.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / safe
        file.write_bytes(data)
        try:
            path = formats.read_camera(file, default_frames=KEYED_FRAMES, aspect=aspect)
        except UserError as error:
            raise UserError(str(error).replace(str(file), safe)) from error
    state = trajectory_to_editor_state(path)
    return {"state": state, "frames": path.frames, "fps": float(path.fps), "notes": list(path.notes)}


def read_aspect(text: str) -> float:
    """Return the width / height that a page sends as text. Raises UserError for what is no such number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 / MOST_ASPECT <= value <= MOST_ASPECT:
        raise UserError(f"The image's width / height is {shorten(text)}: reload the page.")
    return value


def _plain_name(name: str) -> str:
    """Return the name of a file of any system, as every system can write it."""
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w .-]", "_", last)[-MOST_NAME:].strip(". ") or "camera"
