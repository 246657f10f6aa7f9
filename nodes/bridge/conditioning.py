"""Conditions onto a model: who may take them, encoding through the host's VAE, and the conditioning entries."""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import comfy.model_management
import torch
from einops import rearrange

from ...control.camera.motion_range import motion_range_warnings
from ...control.conditions import CameraCondition, Conditions
from ...control.errors import UserError
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.config import FullDiTConfig
from ...models.encode import check_conditions, encode_conditions, trained_range_warnings
from ...models.sampling.kept import kept_of
from ...models.vae.latent import denormalize_latent
from ...models.weights.weight_sample import sample_vae
from ..sockets.cameras import camera_motion_range
from .base_model import FullDiTModel
from .cond import KEY

REMEMBERED = 8  # encoded conditions; the K/V cache of the network goes by their identity

_encoded: OrderedDict[tuple[object, ...], ConditionStreams] = OrderedDict()


def config_of(model: Any) -> FullDiTConfig:
    """Return the config of a MODEL. Raises UserError for any model that is not FullDiT."""
    inner = getattr(model, "model", None)
    if not isinstance(inner, FullDiTModel):
        name = type(inner).__name__ if inner is not None else type(model).__name__
        raise UserError(
            f"This model is a {name}, but conditions need a FullDiT model: only it has the tokens for them. "
            f"Connect the MODEL of Load FullDiT."
        )
    return inner.fulldit


def model_warnings(conditions: Conditions, model: Any) -> list[str]:
    """Return sentences about what lies beyond the clips that a MODEL was trained on: size, length, camera movement."""
    warnings = trained_range_warnings(conditions, config_of(model))
    camera, motion_range = conditions.get(CameraCondition), camera_motion_range(model)
    if camera is not None and motion_range is not None:
        warnings += motion_range_warnings(camera.trajectory.relative(), motion_range)
    return warnings


def check_vae(vae: Any, model: Any) -> None:
    """Raise UserError unless `vae` is the one that a FullDiT MODEL was trained with."""
    config = config_of(model)
    if not config.vae_fingerprint:
        return
    fingerprint = vae_fingerprint(vae)
    # A condition file also knows its VAE in other number formats.
    sample = model.model.vae_sample
    same = sample is not None and sample_vae(vae.first_stage_model.state_dict()).agrees_with(sample)
    if fingerprint != config.vae_fingerprint and not same:
        raise UserError(
            f"The checkpoint was trained with the VAE {config.vae_fingerprint[:12]}, but the VAE connected is "
            f"{fingerprint[:12]}: its latents would mean nothing to the model. Connect the VAE of Load FullDiT."
        )


def vae_fingerprint(vae: Any) -> str:
    """Return the fingerprint of a host VAE's weights, kept on it; without weights one of its own."""
    known: str | None = getattr(vae, "fulldit_fingerprint", None)
    if known is None:
        from ...models.vae import fingerprint

        try:
            known = fingerprint(vae.first_stage_model)
        except (AttributeError, TypeError):  # no module at all: a VAE of an API node
            known = hashlib.sha256(uuid.uuid4().bytes).hexdigest()
        vae.fulldit_fingerprint = known
    return known


class HostVAE:
    """The host's VAE as a `VideoEncoder`."""

    def __init__(self, vae: Any):
        self.vae = vae

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yield one weight: frames may come as float32 on the CPU, since the host casts and moves them."""
        return iter([torch.empty(0)])

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the raw latent (B, C, T, h, w) of frames (B, 3, F, H, W) in [-1, 1].

        One clip at a time: the host takes what it gets for one.
        """
        latents = []
        for clip in frames:
            comfy.model_management.throw_exception_if_processing_interrupted()
            images = (rearrange(clip, "c f h w -> f h w c") + 1) / 2
            latents.append(self.vae.encode(images.contiguous()).float().cpu())
        return torch.cat(latents)


def encode(model: Any, vae: Any, conditions: Conditions) -> ConditionStreams | None:
    """Return the streams of the conditions, or None where nothing is asked. Equal ones give the same object.

    Raises UserError for a model that is not FullDiT, another VAE than the checkpoint's, and conditions that the
    checkpoint does not take.
    """
    config = config_of(model)
    if not isinstance(conditions, Conditions):
        raise UserError(f"The conditions are a {type(conditions).__name__}; connect the output of the node Conditions.")
    check_vae(vae, model)
    check_conditions(conditions, config)
    # Two checkpoints on one VAE may cut their streams in other ways.
    key = (conditions.digest(), vae_fingerprint(vae), config.encoding_key)
    if key in _encoded:
        _encoded.move_to_end(key)
        return _encoded[key]
    streams = encode_conditions(conditions, HostVAE(vae), config)
    if not streams.streams:  # none is given, or every strength is 0
        return None
    _encoded[key] = streams
    while len(_encoded) > REMEMBERED:
        _encoded.popitem(last=False)
    return streams


Conditioning = list[list[Any]]  # the host's CONDITIONING: [text, options] entries


def with_conditions(conditioning: Conditioning, streams: ConditionStreams | None) -> Conditioning:
    """Return a conditioning whose every entry carries these streams, and no older ones."""
    entries = []
    for text, options in conditioning:
        options = {k: v for k, v in options.items() if k != KEY}
        if streams is not None:
            options[KEY] = streams
        entries.append([text, options])
    return entries


def latent_of(model: Any, conditions: Conditions, streams: ConditionStreams | None) -> dict[str, torch.Tensor]:
    """Return the LATENT that the conditions' video is sampled into: empty, or with what is known and is kept, and a
    noise mask around it."""
    config, video = config_of(model), conditions.video
    size = config.geometry.latent_size(video.frames, video.height, video.width)
    empty = torch.zeros(1, config.in_dim, *size, device=comfy.model_management.intermediate_device())
    kept = kept_of(streams, empty)
    mask = kept.mask.to(empty)
    if not mask.any():
        return {"samples": empty}
    return {"samples": denormalize_latent(kept.latent.to(empty)) * mask, "noise_mask": 1 - mask}
