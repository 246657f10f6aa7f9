"""Fit a few keyframes to a dense path, for an editor."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from ..errors import UserError
from ..files import JsonObject
from . import rotations
from .presets import PRESETS, SUBJECT, preset
from .splines import Keyframe, Vector, path_through_keyframes
from .trajectory import CameraTrajectory

# Frames of a preset to which the editor's keyframes are fitted.
PRESET_FRAMES = 65


def fit_keyframes(
    trajectory: CameraTrajectory,
    max_shift: float = 0.004,
    max_degrees: float = 0.2,
    max_keyframes: int = 33,
    turns: str = "fluid",
) -> list[Keyframe]:
    """Return few keyframes whose path stays within `max_shift` (units of the path) and `max_degrees` of the trajectory.

    Keyframes are added where the path is worst until it fits or there are `max_keyframes`. A camera that faces the
    subject (the point at distance 1 before the first pose) all the time while it moves gets keyframes that look at it.
    Raises UserError for fewer than 2.
    """
    if max_keyframes < 2:
        raise UserError(f"a path was to be made of {max_keyframes} keys; at least 2 were expected")
    path = trajectory.relative()
    keyframes = _keyframe_per_frame(path)
    chosen = sorted({0, path.frames - 1})
    while True:
        fitted = path_through_keyframes([keyframes[frame] for frame in chosen], path.frames, path.fps, turns=turns)
        error = _error(fitted, path, max_shift, max_degrees)
        error[chosen] = 0
        if error.max() <= 1 or len(chosen) >= max_keyframes:
            return [keyframes[frame] for frame in chosen]
        chosen = sorted({*chosen, int(error.argmax())})


def _keyframe_per_frame(path: CameraTrajectory) -> list[Keyframe]:
    """Return each frame's pose and lens as a keyframe, rounded for an editor."""
    times = np.linspace(0, 1, path.frames) if path.frames > 1 else np.zeros(1)
    facing = _faces_subject(path)
    angles = rotations.to_pan_tilt_roll(path.c2w[:, :, :3])
    keyframes = []
    for time, position, turn, fov in zip(times, path.c2w[:, :, 3], angles, path.fov()[:, 0], strict=True):
        keyframe = Keyframe(float(time), _rounded(position, 5), fov=round(float(fov), 3))
        aimed = replace(keyframe, target=_rounded(SUBJECT, 5)) if facing else replace(keyframe, turn=_rounded(turn, 4))
        keyframes.append(aimed)
    return keyframes


def _rounded(vector: np.ndarray, digits: int) -> Vector:
    # Adding 0 turns -0 into 0.
    x, y, z = (np.round(vector, digits) + 0.0).tolist()
    return x, y, z


def _error(fitted: CameraTrajectory, path: CameraTrajectory, max_shift: float, max_degrees: float) -> np.ndarray:
    """Return how far each pose (F,) is off, as a multiple of what is allowed."""
    position = np.linalg.norm(fitted.c2w[:, :, 3] - path.c2w[:, :, 3], axis=1) / max_shift
    rotation = np.degrees(rotations.angle_between(fitted.c2w[:, :, :3], path.c2w[:, :, :3])) / max_degrees
    fov = np.abs(fitted.fov()[:, 0] - path.fov()[:, 0]) / (2 * max_degrees)
    error: np.ndarray = np.max([position, rotation, fov], axis=0)
    return error


def _faces_subject(path: CameraTrajectory) -> bool:
    """Return whether the camera moves and the subject stays in the center of its upright image."""
    rotation, position = path.c2w[:, :, :3], path.c2w[:, :, 3]
    if np.abs(position - position[:1]).max() < 1e-6 or np.linalg.norm(SUBJECT - position, axis=1).min() < 1e-3:
        return False
    error = rotations.angle_between(rotations.look_at_rotation(SUBJECT - position), rotation)
    return float(np.degrees(error).max()) < 1e-4


def preset_editor_states() -> dict[str, JsonObject]:
    """Return the presets as states of the editor, {name: {"doc", "state"}}: see `preset_states_json`."""
    states = {}
    for name, entry in PRESETS.items():
        if name == "handheld":  # a shake, not a movement to edit
            continue
        keyframes = fit_keyframes(preset(name, frames=PRESET_FRAMES, ease="linear"))
        state = {"format": "fulldit-camera", "version": 1, "ease": "smooth", "turns": "fluid"}
        states[name] = {"doc": entry.doc, "state": {**state, "keys": [_to_json(keyframe) for keyframe in keyframes]}}
    return states


def trajectory_to_editor_state(trajectory: CameraTrajectory) -> str:
    """Return the text of the editor's state whose keyframes fit a trajectory; see `fit_keyframes`."""
    keys = [_to_json(keyframe) for keyframe in fit_keyframes(trajectory)]
    return json.dumps({"format": "fulldit-camera", "version": 1, "ease": "linear", "turns": "fluid", "keys": keys})


def _to_json(keyframe: Keyframe) -> JsonObject:
    value: JsonObject = {"time": round(keyframe.time, 6), "position": list(keyframe.position)}
    if keyframe.target is not None:
        value["target"] = list(keyframe.target)
    elif any(keyframe.turn):
        value["turn"] = list(keyframe.turn)
    return {**value, "fov": keyframe.fov}


def preset_states_json() -> str:
    """Return the text of `web/camera_path/presets.json`: one line per preset."""
    states = preset_editor_states().items()
    lines = [f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}" for name, entry in states]
    return "{\n" + ",\n".join(lines) + "\n}\n"
