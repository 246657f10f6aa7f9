"""Conditions onto a model: who may take them, encoding through the host's VAE, and the conditioning entries."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import comfy.model_management
import torch

from ...control.errors import UserError
from ...models.encode import encode_controls
from .base_model import FullDiTModel
from .cond import KEY
from .request import Request

REMEMBERED = 8  # encoded bundles; the K/V cache of the network goes by their identity

_encoded: OrderedDict[tuple, Any] = OrderedDict()


def check_model(model: Any) -> Any:
    """The FullDiTConfig of a MODEL. Raises UserError for any model that is not FullDiT."""
    inner = getattr(model, "model", None)
    if not isinstance(inner, FullDiTModel):
        name = type(inner).__name__ if inner is not None else type(model).__name__
        raise UserError(
            f"This model is a {name}, but conditions need a FullDiT model: only it has the tokens for them. "
            f"Connect the MODEL of Load FullDiT."
        )
    return inner.fulldit


def check_vae(vae: Any, config: Any) -> None:
    """Raise UserError unless `vae` is the one that the checkpoint was trained with."""
    if not config.vae_fingerprint:
        return
    given = vae_fingerprint(vae)
    if given != config.vae_fingerprint:
        raise UserError(
            f"The checkpoint was trained with the VAE {config.vae_fingerprint[:12]}, but the VAE connected is "
            f"{given[:12]}: its latents would mean nothing to the model. Connect the VAE of Load FullDiT."
        )


def vae_fingerprint(vae: Any) -> str:
    """The fingerprint of a host VAE's weights, kept on it after the first time."""
    known = getattr(vae, "fulldit_fingerprint", None)
    if known is None:
        from ...models.vae import fingerprint

        try:
            known = fingerprint(vae.first_stage_model)
        except (AttributeError, TypeError):  # no module at all: a VAE of an API node
            known = hashlib.sha256(type(vae).__name__.encode()).hexdigest()
        vae.fulldit_fingerprint = known
    return known


class HostVAE:
    """The host's VAE with the two things that `encode_controls` asks of one."""

    def __init__(self, vae: Any):
        self.vae = vae

    def parameters(self):
        """Images may come as float32 on the CPU; the host casts and moves them."""
        return iter([torch.empty(0)])

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, F, H, W) in [-1, 1] -> raw latent (B, 16, T, h, w). One clip at a time: the host joins batches."""
        latents = []
        for clip in images:
            comfy.model_management.throw_exception_if_processing_interrupted()
            frames = (clip.permute(1, 2, 3, 0) + 1) / 2
            latents.append(self.vae.encode(frames.contiguous()).float().cpu())
        return torch.cat(latents)


def encode(model: Any, vae: Any, request: Request) -> Any | None:
    """The condition streams of a request, or None where it asks for nothing. Equal requests give the same object.

    Raises UserError for a model that is not FullDiT, another VAE than the checkpoint's, and conditions that the
    checkpoint does not take.
    """
    config = check_model(model)
    if not isinstance(request, Request):
        raise UserError(f"Conditions are a {type(request).__name__}; connect the output of the node Conditions.")
    check_vae(vae, config)
    request.controls.validate(request.frames, request.height, request.width, slots=config.slots)
    if not request.controls.present():
        return None
    key = (request.digest(), vae_fingerprint(vae), tuple(config.streams), config.slots)
    if key in _encoded:
        _encoded.move_to_end(key)
        return _encoded[key]
    streams = encode_controls(request.controls, HostVAE(vae), config, request.frames, request.height, request.width)
    if not streams.streams:  # every strength is 0
        return None
    _encoded[key] = streams
    while len(_encoded) > REMEMBERED:
        _encoded.popitem(last=False)
    return streams


def with_conditions(conditioning: list, conditions: Any | None) -> list:
    """A conditioning whose every entry carries these conditions, and no older ones."""
    out = []
    for text, options in conditioning:
        options = {k: v for k, v in options.items() if k != KEY}
        if conditions is not None:
            options[KEY] = conditions
        out.append([text, options])
    return out


def apply(model: Any, vae: Any, positive: list, negative: list, request: Request) -> tuple[list, list]:
    """(positive with the conditions, negative without any)."""
    conditions = encode(model, vae, request)
    return with_conditions(positive, conditions), with_conditions(negative, None)


def empty_latent(model: Any, request: Request) -> dict[str, torch.Tensor]:
    """The LATENT that a request samples into."""
    config = check_model(model)
    shape = (1, config.in_dim, (request.frames - 1) // 4 + 1, request.height // 8, request.width // 8)
    return {"samples": torch.zeros(shape, device=comfy.model_management.intermediate_device())}
