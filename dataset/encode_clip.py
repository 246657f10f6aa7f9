"""A clip of a manifest encoded for training: what a generator learns from, as one sample of a shard."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange

from ..control.conditions import CameraCondition
from ..models.conditioning.encoder import VideoEncoder, encode_frames
from ..models.config import FullDiTConfig
from .clip_conditions import FittedClip
from .clip_source import STREAM, stream_tensors
from .manifest import Clip
from .shards.sample import Sample
from .text_rows import text_rows
from .text_states import without_padding

CAPTION_BYTES = 1024  # of each caption: a structured one is some hundred words


@torch.no_grad()
def encode_clip(
    clip: Clip,
    fitted: FittedClip,
    vae: VideoEncoder,
    vae_fingerprint: str,
    config: FullDiTConfig,
    encode_text: Callable[[str], torch.Tensor] | None = None,
) -> Sample:
    """Return a clip, fitted to the config's size, encoded with the conditions that it has.

    encode_text: a text encoder, where states of the captions, and of no words, are to be cached besides
    (text_states.py).
    """
    frames = rearrange(torch.from_numpy(fitted.frames), "f h w c -> 1 c f h w")
    tensors = {"video": encode_frames(vae, frames)[0].to("cpu", torch.bfloat16).contiguous()}
    tensors |= {STREAM + key: data for key, data in stream_tensors(fitted.conditions, vae, config).items()}
    camera = fitted.conditions.get(CameraCondition)
    if camera is not None:
        tensors["c2w"] = torch.tensor(camera.trajectory.c2w, dtype=torch.float32)
        tensors["intrinsics"] = torch.tensor(camera.trajectory.intrinsics, dtype=torch.float32)
    full = clip.captions.get("full", "")
    plain = clip.captions.get("plain") or full
    tensors["captions"], tensors["plain_captions"] = text_rows([full, plain], CAPTION_BYTES)
    if encode_text is not None:
        tensors["text"], tensors["plain_text"] = encode_text(full), encode_text(plain)
        tensors["no_text"] = without_padding(encode_text(""))
    size = config.frames, config.height, config.width
    tokens = config.geometry.tokens(config.latent_size)
    return Sample(clip.id, tensors, size, tokens, vae_fingerprint, clip.to_json())
