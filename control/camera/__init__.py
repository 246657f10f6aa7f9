"""Camera movement: trajectories, presets, splines through keyframes, and the file formats of other programs.

trajectory.py (the path, composition and inversion of poses), rotations.py, interpolate.py (poses between poses),
presets.py (movements by name), sequence.py (several movements from one line of text), shake.py (handheld), easing.py,
edit.py (transforms of a path), splines.py (paths through keyframes; cubic_curves.py and rotation_splines.py are their
curves), fit_keyframes.py (from a path back to keyframes), motion_range.py (what a model was trained on), plucker.py,
sockets.py (cameras of ComfyUI's sockets); formats/ reads and writes files, from_video/ estimates a path from a video.
"""

from .trajectory import CameraTrajectory

__all__ = ["CameraTrajectory"]
