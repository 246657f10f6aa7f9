"""One object of a scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class SceneObject:
    """An object: solid, two-color pattern, size and motion. `center` (T,3) and `rotation` (T,3,3) object-to-world.

    The reference image shows it rotated by `reference_turn` about the vertical, from `reference_elevation` (radians).
    Of a figure, `gait` says what it does and `joints` (T,20,3) where its joints are (figures.py).
    """

    solid: str
    pattern: str
    colors: tuple[str, str]
    half_size: np.ndarray
    center: np.ndarray
    rotation: np.ndarray
    motion: str
    reference_turn: float
    reference_elevation: float
    gait: str = ""
    joints: np.ndarray | None = None

    def at(self, index: np.ndarray) -> SceneObject:
        """Return the object in these frames alone."""
        joints = None if self.joints is None else self.joints[index]
        return replace(self, center=self.center[index], rotation=self.rotation[index], joints=joints)
