"""Identities: slots with references and masks, the coloured identity map, and mask keyframes."""

from .slots import SLOT_COLOURS, Identity, identity_map, reference_picture, track_report

__all__ = ["SLOT_COLOURS", "Identity", "identity_map", "reference_picture", "track_report"]
