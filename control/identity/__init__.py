"""Identities: slots with references, masks and tracks, and the coloured identity map."""

from .slots import SLOT_COLOURS, Identity, identity_map, reference_picture, track_report

__all__ = ["SLOT_COLOURS", "Identity", "identity_map", "reference_picture", "track_report"]
