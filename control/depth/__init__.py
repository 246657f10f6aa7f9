"""Depth clips: one recipe from metric depth, disparity or a rendered image to what the network takes.

raw.py is depth before anything is done to it. extract.py turns it into a clip, in one piece or in chunks. normalize.py
brings the whole clip to one range, which measure.py finds in bounded memory. chunks.py is what one chunk must know of
those before it; align.py fits its scale and shift, pack.py stores its state as JSON.

stabilize.py removes flicker with the flow of scene_flow.py, flicker.py measures it. geometry.py carries depth along a
camera path, along_camera.py makes a clip of that, scale.py says at which distances its values are. agreement.py checks
that a path and a depth clip belong together.

readers.py reads clips in files of any kind; files.py reads sequences of renderers, depth cameras and datasets, whose
numbers conventions.py explains and whose images image_formats.py opens: exr.py (exr_header.py is the beginning of such
an image, exr_channels.py finds the depth among its channels), png.py, netpbm.py. whole_numbers.py tells distances from
nearness by their range, colormaps.py reads depth back that was shown in colors. convert.py takes the geometry of other
nodes and makes the control images of other models.
"""

from .normalize import DepthClip, measure_depth, normalize_depth, normalize_stream, to_disparity

__all__ = ["DepthClip", "measure_depth", "normalize_depth", "normalize_stream", "to_disparity"]
