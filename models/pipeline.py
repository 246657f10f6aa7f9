"""A checkpoint with its VAE and text encoder, ready to generate: controls in, video out.

Outside ComfyUI this is the one road from `Controls` to images; `nodes/` walks the same steps through core's samplers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..control.bundle import Controls
from ..control.errors import UserError
from .backbone.transformer import FullDiT
from .conditioning.condition_streams import Conditions
from .conditioning.text import TextEncoder
from .config import FullDiTConfig
from .devices import pick_device, pick_dtype
from .encode import encode_controls
from .sampling.sampler import sample
from .vae import VAE, fingerprint, load_vae
from .vae.latent import denormalize_latent
from .weights.checkpoint import embedded_path, load_model


@dataclass
class Result:
    """`frames` (F, H, W, 3) float32 in [0, 1], the final `latent` (1, 16, T, h, w), and `seconds` per phase."""

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
        place = pick_device(device)
        dtype = pick_dtype(place)
        model, text, config = load_model(checkpoint or embedded_path("fulldit_mini"), device=place, dtype=dtype)
        autoencoder = load_vae(vae or embedded_path("fulldit_mini_vae"), device=place, dtype=dtype)
        if config.vae_fingerprint and fingerprint(autoencoder) != config.vae_fingerprint:
            raise UserError(
                f"The checkpoint was trained with the VAE {config.vae_fingerprint[:12]}, but the VAE given is "
                f"{fingerprint(autoencoder)[:12]}. Use the VAE that came with the checkpoint."
            )
        return cls(model.eval(), text.eval(), autoencoder.eval(), config, place, dtype)

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(channels, T, h, w) of the latent of a clip."""
        return self.config.in_dim, (frames - 1) // 4 + 1, height // 8, width // 8

    @torch.no_grad()
    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        """(B, L, text_dim) for a list of prompts."""
        return self.text.encode(prompts).to(self.device, self.dtype)

    @torch.no_grad()
    def encode(self, controls: Controls, frames: int, height: int, width: int) -> Conditions | None:
        """The condition streams of `controls`, or None where nothing is asked. Validates first."""
        controls.validate(frames, height, width, slots=self.config.slots)
        if not controls.present():
            return None
        return encode_controls(
            controls, self.vae, self.config, frames, height, width, device=self.device, dtype=self.dtype
        )

    @torch.no_grad()
    def generate(
        self,
        prompt: str,
        controls: Controls,
        *,
        frames: int,
        height: int,
        width: int,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        condition_guidance: dict[str, float] | None = None,
        first_frame_pass: float | None = None,
        conditions: Conditions | None = None,
        callback: Callable[[int, torch.Tensor], None] | None = None,
    ) -> Result:
        """Generate one clip. `conditions`, where given, are the streams of `controls` encoded before.

        `callback(step, denoised)` is called after every step. The noise is drawn on the CPU, so a seed means the same
        clip on every device up to rounding.
        """
        seconds = {}
        start = time.perf_counter()
        if conditions is None:
            conditions = self.encode(controls, frames, height, width)
        seconds["conditions"] = time.perf_counter() - start

        start = time.perf_counter()
        noise = torch.randn(1, *self.latent_shape(frames, height, width), generator=torch.Generator().manual_seed(seed))
        context = self.encode_text([prompt, ""])
        latent = sample(
            self.model,
            noise.to(self.device, self.dtype),
            context[:1],
            context[1:],
            conditions,
            steps=self.config.steps if steps is None else steps,
            guidance=self.config.guidance if guidance is None else guidance,
            condition_guidance=condition_guidance or {},
            shift=self.config.shift,
            first_frame_pass=self.config.first_frame_pass if first_frame_pass is None else first_frame_pass,
            callback=callback,
        )
        seconds["sampling"] = time.perf_counter() - start

        start = time.perf_counter()
        images = self.decode(latent)
        seconds["decoding"] = time.perf_counter() - start
        return Result(images, latent, seconds)

    @torch.no_grad()
    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """(1, 16, T, h, w) normalized latent -> (F, H, W, 3) float32 in [0, 1], decoded chunk by chunk."""
        chunks = [
            chunk.float().clamp(-1, 1).cpu()
            for chunk in self.vae.decode_stream([denormalize_latent(latent).to(self.dtype)])
        ]
        images = torch.cat(chunks, 2)[0] / 2 + 0.5
        return images.permute(1, 2, 3, 0).contiguous().numpy()
