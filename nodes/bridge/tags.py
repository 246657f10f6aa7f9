"""Checkpoints that core loads as plain Wan, in silence, marked as what they are.

Core loads them as before, for whoever wants that; this pack's nodes refuse them by name, whichever loader was used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.supported_models

from ...models.families.rules import DROPPED_KEYS

TAG = "fulldit_family"  # on core's model and its config: the family that core does not know
_BASES = ("WAN21_T2V", "WAN21_I2V", "WAN22_T2V")


def register_tags() -> None:
    """Put, once, a class for each such family and base before core's own."""
    models = comfy.supported_models.models
    if any(hasattr(model, TAG) for model in models):
        return
    for name in _BASES:
        base = getattr(comfy.supported_models, name, None)
        if base is not None:
            models[:0] = [_tagged(base, family, keys) for family, keys in DROPPED_KEYS.items()]


def _tagged(base: Any, family: str, keys: tuple[str, ...]) -> Any:
    """A class of core's model configs that only files with all of these keys match."""

    class Tagged(base):
        """Loads as its base does."""

        required_keys = {"{}" + key for key in keys}

        def get_model(self, state_dict: Mapping[str, Any], prefix: str = "", device: Any = None) -> Any:
            """Return core's model, marked."""
            model = super().get_model(state_dict, prefix, device)
            setattr(model, TAG, family)
            return model

    setattr(Tagged, TAG, family)
    Tagged.__name__ = f"{base.__name__}_{family}"
    return Tagged
