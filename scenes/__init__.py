"""The procedural world: exact video, depth, identity maps, references, camera and captions from a seed.

world.py draws what a scene consists of (scene_object.py is one object of it), additions.py what world 3 adds to it,
cameras.py how the camera moves. trace.py renders a scene from the solids of solids.py, the patterns of patterns.py and
the colors of palette.py. references.py renders the images of the identities, captions.py describes the scene,
sources.py makes scenes that it could have been made from, clips.py renders batches, export.py writes files. figures.py
poses figures with joints, bodies.py is one for the tracer. surfaces.py says where every pixel's point goes and how it
is turned, control_videos.py makes control videos of that.
"""

from .clips import FAR, Clips, render
from .world import HELD_OUT_SEED, SceneSpec, WorldOptions, make_scene

__all__ = ["FAR", "HELD_OUT_SEED", "Clips", "SceneSpec", "WorldOptions", "make_scene", "render"]
