"""What a camera sees along a path, rendered from an image or a clip and its depth. On any device, without a network.

depth_clip.py is the whole of it for what sockets carry: depth in any unit in, a report out; along.py does the same with
distances. views.py says where one camera's pixels are in another. surface.py makes small squares of depth, splat.py
finds the square that each pixel sees, places.py the place in it and its color. workers.py works on frames side by side.
bundle.py renders the source video of a bundle of conditions along its camera.
"""

from .along import Rendering, render_along
from .bundle import NEEDED, lacks, moves_camera, render_conditions, rendering_digest
from .depth_clip import RenderedClip, hole_warnings, render_clip

__all__ = [
    "NEEDED",
    "RenderedClip",
    "Rendering",
    "hole_warnings",
    "lacks",
    "moves_camera",
    "render_along",
    "render_clip",
    "render_conditions",
    "rendering_digest",
]
