"""The camera's path estimated from a video, offline and on the CPU.

checks.py refuses what cannot be used. tracks.py tracks points through the frames with OpenCV, patches.py aligns them
with the frame where each was first seen. problem.py holds the tracked points and chooses keyframes. motion_fits.py fits
a camera that stands, rotates or zooms; reconstruction.py fits one that moves freely, starting from the two views of
two_view.py; flat_scene.py tries the other path past a flat scene. bundle_adjustment.py fits cameras and points to all
observations; grouping.py sums its rows by index. refinement.py extends a fit to all frames, with observations that
photometric.py measures again. estimate.py decides between the fits. colmap.py asks pycolmap instead.

Of either fit, assemble.py makes the result (result.py): uncertainty.py gives every pose its deviation, focal.py says
whether the lens is determined and whether it zooms besides, consensus.py whether all parts of the image agree, trust.py
which frames to doubt.
"""

from .checks import METHODS
from .estimate import estimate_camera
from .result import Estimate

__all__ = ["METHODS", "Estimate", "estimate_camera"]
