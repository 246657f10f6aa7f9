"""Identities: slots with references, masks and masklets (a mask per frame of one object), and the colored identity map.

slots.py: who is in the video. shapes.py, shape_json.py, raster.py, runs.py: mask shapes as data and their coverage.
keyframes.py, inbetween.py: masks at a few frames and between them. state.py, paint.py: the painter's JSON, and what its
nodes do with it. keyframe_selection.py: masklets as keyframes. propagate.py, clip_flow.py, color_cut.py: masks carried
along a video. follow.py, preview.py: what the nodes for propagation and the identity map do. report.py: masklets in
numbers and sentences. objects.py: several objects as slots. reference.py: references cropped. mask_input.py: masks as
users connect them. mask_files.py: mask videos in files.
"""

from .report import MaskletFigures, NamedMasklet, masklet_figures, masklet_report
from .slots import SLOT_COLORS, Identity, identity_map, reference_image

__all__ = [
    "SLOT_COLORS",
    "Identity",
    "MaskletFigures",
    "NamedMasklet",
    "identity_map",
    "masklet_figures",
    "masklet_report",
    "reference_image",
]
