"""The camera's path estimated from a video, offline and on the CPU.

tracks.py tracks points through the frames with OpenCV, patches.py aligns them with the frame where each was first seen.
problem.py holds the tracked points and chooses keyframes. motion_fits.py fits a camera that stands, rotates or zooms;
reconstruction.py fits one that moves freely, starting from the two views of two_view.py. bundle_adjustment.py fits
cameras and points to all observations; grouping.py sums its rows by index. refinement.py extends a fit to all frames,
with observations that photometric.py measures again. estimate.py decides between the fits and reports. colmap.py asks
pycolmap instead.
"""

from .estimate import METHODS, Estimate, estimate_camera

__all__ = ["METHODS", "Estimate", "estimate_camera"]
