"""Depth clips: one recipe from metric depth, disparity or a rendered picture to what the network takes."""

from .normalise import DepthClip, normalise_depth, to_disparity

__all__ = ["DepthClip", "normalise_depth", "to_disparity"]
