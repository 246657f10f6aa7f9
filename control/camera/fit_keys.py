"""From a dense path back to a few keys, for an editor."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..errors import UserError
from . import rotations
from .presets import PRESETS, SUBJECT, preset
from .splines import Key, path_through
from .trajectory import CameraTrajectory

FRAMES = 65


def fit_keys(
    trajectory: CameraTrajectory, shift: float = 0.004, degrees: float = 0.2, most: int = 33, turns: str = "fluid"
) -> list[Key]:
    """The fewest keys found whose path stays within `shift` (units of the path) and `degrees` of the trajectory.

    Keys are added where the path is worst until it holds or there are `most`. A camera that faces the subject (the
    point at distance 1 before the first pose) all the time while it moves gets keys that look at it. Raises UserError
    for `most` below 2.
    """
    if most < 2:
        raise UserError(f"a path was to be made of {most} keys; at least 2 were expected")
    path = trajectory.relative()
    rotation, position = path.c2w[:, :, :3], path.c2w[:, :, 3]
    times = np.linspace(0, 1, path.frames) if path.frames > 1 else np.zeros(1)
    facing = _faces_subject(rotation, position)
    fov = path.fov()[:, 0]

    def key(frame: int) -> Key:
        place = tuple(float(value) for value in np.round(position[frame], 5) + 0.0)
        lens = round(float(fov[frame]), 3)
        if facing:
            return Key(float(times[frame]), place, tuple(map(float, SUBJECT)), fov=lens)
        turn = tuple(float(value) for value in np.round(turn_of(rotation[frame]), 4) + 0.0)
        return Key(float(times[frame]), place, turn=turn, fov=lens)

    chosen = sorted({0, path.frames - 1})
    while True:
        keys = [key(frame) for frame in chosen]
        made = path_through(keys, path.frames, path.fps, turns=turns)
        error = np.maximum(
            np.linalg.norm(made.c2w[:, :, 3] - position, axis=1) / shift,
            np.degrees(rotations.angle_between(made.c2w[:, :, :3], rotation)) / degrees,
        )
        error = np.maximum(error, np.abs(made.fov()[:, 0] - fov) / (2 * degrees))
        error[chosen] = 0
        if error.max() <= 1 or len(chosen) >= most:
            return keys
        chosen = sorted({*chosen, int(error.argmax())})


def _faces_subject(rotation: np.ndarray, position: np.ndarray) -> bool:
    if np.abs(position - position[:1]).max() < 1e-6 or np.linalg.norm(SUBJECT - position, axis=1).min() < 1e-3:
        return False
    return float(np.degrees(rotations.angle_between(rotations.looking(SUBJECT - position), rotation)).max()) < 1e-4


def turn_of(matrix: np.ndarray) -> np.ndarray:
    """Pan, tilt and roll in degrees (3,) of a rotation (3, 3), as keys have them. Straight up or down, roll is 0."""
    tilt = np.arcsin(np.clip(-matrix[1, 2], -1, 1))
    if abs(matrix[1, 2]) > 1 - 1e-12:
        return np.degrees([np.arctan2(-matrix[2, 0], matrix[0, 0]), tilt, 0.0])
    return np.degrees([np.arctan2(matrix[0, 2], matrix[2, 2]), tilt, np.arctan2(matrix[1, 0], matrix[1, 1])])


def preset_states() -> dict[str, dict[str, Any]]:
    """The presets as states of the editor, {name: {"doc", "state"}}: what `web/camera_path/presets.json` holds."""
    made = {}
    for name, movement in PRESETS.items():
        if name == "handheld":  # an unrest, not a movement to edit
            continue
        keys = fit_keys(preset(name, frames=FRAMES, ease="linear"))
        state = {"format": "fulldit-camera", "version": 1, "ease": "smooth", "turns": "fluid"}
        made[name] = {"doc": movement.doc, "state": {**state, "keys": [_plain(key) for key in keys]}}
    return made


def _plain(key: Key) -> dict[str, Any]:
    value = {"time": round(key.time, 6), "position": list(key.position)}
    if key.target is not None:
        value["target"] = list(key.target)
    elif any(key.turn):
        value["turn"] = list(key.turn)
    return {**value, "fov": key.fov}


def preset_file() -> str:
    """The text of that file: a line per preset."""
    lines = [f"{json.dumps(n)}:{json.dumps(entry, separators=(',', ':'))}" for n, entry in preset_states().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
