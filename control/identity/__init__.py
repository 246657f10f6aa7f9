"""Identities: slots with references, masks and masklets (a mask per frame of one object), and the colored identity map.

slots.py: who is in the video. reference.py: reference images, cropped. white.py: the same on white, for public models.
objects.py: the masklets of several objects, put into slots. report.py: masklets in numbers and sentences.

Painted masks: shapes.py (shapes as data), shape_json.py (shapes as JSON), raster.py (outlines to coverage), runs.py
(black-and-white images as text), keyframes.py (masks at a few frames), inbetween.py (masks between two), state.py (the
painter's JSON), paint.py (what the painter's nodes do with it), keyframe_selection.py (a masklet as a few keyframes).

Masks along a video: follow.py (what Propagate Mask does), propagate.py (from key to key), walk.py (from frame to
frame), clip_flow.py (the flow that moves them), color_cut.py (their edge, cut anew by color), evidence.py (whether they
are still on their object), doubts.py (the same in sentences). preview.py: masklets as images. mask_input.py: masks as
users connect them. mask_files.py: mask videos in files, mask_images.py of images, mask_clips.py of arrays and videos;
labels.py: which object of several a number or a color stands for.
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
