"""The camera's path estimated from a video, offline and on the CPU.

tracks.py tracks points through the frames (OpenCV; patches.py aligns them), problem.py holds them and chooses
keyframes. motion_fits.py fits a camera that stands, rotates or zooms, reconstruction.py one that moves, from two views
(two_view.py: MAGSAC) on; bundle_adjustment.py fits cameras and points to all observations (numpy; grouping.py sums by
index). refinement.py measures patches again in place (photometric.py) and extends the fit to all frames. estimate.py
decides between the fits and reports; colmap.py asks pycolmap instead.
"""

from .estimate import METHODS, Estimate, estimate_camera

__all__ = ["METHODS", "Estimate", "estimate_camera"]
