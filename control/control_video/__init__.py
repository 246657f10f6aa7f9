"""Control videos: what a clip's edges, poses, regions, normals or movements are to be, as pictures frame by frame.

kinds.py: which kinds there are. detect.py: from a user's footage or masks to a control video, by kind. edges.py draws
the edges of images in five ways, flow.py colors optical flow, tracks.py follows points and draws them, skeleton.py
draws poses, regions.py masks and boxes, drawing.py holds what these share.
"""

from .kinds import KINDS, ControlVideo

__all__ = ["KINDS", "ControlVideo"]
