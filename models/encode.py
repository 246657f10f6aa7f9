"""From what the user says to what the network reads: images through the VAE, camera paths to features.

`encode_controls` serves one user's `Controls`; `encode_images`, `reference_latents` and `assemble` are the batched
parts that training uses on the same road, so that what is trained is what is run.

Letters: B clips, C channels, F frames, H W image sides, T h w latent frames and sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..control.bundle import Controls
from ..control.errors import UserError
from ..control.identity.slots import identity_map, reference_image
from .conditioning.condition_streams import Conditions, Stream
from .conditioning.streams import STREAMS_OF
from .conditioning.tokenizers import camera_features
from .vae.latent import normalize_latent


@torch.no_grad()
def encode_images(vae: Any, images: torch.Tensor) -> torch.Tensor:
    """(B, 3, F, H, W) in [0, 1] -> normalized latent (B, 16, T, h, w) float32. F must be 4k+1."""
    weight = next(vae.parameters())
    latent = vae.encode((images * 2 - 1).to(weight.device, weight.dtype))
    return normalize_latent(latent.float())


def encode_stills(vae: Any, images: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) in [0, 1] -> normalized latent of one frame (B, 16, 1, h, w) float32."""
    return encode_images(vae, images[:, :, None])


def gray_to_rgb(clip: torch.Tensor) -> torch.Tensor:
    """(B, 1, F, H, W) -> (B, 3, F, H, W): how a depth clip is shown to the VAE."""
    return clip.expand(-1, 3, -1, -1, -1)


def assemble(
    config: Any,
    camera: torch.Tensor | None = None,
    references: Mapping[int, torch.Tensor] | None = None,
    maps: torch.Tensor | None = None,
    depth: torch.Tensor | None = None,
) -> Conditions:
    """Streams at full strength from their data: camera features (B, T, N), one latent (B, 16, 1, h, w) per slot, the
    latents of identity map and depth clip (B, 16, T, h, w), for a clip of the size that `config` was trained on."""
    streams = []
    if camera is not None:
        streams.append(Stream("camera", camera))
    for slot, latent in sorted((references or {}).items()):
        streams.append(Stream("reference", latent, slot=slot))
    if maps is not None:
        streams.append(Stream("identity_map", maps))
    if depth is not None:
        streams.append(Stream("depth", depth))
    return cut(streams, config, config.geometry)


def cut(streams: Iterable[Stream], config: Any, geometry: tuple[int, int, int]) -> Conditions:
    """The streams as the checkpoint with this config cuts them into tokens, for a latent of `geometry` (T, h, w)."""
    return Conditions(tuple(replace(stream, patch=config.patch_of(stream.name)) for stream in streams), geometry)


@torch.no_grad()
def encode_controls(
    controls: Controls,
    vae: Any,
    config: Any,
    frames: int,
    height: int,
    width: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Conditions:
    """The condition streams of one clip, batch 1, on `device`. `controls` must have passed `validate`.

    Every identity gives one reference stream per image; the identities that have a track share one map, painted in the
    colors of their slots. Identities whose strength or range differ get maps of their own, so that a map fades with
    its identity. A strength of 0 removes the streams: the same as not giving the condition.
    Camera features stay float32. Raises UserError where the checkpoint has no such condition.
    """
    for name in controls.present():
        missing = [stream for stream in STREAMS_OF[name] if stream not in config.streams]
        if missing:
            raise UserError(
                f"This checkpoint does not take the condition {name!r} (its streams: {', '.join(config.streams)}). "
                f"Remove the condition, or load a checkpoint that was trained with it."
            )
    geometry = ((frames - 1) // 4 + 1, height // 8, width // 8)
    streams: list[Stream] = []

    if controls.camera is not None and controls.camera_strength != 0:
        camera = controls.camera.relative()
        features = camera_features(
            torch.from_numpy(np.array(camera.c2w))[None].float(),
            torch.from_numpy(np.array(camera.intrinsics))[None].float(),
            camera.fps,
        )
        start, end = controls.camera_range
        streams.append(Stream("camera", features.to(device), strength=controls.camera_strength, start=start, end=end))

    groups: dict[tuple[float, float, float], list[int]] = {}
    for slot, identity in enumerate(controls.identities):
        if identity.strength == 0:
            continue
        how = {"strength": identity.strength, "start": identity.start, "end": identity.end}
        for index in range(len(identity.images)):
            image = reference_image(identity, height, width, index)
            latent = encode_stills(vae, channels_first(image[None]))
            streams.append(Stream("reference", latent.to(device, dtype), slot=slot, **how))
        if identity.track is not None:
            groups.setdefault(tuple(how.values()), []).append(slot)
    for (strength, start, end), slots in groups.items():
        painted = [i if slot in slots else replace(i, track=None) for slot, i in enumerate(controls.identities)]
        clip = identity_map(painted, frames, height, width)
        latent = encode_images(vae, channels_first(clip).transpose(0, 1)[None])
        streams.append(Stream("identity_map", latent.to(device, dtype), strength=strength, start=start, end=end))

    if controls.depth is not None and controls.depth_strength != 0:
        clip = torch.from_numpy(np.array(controls.depth.values)).float()[None, None]
        latent = encode_images(vae, gray_to_rgb(clip))
        start, end = controls.depth_range
        streams.append(
            Stream("depth", latent.to(device, dtype), strength=controls.depth_strength, start=start, end=end)
        )
    return cut(streams, config, geometry)


def channels_first(images: np.ndarray) -> torch.Tensor:
    """(N, H, W, 3) -> (N, 3, H, W) float32: from control's layout to torch's."""
    return torch.from_numpy(np.array(images)).float().permute(0, 3, 1, 2)
