"""The procedural world: exact video, depth, identity maps, references, camera and captions from a seed.

world.py draws what a scene consists of, cameras.py how the camera moves. trace.py renders a scene from the solids of
solids.py, the patterns of patterns.py and the colors of palette.py. references.py renders the images of the identities,
captions.py describes the scene, clips.py renders batches, export.py writes files.
"""

from .clips import FAR, FPS, Clips, render
from .world import HELD_OUT_SEED, SceneSpec, WorldOptions, make_scene

__all__ = ["FAR", "FPS", "HELD_OUT_SEED", "Clips", "SceneSpec", "WorldOptions", "make_scene", "render"]
