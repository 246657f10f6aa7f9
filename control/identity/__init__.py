"""Identities: slots with references, masks and tracks, and the colored identity map.

slots.py (who is in the video), shapes.py, raster.py, runs.py (mask shapes as data), keyframes.py, inbetween.py (masks
at a few frames and between them), state.py, paint.py (the painter's JSON, and what its nodes do with it), propagate.py,
flow.py (masks carried along a video), report.py (what a track looks like in numbers and sentences), edit.py (masks
combined, grown, mended), choose.py (tracks as keyframes), objects.py (several objects as slots), reference.py
(references cropped), given.py (masks as users connect them), follow.py, preview.py (what the nodes for propagation and
the identity map do).
"""

from .report import NamedTrack, TrackFigures, track_figures, track_report
from .slots import SLOT_COLORS, Identity, identity_map, reference_image

__all__ = [
    "SLOT_COLORS",
    "Identity",
    "NamedTrack",
    "TrackFigures",
    "identity_map",
    "reference_image",
    "track_figures",
    "track_report",
]
