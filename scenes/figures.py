"""Figures with joints: how they are built, and how they walk, wave or jump. Numbers only (numpy).

A figure stands in the unit box of solids.py: the soles at y = 1, the top of the head at y = -1, facing -z, so that its
right side is at negative x. Joints (T, 20, 3) are OpenPose's 18 points, then the pelvis and the middle of the head.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..control.control_video.skeleton import POINTS

JOINTS = (*POINTS, "pelvis", "head")
_AT = {name: index for index, name in enumerate(JOINTS)}
# The parts of a body: from a joint to a joint, with a radius. Shoulders and hips come with the trunk.
PARTS: tuple[tuple[int, int, float], ...] = tuple(
    (_AT[first], _AT[second], radius)
    for first, second, radius in (
        ("head", "head", 0.185),
        ("neck", "pelvis", 0.2),
        ("right shoulder", "left shoulder", 0.1),
        *((f"{side} shoulder", f"{side} elbow", 0.095) for side in ("right", "left")),
        *((f"{side} elbow", f"{side} wrist", 0.085) for side in ("right", "left")),
        *((f"{side} hip", f"{side} knee", 0.12) for side in ("right", "left")),
        *((f"{side} knee", f"{side} ankle", 0.1) for side in ("right", "left")),
    )
)
FACE = ("nose", "right eye", "left eye", "right ear", "left ear")
_HEAD, _NECK, _PELVIS = -0.815, -0.45, 0.0
_SHOULDER, _HIP = (0.27, -0.5), (0.13, 0.06)  # out and down
_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.36, 0.34, 0.44, 0.4


def _direction(swing: np.ndarray, spread: np.ndarray, side: int) -> np.ndarray:
    """Return (T, 3): straight down, swung forward and then spread outward by angles (T,) in radians."""
    swing, spread = np.broadcast_arrays(swing, spread)
    return np.stack(
        [side * np.sin(spread) * np.cos(swing), np.cos(spread) * np.cos(swing), -np.sin(swing)],
        -1,
    )


class _Limb:
    """Angles (T,) in degrees of an arm or a leg: of its upper part, and how much the lower part differs."""

    def __init__(self, swing: object = 0.0, spread: object = 8.0, bend: object = 0.0, turn: object = 0.0):
        self.swing, self.spread, self.bend, self.turn = (
            np.radians(np.asarray(v, float)) for v in (swing, spread, bend, turn)
        )

    def joints(self, root: np.ndarray, lengths: tuple[float, float], side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the middle and the end (T, 3) of a limb that begins at `root` (3,)."""
        middle = root + lengths[0] * _direction(self.swing, self.spread, side)
        return middle, middle + lengths[1] * _direction(self.swing + self.bend, self.spread + self.turn, side)


# Arms and legs, right and left, of a wave (T,) between -1 and 1.
_Limbs = tuple[_Limb, _Limb, _Limb, _Limb]


def _rest(wave: np.ndarray) -> _Limbs:
    return _Limb(spread=18), _Limb(spread=18), _Limb(), _Limb()


def _walk(wave: np.ndarray) -> _Limbs:
    arms = [_Limb(side * 38 * wave, 14, bend=25) for side in (-1, 1)]
    legs = [_Limb(side * 30 * wave, 4, bend=-18 * (1 - side * wave)) for side in (1, -1)]
    return arms[0], arms[1], legs[0], legs[1]


def _wave(wave: np.ndarray) -> _Limbs:
    return _Limb(spread=115, turn=25 + 40 * wave), _Limb(spread=18), _Limb(), _Limb()


def _jump(wave: np.ndarray) -> _Limbs:
    arms, legs = _Limb(spread=80 + 55 * wave, turn=8), _Limb(spread=16 + 13 * wave)
    return arms, arms, legs, legs


def _row(wave: np.ndarray) -> _Limbs:
    arms = [_Limb(spread=90 + side * 45 * wave) for side in (1, -1)]
    return arms[0], arms[1], _Limb(), _Limb()


GAITS: dict[str, Callable[[np.ndarray], _Limbs]] = {"walks": _walk, "waves": _wave, "jumps": _jump, "sways": _row}


def pose(gait: str, wave: np.ndarray, mirrored: bool = False) -> np.ndarray:
    """Return the joints (T, 20, 3) of a gait, or of a figure at rest where it is '', for a wave (T,) in -1..1."""
    limbs = GAITS.get(gait, _rest)(wave)
    if mirrored:
        limbs = limbs[1], limbs[0], limbs[3], limbs[2]
    joints = np.zeros((len(wave), len(JOINTS), 3))
    joints[:, _AT["neck"], 1], joints[:, _AT["pelvis"], 1], joints[:, _AT["head"], 1] = _NECK, _PELVIS, _HEAD
    ends = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for pair, (out, down), lengths, names in zip(
        (limbs[:2], limbs[2:]), (_SHOULDER, _HIP), ((_UPPER_ARM, _FOREARM), (_THIGH, _SHIN)), ends, strict=True
    ):
        for limb, (side, sign) in zip(pair, (("right", -1), ("left", 1)), strict=True):
            root = np.array([sign * out, down, 0.0])
            places = (np.broadcast_to(root, (len(wave), 3)), *limb.joints(root, lengths, sign))
            for name, place in zip(names, places, strict=True):
                joints[:, _AT[f"{side} {name}"]] = place
    _set_face(joints)
    return joints


def _set_face(joints: np.ndarray) -> None:
    """Put the points of the face on the head, which looks along -z."""
    radius = PARTS[0][2]
    for name, (x, y, z) in {
        "nose": (0.0, 0.1, -1.0),
        "right eye": (-0.38, -0.2, -0.9),
        "left eye": (0.38, -0.2, -0.9),
        "right ear": (-0.98, 0.0, 0.0),
        "left ear": (0.98, 0.0, 0.0),
    }.items():
        joints[:, _AT[name]] = joints[:, _AT["head"]] + radius * np.array([x, y, z])
