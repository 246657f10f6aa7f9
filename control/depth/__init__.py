"""Depth clips: one recipe from metric depth, disparity or a rendered image to what the network takes.

normalize.py and measure.py: one range for the whole clip, in bounded memory where wanted. align.py and chunks.py: long
clips in chunks, as one. stabilize.py (with flow.py) and flicker.py: depth that does not flicker, and how much it does.
files.py and exr.py: sequences from renderers. geometry.py: depth from a camera path, and whether the two agree.
convert.py: other nodes' geometry in, other models' control images out.
"""

from .normalize import DepthClip, measure_depth, normalize_depth, normalize_stream, to_disparity

__all__ = ["DepthClip", "measure_depth", "normalize_depth", "normalize_stream", "to_disparity"]
