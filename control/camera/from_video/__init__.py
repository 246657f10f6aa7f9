"""The camera's path found from a video, offline and on the CPU.

tracks.py follows points through the frames (OpenCV), two_view.py starts from two of them (MAGSAC), bundle.py fits
cameras and points to all of them (numpy), models.py decides what kind of movement it is, estimate.py leads through it
and reports, colmap.py asks pycolmap instead.
"""

from .estimate import METHODS, Estimate, estimate_camera

__all__ = ["METHODS", "Estimate", "estimate_camera"]
