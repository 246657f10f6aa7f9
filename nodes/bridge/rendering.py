"""Rendering along a camera path on the host's device; what the camera of a bundle of conditions sees is remembered."""

from __future__ import annotations

from collections import OrderedDict
from weakref import WeakKeyDictionary

import comfy.model_management
import torch

from ...control.conditions import Conditions
from ...models.rendering import RenderedClip, render_conditions, rendering_digest
from ..progress import progress

WORKING_MEMORY = 2**29  # bytes, on a GPU
REMEMBERED = 2**30  # bytes of images; the latest are kept whatever they take

_rendered: OrderedDict[str, RenderedClip] = OrderedDict()
_digests: WeakKeyDictionary[Conditions, str] = WeakKeyDictionary()  # hashing long videos takes a while


def rendering_device() -> torch.device:
    """Return the host's GPU with room to work, else the CPU: other devices lack the z-buffer's 64-bit maximum."""
    device = torch.device(comfy.model_management.get_torch_device())
    if device.type != "cuda":
        return torch.device("cpu")
    comfy.model_management.free_memory(WORKING_MEMORY, device)
    return device


def remembered_rendering(conditions: Conditions) -> RenderedClip:
    """Return `render_conditions` of a bundle, rendered once: a new prompt, seed, strength or range renders nothing.

    The result is shared, so nobody may change it. Raises UserError as `render_conditions` does.
    """
    if conditions not in _digests:
        _digests[conditions] = rendering_digest(conditions)
    digest = _digests[conditions]
    if digest not in _rendered:
        with progress(conditions.video.frames) as step:
            _rendered[digest] = render_conditions(conditions, rendering_device(), step)
    _rendered.move_to_end(digest)
    while len(_rendered) > 1 and sum(one.images.nbytes for one in _rendered.values()) > REMEMBERED:
        _rendered.popitem(last=False)
    return _rendered[digest]
