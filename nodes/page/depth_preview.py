"""What a depth node shows inside itself: a few frames of its result, and what it has to say."""

from __future__ import annotations

from typing import Any

import numpy as np
from comfy_api.latest import UI

from ...control.identity.preview import tile_frames
from ..sockets.arrays import to_tensor


def show_depth(values: np.ndarray, report: str, cls: Any) -> dict[str, Any]:
    """The page's message for depth (F, H, W), near = 1; the recipe at a report's end is for the outputs alone."""
    images = tile_frames(np.broadcast_to(values[..., None], (*values.shape, 3)))
    text = report.split("\nRecipe: ")[0]
    return UI.PreviewImage(to_tensor(images[None]), cls=cls).as_dict() | {"text": [text]}
