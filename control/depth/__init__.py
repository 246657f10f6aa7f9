"""Depth clips: one recipe from metric depth, disparity or a rendered image to what the network takes.

normalize.py and measure.py: one range for the whole clip, in bounded memory where wanted. raw.py, extract.py: raw depth
of any source to a clip, in one piece or in chunks. chunks.py, align.py and pack.py: what a chunk hands to the next.
stabilize.py (with scene_flow.py) and flicker.py: depth that does not flicker, and how much it does. readers.py: clips
in files of any kind; files.py, exr.py and png.py: sequences from renderers. geometry.py and along_camera.py: depth from
a camera path; agreement.py: whether the two agree. convert.py: other nodes' geometry in, other models' control images
out.
"""

from .normalize import DepthClip, measure_depth, normalize_depth, normalize_stream, to_disparity

__all__ = ["DepthClip", "measure_depth", "normalize_depth", "normalize_stream", "to_disparity"]
