"""A vision-language model of transformers in this process, such as Qwen2.5-VL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.media import to_bytes
from ...models.devices import pick_device


def open_local_model(place: str, most_tokens: int = 1024) -> Callable[[Sequence[np.ndarray], str], str]:
    """Return a model of a folder or repository as a captioner. Raises UserError where it cannot be loaded."""
    try:
        from PIL import Image
        from transformers import pipeline
    except ImportError as error:
        raise UserError(
            "captions by a model in this process need 'transformers' and 'pillow': pip install transformers pillow, or"
            " give the address of a server"
        ) from error
    try:
        run: Any = pipeline("image-text-to-text", model=place, device=pick_device())
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"'{place}' cannot be loaded as a model of images and text ({str(error)[:200]})") from error

    def caption(images: Sequence[np.ndarray], prompt: str) -> str:
        content: list[dict[str, Any]] = [{"type": "image", "image": Image.fromarray(to_bytes(one))} for one in images]
        messages = [{"role": "user", "content": [*content, {"type": "text", "text": prompt}]}]
        found = run(text=messages, max_new_tokens=most_tokens, return_full_text=False)
        return str(found[0]["generated_text"])

    return caption
