"""A checkpoint with its VAE and text encoder, ready to generate: conditions in, video out.

Outside ComfyUI this is the one road from `Conditions` to frames; `nodes/` walks the same steps through core's samplers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange

from ..control.conditions import Conditions
from ..control.errors import UserError
from .backbone.transformer import FullDiT
from .conditioning.condition_streams import ConditionStreams
from .conditioning.text import TextEncoder
from .config import FullDiTConfig
from .devices import pick_device, pick_dtype
from .encode import encode_conditions
from .sampling.sampler import sample
from .vae import VAE, fingerprint, load_vae
from .vae.latent import denormalize_latent
from .weights.checkpoint import embedded_path, load_model


@dataclass
class Result:
    """`frames` (F, H, W, 3) float32 in [0, 1], the final `latent` (1, C, T, h, w), and `seconds` per phase."""

    frames: np.ndarray
    latent: torch.Tensor
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Pipeline:
    """The networks of one checkpoint on one device."""

    model: FullDiT
    text: TextEncoder
    vae: VAE
    config: FullDiTConfig
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def load(
        cls, checkpoint: str | Path | None = None, vae: str | Path | None = None, device: str = "auto"
    ) -> Pipeline:
        """Load a checkpoint (default: the embedded one) and its VAE.

        Raises UserError for files that are missing, truncated or foreign, and for a VAE that the checkpoint was not
        trained with: its latents would look like noise to the model.
        """
        chosen = pick_device(device)
        dtype = pick_dtype(chosen)
        model, text, config = load_model(checkpoint or embedded_path("fulldit_mini"), device=chosen, dtype=dtype)
        autoencoder = load_vae(vae or embedded_path("fulldit_mini_vae"), device=chosen, dtype=dtype)
        if config.vae_fingerprint and fingerprint(autoencoder) != config.vae_fingerprint:
            raise UserError(
                f"The checkpoint was trained with the VAE {config.vae_fingerprint[:12]}, but the VAE given is "
                f"{fingerprint(autoencoder)[:12]}. Use the VAE that came with the checkpoint."
            )
        return cls(model.eval(), text.eval(), autoencoder.eval(), config, chosen, dtype)

    @torch.no_grad()
    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        """Return (B, L, text_dim) for a list of prompts."""
        return self.text.encode(prompts).to(self.device, self.dtype)

    @torch.no_grad()
    def encode(self, conditions: Conditions) -> ConditionStreams:
        """Return the streams of the conditions. Raises UserError for what the checkpoint cannot take."""
        return encode_conditions(conditions, self.vae, self.config, device=self.device, dtype=self.dtype)

    @torch.no_grad()
    def generate(
        self,
        prompt: str,
        conditions: Conditions,
        *,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        condition_guidance: Mapping[str, float] | None = None,
        first_frame_pass: float | None = None,
        streams: ConditionStreams | None = None,
        callback: Callable[[int, torch.Tensor], object] | None = None,
    ) -> Result:
        """Generate one clip of the size that `conditions` states. None stands for the checkpoint's own value.

        streams: those of `conditions` where they were encoded before. callback(step, denoised) is called after every
        step. The noise is drawn on the CPU, so a seed means the same clip on every device up to rounding. Raises
        UserError as `encode` does, and for sampling values out of their ranges.
        """
        config, video = self.config, conditions.video
        steps, guidance, first_frame_pass = config.sampling_values(steps, guidance, first_frame_pass)
        for scale in (condition_guidance or {}).values():
            config.sampling_values(guidance=scale)
        seconds = {}
        start = time.perf_counter()
        if streams is None:
            streams = self.encode(conditions)
        seconds["conditions"] = time.perf_counter() - start

        start = time.perf_counter()
        size = config.geometry.latent_size(video.frames, video.height, video.width)
        noise = torch.randn(1, config.in_dim, *size, generator=torch.Generator().manual_seed(seed))
        context = self.encode_text([prompt, ""])
        latent = sample(
            self.model,
            noise.to(self.device, self.dtype),
            context[:1],
            context[1:],
            streams,
            steps=steps,
            guidance=guidance,
            condition_guidance=condition_guidance or {},
            shift=config.shift,
            first_frame_pass=first_frame_pass,
            callback=callback,
        )
        seconds["sampling"] = time.perf_counter() - start

        start = time.perf_counter()
        frames = self.decode(latent)
        seconds["decoding"] = time.perf_counter() - start
        return Result(frames, latent, seconds)

    @torch.no_grad()
    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """Return (F, H, W, 3) float32 in [0, 1] of a normalized latent (1, C, T, h, w), decoded chunk by chunk."""
        chunks = [
            chunk.float().clamp(-1, 1).cpu()
            for chunk in self.vae.decode_stream([denormalize_latent(latent).to(self.dtype)])
        ]
        frames = rearrange(torch.cat(chunks, 2), "1 c f h w -> f h w c") / 2 + 0.5
        return frames.contiguous().numpy()
