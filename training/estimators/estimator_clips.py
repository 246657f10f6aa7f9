"""What the estimators learn from: rendered clips with everything exact, cached in shards so that a run can go on.

Generated videos are softer and noisier than renders. `degrade` makes renders look like that, so that what is measured
on a generated video is the video's content and not its sharpness.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ...models.estimators.camera import camera_input, still_disparity, still_frames
from ...models.estimators.perception import Perception
from ...models.weights.tensor_file import read_tensors, write_tensors
from ..common.precision import autocast

# Seeds of their own: the estimators shall not know the generator's training scenes by heart.
FIRST_SEED = 500_000_000
DISPARITY = 4.0  # disparity is learned as 4 / z: about 0 to 2 in the world's units


def degrade(clip: Tensor, generator: torch.Generator, share: float = 0.7) -> Tensor:
    """Return a clip (T, 3, H, W) in [0, 1] disturbed as a generator and a small VAE would, in `share` of the calls:
    blur, noise, blotches, tint."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    if uniform(0, 1) > share:
        return clip
    size = clip.shape[-2:]
    smaller = uniform(1.0, 2.6)
    if smaller > 1.15:
        coarse = [max(8, round(side / smaller)) for side in size]
        clip = F.interpolate(clip, size=coarse, mode="bilinear", antialias=True, align_corners=False)
        mode = "bicubic" if uniform(0, 1) < 0.5 else "bilinear"
        clip = F.interpolate(clip, size=size, mode=mode, align_corners=False)
    blotches = torch.randn(len(clip), 3, size[0] // 8, size[1] // 8, generator=generator)
    still = uniform(0, 1)  # between blotches that stand and blotches that flicker
    blotches = still * blotches[:1] + (1 - still) * blotches
    blotches = F.interpolate(blotches, size=size, mode="bicubic", align_corners=False)
    clip = clip + uniform(0, 0.05) * blotches
    clip = clip + uniform(0, 0.03) * torch.randn(clip.shape, generator=generator)
    gray = clip.mean(1, keepdim=True)
    clip = gray + (clip - gray) * uniform(0.75, 1.2)
    middle = clip.mean()
    clip = middle + (clip - middle) * uniform(0.8, 1.15) + uniform(-0.06, 0.06)
    return clip.clamp(0, 1)


def make_shard(seeds: list[int], frames: int) -> dict[str, Tensor]:
    """Render and measure these scenes; images as bytes, fields as halves.

    frames (N,K,3,H,W), disparity (N,K,H,W), identity (N,K,H,W), references (N,3,3,H,W), reference_masks (N,3,H,W),
    present (N,3); small (N,T,3,h,w) and flow (N,T-1,2,h,w), degraded, for the camera; poses (N,T,3,4), focal (N,T) and
    units (N,T), the median depth of each frame in units of the first's.
    """
    from ...scenes import render

    clips = render(seeds, frames=frames)
    picks = still_frames(frames)  # what perception and identity learn from
    small, flow = [], []
    for seed, clip in zip(seeds, clips.video, strict=True):
        degraded = degrade(clip.transpose(0, 1), torch.Generator().manual_seed(seed))
        images, motion = camera_input(rearrange(degraded, "t c h w -> t h w c").numpy())
        small.append(images)
        flow.append(motion)
    poses, intrinsics = clips.trajectories()
    units = clips.depth.flatten(2).median(2).values

    def as_bytes(values: Tensor) -> Tensor:
        return (values.clamp(0, 1) * 255).round().to(torch.uint8)

    return {
        "frames": as_bytes(clips.video[:, :, picks].transpose(1, 2)),
        "disparity": (DISPARITY / clips.depth[:, picks]).half(),
        "identity": clips.identity[:, picks].to(torch.int8),
        "references": as_bytes(clips.references),
        "reference_masks": as_bytes(clips.reference_masks),
        "present": clips.present,
        "small": as_bytes(torch.stack(small)),
        "flow": torch.stack(flow).half(),
        "poses": poses.float(),
        "focal": intrinsics[..., 0].float().contiguous(),
        "units": (units / units[:, :1]).float(),
    }


@torch.no_grad()
def add_seen_disparity(bank: dict[str, Tensor], perception: Perception, dtype: torch.dtype) -> None:
    """Add `seen_disparity` (N, stills, 32, 48), computed in `dtype`: the depth that the camera network works from, as
    wrong as `perception` sees it."""
    seen = []
    with autocast("cpu", dtype):
        for clip in bank["small"]:
            seen.append(still_disparity(perception, clip.float() / 255).half())
    bank["seen_disparity"] = torch.stack(seen)


def load_bank(
    folder: Path, clips: int, shard: int, frames: int, minutes: float, first_seed: int = FIRST_SEED
) -> dict[str, Tensor]:
    """Return all shards in memory, rendering those that are missing until `minutes` are over (at least one is made)."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    parts: list[dict[str, Tensor]] = []
    for index, first in enumerate(range(0, clips, shard)):
        path = folder / f"shard_{index:04d}.safetensors"
        if not path.exists():
            if parts and time.perf_counter() - start > minutes * 60:
                break
            seeds = range(first_seed + first, first_seed + min(first + shard, clips))
            write_tensors(path, make_shard(list(seeds), frames), {})
            print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)
        parts.append(read_tensors(path))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
