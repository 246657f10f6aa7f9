"""Public models made small: core's own networks with random weights, saved under their real keys.

dim 256 with heads 128 wide, as core derives the number of heads; text of the real width, so that nothing is overridden.
"""

from __future__ import annotations

import hashlib
import importlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WIDTHS = {"dim": 256, "ffn_dim": 512, "num_layers": 4, "num_heads": 2, "text_dim": 4096}
# VACE's projections are scaled up: its references act through few tokens, below the noise of random weights otherwise.
VACE_GAIN = 8.0


UNI3C = {
    "conv_out_dim": 256,
    "dim": 128,
    "ffn_dim": 256,
    "num_heads": 2,
    "num_layers": 3,
    "time_embed_dim": 256,
    "out_proj_dim": 256,
    "mid_channels": 32,
}

# What the networks of each kind are made with, beside the widths.
KINDS = {
    "t2v": ("WanModel", {}),
    "vace": ("VaceWanModel", {"vace_layers": 2, "vace_in_dim": 96}),
    "fun-camera": ("CameraWanModel", {"model_type": "camera", "in_dim": 32}),
    "fun-camera-2.2": ("CameraWanModel", {"model_type": "camera_2.2", "in_dim": 36}),
    "fun-control": ("WanModel", {"model_type": "i2v", "in_dim": 48}),
    "fun-control-v1.1": ("WanModel", {"model_type": "i2v", "in_dim": 48, "in_dim_ref_conv": 16}),
    "fun-control-2.2": ("WanModel", {"in_dim": 52, "in_dim_ref_conv": 16}),
    "scail-2": ("SCAIL2WanModel", {}),
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


def write_camera_wan(path: Path, seed: int = 7, blocks: Iterable[int] = range(4)) -> Path:
    """Save a tiny ReCamMaster and return its path. blocks: those with camera layers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({**wan_weights(), **camera_layers(seed, blocks)}, path)
    return path


def camera_layers(seed: int = 7, blocks: Iterable[int] = range(4)) -> dict[str, torch.Tensor]:
    """The layers of ReCamMaster beside those of Wan, in these blocks."""
    numbers, dim, state = torch.Generator().manual_seed(seed), WIDTHS["dim"], {}
    for block in (f"blocks.{number}" for number in blocks):
        state[f"{block}.cam_encoder.weight"] = torch.randn(dim, 12, generator=numbers) * 0.3
        state[f"{block}.cam_encoder.bias"] = torch.randn(dim, generator=numbers) * 0.1
        state[f"{block}.projector.weight"] = torch.eye(dim) + torch.randn(dim, dim, generator=numbers) / 32
        state[f"{block}.projector.bias"] = torch.randn(dim, generator=numbers) * 0.1
    return state


def uni3c_weights(seed: int = 4) -> dict[str, torch.Tensor]:
    """The weights of a tiny Uni3C by core's own class: 3 blocks, as wide as the tiny Wan outside."""
    import comfy.ops
    from comfy.ldm.wan.uni3c import WanUni3CControlnet

    network = WanUni3CControlnet(**UNI3C, device="cpu", dtype=torch.float32, operations=comfy.ops.manual_cast)
    numbers = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=numbers) / (math.sqrt(value[0].numel()) if value.ndim > 1 else 4)
        for name, value in network.state_dict().items()
    }


def write_families(folder: Path) -> Path:
    """Save one file for each kind of keys that the references and depth come to, under names that tell nothing."""
    write_wan(folder / "plain.safetensors")
    write_wan(folder / "vace.safetensors", "vace")
    return folder


def fp8_scaled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of the blocks as fp8 with a scale per layer, as ComfyUI's repackaged files have them."""
    quantized = {"scaled_fp8": torch.empty(2, dtype=torch.float8_e4m3fn)}
    for name, value in state.items():
        if value.ndim == 2 and "blocks." in name:
            scale = value.abs().max() / 448
            quantized[name] = (value / scale).to(torch.float8_e4m3fn)
            quantized[name.replace(".weight", ".scale_weight")] = scale.float()
        else:
            quantized[name] = value
    return quantized


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
    """A host VAE in a few lines: colors of blocks and of 4 frames, as channels. Fast, and tells images apart."""

    latent_channels = 16

    def __init__(self, channels: int = 16, spatial: int = 8):
        self.latent_channels, self.spatial = channels, spatial
        self.mix = torch.randn(channels, 3, generator=torch.Generator().manual_seed(3))
        self.seen: list[tuple[int, ...]] = []

    def spacial_compression_encode(self) -> int:
        return self.spatial

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """(F, H, W, 3) to (1, C, T, H/spatial, W/spatial)."""
        self.seen.append(tuple(pixels.shape))
        frames = pixels[..., :3].float().movedim(-1, 1) * 2 - 1
        small = torch.nn.functional.avg_pool2d(frames, self.spatial)
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


# ---- as the host has them --------------------------------------------------------------------------------------------


def module(name: str) -> Any:
    """A module of the pack as the host loaded it."""
    from .conftest import PACK  # here: the server loads this file alone, for generated_data.py

    return importlib.import_module(f"{PACK}.{name}")


def load(path: Path, family: str | None = None) -> Any:
    """A MODEL by core's own loader, with the family that the user says."""
    import comfy.sd

    model = comfy.sd.load_diffusion_model(str(path))
    return module("nodes.bridge.families").choose_family(model, family) if family else model


def model_of(folder: Path, family: str) -> Any:
    """A fresh MODEL of a family, from the files of `write_families`."""
    if family == "vace":
        return load(folder / "vace.safetensors")
    if family == "wan-depth-lora":
        return with_depth_lora(load(folder / "plain.safetensors", "wan-t2v"))
    return load(folder / "plain.safetensors", family)


def with_depth_lora(model: Any) -> Any:
    """A clone of a MODEL with the depth control LoRA."""
    import comfy.sd

    return comfy.sd.load_lora_for_models(model, None, depth_lora(), 1.0, 0.0)[0]


def windowed(
    model: Any,
    fuse: str = "pyramid",
    schedule: str = "standard_static",
    length: int = 3,
    overlap: int = 1,
    stride: int = 1,
    closed_loop: bool = False,
    cond_retain: str = "",
    latent_retain: str = "",
    split: bool = False,
    freenoise: bool = False,
    causal_window_fix: bool = False,
) -> Any:
    """A clone of a MODEL with core's context windows."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode

    return ContextWindowsManualNode.execute(
        model,
        length,
        overlap,
        schedule,
        stride,
        closed_loop,
        fuse,
        2,
        freenoise,
        cond_retain,
        split,
        latent_retain,
        causal_window_fix,
    ).args[0]
