"""What a node shows inside itself, as the host sends it to the page: an image and lines of text."""

from __future__ import annotations

import numpy as np

from ..sockets.arrays import to_tensor
from ..sockets.types import NodeClass, PageMessage


def image_and_text(image: np.ndarray, text: str, node: NodeClass) -> PageMessage:
    """Return the `ui` of a node that shows an image (H, W, 3), 0..1, above a text."""
    from comfy_api.latest import UI

    message: PageMessage = UI.PreviewImage(to_tensor(image[None]), cls=node).as_dict()
    return message | {"text": [text]}
