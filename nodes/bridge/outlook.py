"""The memory that a step needs, as core estimates it, against what the device has: said before anything is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import comfy.model_management
import comfy.sampler_helpers

from ...control.files import size_text

NOTABLE = 0.5  # share of the device's memory from which on an estimate is worth a line


def memory_lines(model: Any, shape: Sequence[int], passes: Mapping[str, Any] | None = None) -> list[str]:
    """Return a sentence about the memory of one step for a latent of `shape` (1, C, T, h, w), where that is much.

    passes: CONDITIONING by name, whose own share then counts.
    """
    conds = {name: comfy.sampler_helpers.convert_cond(entries) for name, entries in (passes or {}).items()}
    _, needed = comfy.sampler_helpers.estimate_memory(model, list(shape), conds)
    whole = comfy.model_management.get_total_memory(model.load_device)
    if needed < NOTABLE * whole:
        return []
    if needed > whole:
        return [
            f"One step needs about {size_text(needed)} beside the weights, but the device has {size_text(whole)}: make "
            f"the video smaller or shorter, or use context windows."
        ]
    return [f"One step needs about {size_text(needed)} beside the weights; the device has {size_text(whole)}."]
