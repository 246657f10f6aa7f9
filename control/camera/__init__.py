"""Camera movement: trajectories, presets, splines through keyframes, and the file formats of other programs."""

from .trajectory import CameraTrajectory

__all__ = ["CameraTrajectory"]
