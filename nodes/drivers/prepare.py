"""Conditions as images for core's nodes: exactly of the video's size, so that their center crop does nothing.

All are IMAGE tensors (frames, height, width, 3) or MASK tensors (frames, height, width), 0..1.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import comfy.model_management
import numpy as np
import torch

from ...control.conditions import (
    Conditions,
    ControlVideoCondition,
    DepthCondition,
    IdentityCondition,
    KnownFramesCondition,
    SourceCondition,
)
from ...control.identity import Identity
from ...control.identity.white import mask_union, on_white, pad_white, white_canvas
from ..bridge.conditioning import vae_fingerprint
from ..sockets.arrays import to_gray_images, to_tensor

REMEMBERED = 32  # encoded images and clips

_encoded: OrderedDict[tuple[str, str], torch.Tensor] = OrderedDict()


class CachedVAE:
    """A host VAE that remembers what it encoded, by the pixels: a new prompt or seed costs no encoding.

    What core's nodes ask of a VAE beside `encode` is the VAE's own.
    """

    def __init__(self, vae: Any):
        self.vae = vae
        self._fingerprint = vae_fingerprint(vae)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vae, name)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the raw latent of an IMAGE, which the caller may change."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        key = (self._fingerprint, _pixel_digest(pixels))
        if key not in _encoded:
            _encoded[key] = self.vae.encode(pixels).cpu()
            while len(_encoded) > REMEMBERED:
                _encoded.popitem(last=False)
        _encoded.move_to_end(key)
        return _encoded[key].to(comfy.model_management.intermediate_device(), copy=True)


def _pixel_digest(pixels: torch.Tensor) -> str:
    """A hash of frames, one after the other: a whole clip would be copied for it."""
    total = hashlib.sha256(repr((tuple(pixels.shape), pixels.dtype)).encode())
    for frame in pixels.detach():
        total.update(frame.contiguous().cpu().view(torch.uint8).numpy().data)
    return total.hexdigest()


def identities_of(conditions: Conditions) -> tuple[Identity, ...]:
    """Return the identities that have an effect."""
    condition = conditions.get(IdentityCondition)
    return tuple(one for one in condition.identities if one.strength) if condition is not None else ()


def reference_arrays(conditions: Conditions) -> list[np.ndarray]:
    """Return every reference image (H, W, 3) in its own proportions, cut out on white by its mask."""
    return [on_white(one, index) for one in identities_of(conditions) for index in range(len(one.images))]


def references(conditions: Conditions) -> list[torch.Tensor]:
    """Return every reference as an IMAGE of one frame, in its own proportions."""
    return [to_tensor(image[None]) for image in reference_arrays(conditions)]


def padded_references(conditions: Conditions) -> list[torch.Tensor]:
    """Return every reference as an IMAGE of one frame, padded with white to the video's size."""
    video = conditions.video
    return [to_tensor(pad_white(image, video.height, video.width)[None]) for image in reference_arrays(conditions)]


def reference_canvas(conditions: Conditions) -> torch.Tensor:
    """Return all references on one white IMAGE of the video's size; without any it is plain white."""
    video, images = conditions.video, reference_arrays(conditions)
    if not images:
        return torch.ones(1, video.height, video.width, 3)
    return to_tensor(white_canvas(images, video.height, video.width)[None])


def has_depth(conditions: Conditions) -> bool:
    """Return whether there is a depth that has an effect, without making images of it."""
    depth = conditions.get(DepthCondition)
    return depth is not None and depth.active


def has_source(conditions: Conditions) -> bool:
    """Return whether there is a source video that has an effect."""
    source = conditions.get(SourceCondition)
    return source is not None and source.active


def has_region(conditions: Conditions) -> bool:
    """Return whether an identity that has an effect has a mask video."""
    return any(one.mask_video is not None for one in identities_of(conditions))


def depth_video(conditions: Conditions) -> torch.Tensor | None:
    """Return the depth as a gray IMAGE, near bright; None without depth."""
    depth = conditions.get(DepthCondition)
    if depth is None or not depth.active:
        return None
    return to_gray_images(depth.clip.values)


def control_images(conditions: Conditions) -> torch.Tensor | None:
    """Return the first control video that has an effect as an IMAGE, else the depth; None without either."""
    control = conditions.get(ControlVideoCondition)
    videos = [] if control is None else [one for one in control.videos if one.strength]
    return to_tensor(videos[0].frames) if videos else depth_video(conditions)


def source_video(conditions: Conditions) -> torch.Tensor | None:
    """Return the source video as an IMAGE; None without one."""
    source = conditions.get(SourceCondition)
    return None if source is None or not source.active else to_tensor(source.frames)


def known_frames(conditions: Conditions) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return what is known of the video as an IMAGE, gray elsewhere, and a MASK of it; None where nothing is."""
    known = conditions.get(KnownFramesCondition)
    if known is None or not known.active:
        return None
    return to_tensor(known.shown(conditions.video)), torch.from_numpy(known.region(conditions.video))


def region_mask(conditions: Conditions) -> torch.Tensor | None:
    """Return the union of all mask videos as a MASK; None where no identity has one."""
    union = mask_union(identities_of(conditions), conditions.video)
    return None if union is None else torch.from_numpy(np.ascontiguousarray(union))
