"""Camera movement: trajectories, presets, splines through keyframes, and the file formats of other programs.

trajectory.py is the path itself, with the composition and inversion of poses. lens.py fits its lens to an image,
rotations.py converts rotations, interpolate.py makes poses between poses, even_times.py brings poses with times of
their own to even steps, plucker.py makes the rays of every pixel.

presets.py makes movements by name, sequence.py several movements from one line of text, shake.py a handheld camera;
easing.py spreads a movement over its time, edit.py transforms a path. splines.py leads a path through keyframes
(cubic_curves.py and rotation_splines.py are its curves), fit_keyframes.py turns a path back into keyframes.

motion_range.py is the movement that a model was trained on. describe.py puts a path into words, for which runs.py cuts
its curves into runs. sockets.py converts the cameras of ComfyUI's sockets. `formats/` reads and writes camera files,
`from_video/` estimates a path from a video.
"""

from .trajectory import CameraTrajectory

__all__ = ["CameraTrajectory"]
