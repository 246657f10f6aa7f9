"""Public models made small: core's own networks with random weights, saved under their real keys.

dim 256 with heads 128 wide, as core derives the number of heads; text of the real width, so that nothing is overridden.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

WIDTHS = {"dim": 256, "ffn_dim": 512, "num_layers": 4, "num_heads": 2, "text_dim": 4096}
# VACE's projections are scaled up: its references act through few tokens, below the noise of random weights otherwise.
VACE_GAIN = 8.0


# What the networks of each kind are made with, beside the widths.
KINDS = {
    "t2v": ("WanModel", {}),
    "vace": ("VaceWanModel", {"vace_layers": 2, "vace_in_dim": 96}),
    "fun-camera": ("CameraWanModel", {"model_type": "camera", "in_dim": 32}),
    "fun-camera-2.2": ("CameraWanModel", {"model_type": "camera_2.2", "in_dim": 36}),
    "fun-control": ("WanModel", {"model_type": "i2v", "in_dim": 48}),
    "fun-control-v1.1": ("WanModel", {"model_type": "i2v", "in_dim": 48, "in_dim_ref_conv": 16}),
    "fun-control-2.2": ("WanModel", {"in_dim": 52, "in_dim_ref_conv": 16}),
}


def wan_weights(kind: str = "t2v", seed: int = 0, **changes: int) -> dict[str, torch.Tensor]:
    """The weights of a tiny Wan of one of KINDS; 't2v' has Phantom's and Bernini-R's keys as well."""
    import comfy.ldm.wan.model as wan
    import comfy.ops

    settings = {**WIDTHS, "operations": comfy.ops.manual_cast, "device": "cpu", "dtype": torch.float32, **changes}
    name, own = KINDS[kind]
    network = getattr(wan, name)(**own, **settings)
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in network.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        if name.endswith("modulation"):
            state[name] = drawn * 0.3
        elif value.ndim == 1:
            state[name] = drawn * 0.1 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        else:
            gain = VACE_GAIN if "after_proj" in name or "vace_patch" in name else 1.0
            state[name] = drawn * gain / math.sqrt(value[0].numel())
    return state


def write_wan(path: Path, kind: str = "t2v", seed: int = 0, **changes: int) -> Path:
    """Save a tiny Wan and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(wan_weights(kind, seed, **changes), path)
    return path


def depth_lora(channels: int = 32, seed: int = 5) -> dict[str, torch.Tensor]:
    """A depth control LoRA under the keys of spacepxl's: it widens the patch embedding."""
    generator = torch.Generator().manual_seed(seed)
    rank, dim = 4, WIDTHS["dim"]
    base = "diffusion_model.patch_embedding"
    return {
        f"{base}.lora_A.weight": torch.randn(rank, channels * 4, generator=generator) * 0.3,
        f"{base}.lora_B.weight": torch.randn(dim, rank, generator=generator) * 0.3,
        f"{base}.reshape_weight": torch.tensor([dim, channels, 1, 2, 2]),
    }


class FakeVAE:
    """A host VAE in a few lines: colors of 8x8 blocks and of 4 frames, as 16 channels. Fast, and tells images apart."""

    latent_channels = 16

    def __init__(self, channels: int = 16):
        self.latent_channels = channels
        self.mix = torch.randn(channels, 3, generator=torch.Generator().manual_seed(3))
        self.seen: list[tuple[int, ...]] = []

    def spacial_compression_encode(self) -> int:
        return 8

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """(F, H, W, 3) to (1, C, T, H/8, W/8)."""
        self.seen.append(tuple(pixels.shape))
        frames = pixels[..., :3].float().movedim(-1, 1) * 2 - 1
        small = torch.nn.functional.avg_pool2d(frames, 8)
        groups = [small[:1], *(small[start : start + 4] for start in range(1, len(small), 4))]
        latent = torch.stack([group.mean(0) for group in groups], 1)
        return torch.einsum("dc,cthw->dthw", self.mix, latent)[None]


class FakeCLIP:
    """A host CLIP whose states differ for every text."""

    def __init__(self, width: int = 4096):
        self.width = width

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, text: str) -> list:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "little")
        states = torch.randn(1, 16, self.width, generator=torch.Generator().manual_seed(seed))
        return [[states, {}]]
