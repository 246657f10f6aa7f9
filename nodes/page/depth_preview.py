"""What a depth node shows inside itself: a few frames of its result, and its report."""

from __future__ import annotations

import numpy as np

from ...control.identity.preview import tile_frames
from ..sockets.types import NodeClass, PageMessage
from .messages import image_and_text


def show_depth(values: np.ndarray, report: str, node: NodeClass) -> PageMessage:
    """Return the `ui` of a node with depth (F, H, W), near = 1, and its report without the recipe at the end."""
    frames = np.broadcast_to(values[..., None], (*values.shape, 3))  # a view: of a long clip only a few are drawn
    return image_and_text(tile_frames(frames), report.split("\nRecipe: ")[0], node)
