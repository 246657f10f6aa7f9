"""A checkpoint with its VAE and text encoder, ready to generate: conditions in, video out.

Outside ComfyUI this is the one road from `Conditions` to frames; `nodes/` walks the same steps through core's samplers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from ..control.conditions import Conditions
from ..control.errors import UserError
from ..control.story import Story
from .backbone.transformer import FullDiT
from .conditioning.condition_streams import ConditionStreams
from .conditioning.text import TextEncoder
from .conditioning.timed_text import Text, TimedText, story_weights
from .conditioning.umt5 import UMT5, load_umt5
from .config import FullDiTConfig
from .devices import pick_device, pick_dtype
from .encode import encode_conditions
from .experts import check_experts
from .sampling.sampler import Callback, VelocityModel, sample
from .sampling.windows import WindowedModel, Windows
from .vae import VAE, fingerprint, load_vae
from .vae.latent import denormalize_latent
from .weights.attach import attach, check_vae
from .weights.checkpoint import embedded_path, load_model, load_network, named_path, read_config
from .weights.condition_file import read_condition_file
from .weights.tensor_file import read_tensors

VAE_CHANNELS = 16  # of the latents of the VAE that runs here, Wan 2.1's


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
    text: TextEncoder | UMT5
    vae: VAE
    config: FullDiTConfig
    device: torch.device
    dtype: torch.dtype
    second: FullDiT | None = None  # the low-noise expert, where `model` is the high-noise one of a pair

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None = None,
        vae: str | Path | None = None,
        device: str = "auto",
        text_encoder: str | Path | None = None,
    ) -> Pipeline:
        """Load a checkpoint (default: the embedded one; others of the repository by their names) and its VAE.

        text_encoder: UMT5, for a checkpoint that reads it.

        Raises UserError for files that are missing, truncated or foreign, and for a VAE that the checkpoint was not
        trained with: its latents would look like noise to the model.
        """
        chosen = pick_device(device)
        dtype = pick_dtype(chosen)
        path = named_path(str(checkpoint or "fulldit_mini"))
        config = read_config(path)
        _check_alone(config, path.name)
        text: TextEncoder | UMT5
        if config.text == "umt5":
            text = load_umt5(text_encoder, config.text_dim, device=chosen, dtype=dtype)
            model, _ = load_network(path, device=chosen, dtype=dtype)
        else:
            model, text, _ = load_model(path, device=chosen, dtype=dtype)
        autoencoder = load_vae(vae or embedded_path("fulldit_mini_vae"), device=chosen, dtype=dtype)
        if config.vae_fingerprint and fingerprint(autoencoder) != config.vae_fingerprint:
            raise UserError(
                f"The checkpoint was trained with the VAE {config.vae_fingerprint[:12]}, but the VAE given is "
                f"{fingerprint(autoencoder)[:12]}. Use the VAE that came with the checkpoint."
            )
        return cls(model.eval(), text.eval(), autoencoder.eval(), config, chosen, dtype)

    @classmethod
    def attached(
        cls,
        base: str | Path,
        condition_file: str | Path,
        vae: str | Path,
        text_encoder: str | Path | None = None,
        device: str = "auto",
        second: tuple[str | Path, str | Path] | None = None,
    ) -> Pipeline:
        """Load a plain Wan with a condition file on it, its VAE and its text encoder (UMT5).

        second: base and condition file of the low-noise expert, where the others are those of the high-noise one.

        Raises UserError for files that are damaged or something else, for a base or VAE that the condition file does
        not belong to, for experts that are no pair, and where UMT5 or what runs it is missing.
        """
        conditions = read_condition_file(condition_file)
        config = conditions.config
        others = None if second is None else read_condition_file(second[1])
        if others is None:
            _check_alone(config, conditions.name)
        else:
            check_experts(config, others.config)
            check_vae(read_tensors(vae), others, vae)
        chosen = pick_device(device)
        dtype = pick_dtype(chosen)
        if config.in_dim != VAE_CHANNELS:
            raise UserError(
                f"'{conditions.name}' belongs to a Wan with latents of {config.in_dim} channels, whose VAE "
                f"runs in ComfyUI alone: use both files there."
            )
        check_vae(read_tensors(vae), conditions, vae)
        autoencoder = load_vae(vae, device=chosen, dtype=dtype)
        text = load_umt5(text_encoder, config.text_dim, device=chosen, dtype=dtype)
        model = attach(base, conditions, device=chosen, dtype=dtype)
        low = None if second is None or others is None else attach(second[0], others, device=chosen, dtype=dtype)
        return cls(model, text, autoencoder.eval(), config, chosen, dtype, low)

    def of_size(self, frames: int | None = None, height: int | None = None, width: int | None = None) -> Pipeline:
        """Return the same networks with clips of this size as their own; what is None is that of the nearest of the
        trained clips. Raises UserError for a size that does not become whole tokens."""
        video = self.config.asked_video(frames, height, width)
        self.config.geometry.check(video.frames, video.height, video.width)
        own = replace(self.config, frames=video.frames, height=video.height, width=video.width, fps=video.fps)
        return replace(self, config=own)

    @torch.no_grad()
    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        """Return (B, L, text_dim) for a list of prompts."""
        return self.text.encode(prompts).to(self.device, self.dtype)

    def encode_prompt(self, prompt: str | Story, conditions: Conditions) -> tuple[Text, torch.Tensor]:
        """Return the text of a clip, or the texts of a story that was fitted to its video, and the empty text."""
        texts = (prompt,) if isinstance(prompt, str) else prompt.texts
        context = self.encode_text([*texts, ""])
        if isinstance(prompt, str):
            return context[:1], context[1:]
        weights = story_weights(prompt, self.config.geometry, conditions.video.frames, conditions.fps)
        return TimedText(context[:-1, None], weights), context[-1:]

    @torch.no_grad()
    def encode(self, conditions: Conditions) -> ConditionStreams:
        """Return the streams of the conditions. Raises UserError for what the checkpoint cannot take."""
        return encode_conditions(conditions, self.vae, self.config, device=self.device, dtype=self.dtype)

    def generate(
        self,
        prompt: str | Story,
        conditions: Conditions,
        *,
        callback: Callback | None = None,
        **sampling: Any,
    ) -> Result:
        """Generate one clip of the size that `conditions` states.

        sampling: the further arguments of `sample`. callback(step, denoised) is called after every step. Raises
        UserError as `sample` does.
        """
        latent, seconds = self.sample(prompt, conditions, callback=callback, **sampling)
        start = time.perf_counter()
        frames = self.decode(latent)
        seconds["decoding"] = time.perf_counter() - start
        return Result(frames, latent, seconds)

    @torch.no_grad()
    def sample(
        self,
        prompt: str | Story,
        conditions: Conditions,
        *,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        condition_guidance: Mapping[str, float] | None = None,
        first_frame_pass: float | None = None,
        streams: ConditionStreams | None = None,
        windows: Windows | None = None,
        callback: Callback | None = None,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the normalized latent (1, C, T, h, w) of one clip, and seconds by phase.

        None stands for the checkpoint's own value. streams: those of `conditions` where they were encoded before.
        windows: how a long clip is seen, else whole. The noise is drawn on the CPU, so a seed means the same clip on
        every device up to rounding. Raises UserError as `encode` does, and for sampling values out of their ranges.
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
        context, null_context = self.encode_prompt(prompt, conditions)
        networks = [network for network in (self.model, self.second) if network is not None]
        seen: Sequence[VelocityModel] = networks
        if windows is not None:
            seen = [WindowedModel(network, windows) for network in networks]
        latent = sample(
            seen[0],
            noise.to(self.device, self.dtype),
            context,
            null_context,
            streams,
            steps=steps,
            guidance=guidance,
            condition_guidance=condition_guidance or {},
            shift=config.shift,
            first_frame_pass=first_frame_pass,
            callback=callback,
            second=None if self.second is None else seen[1],
            boundary=config.times[0],
        )
        seconds["sampling"] = time.perf_counter() - start
        return latent, seconds

    def decode(self, latent: torch.Tensor) -> np.ndarray:
        """Return (F, H, W, 3) float32 in [0, 1] of a normalized latent (1, C, T, h, w), decoded chunk by chunk."""
        return np.concatenate(list(self.decode_stream(latent)))

    @torch.no_grad()
    def decode_stream(self, latent: torch.Tensor) -> Iterator[np.ndarray]:
        """Yield the frames of `decode` in pieces (f, H, W, 3), so that a long clip need not be in memory."""
        for chunk in self.vae.decode_stream([denormalize_latent(latent).to(self.dtype)]):
            frames = rearrange(chunk.float().clamp(-1, 1).cpu(), "1 c f h w -> f h w c") / 2 + 0.5
            yield frames.contiguous().numpy()


def _check_alone(config: FullDiTConfig, name: str) -> None:
    """Raise UserError for one of a pair of experts, which samples nothing by itself."""
    if config.expert:
        raise UserError(
            f"'{name}' is for the {config.expert} expert of a pair, and both sample together: give the high-noise "
            f"model and its condition file, and the low-noise ones besides (--low-noise-model and "
            f"--low-noise-condition-file)."
        )
