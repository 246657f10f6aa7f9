"""Encoded clips on disk: shards of latents, camera paths and captions, written once and read by the generator's
training.

A shard is `shard_00012.safetensors` with N clips. Its metadata names the VAE's fingerprint and the seeds, so that
latents of another VAE are never mixed in. Shards appear whole or not at all, and the reader looks for new ones at the
start of every epoch: encoding may go on while the generator trains. Letters: N clips, K slots, F frames, T h w latent
frames and sides.
"""

from __future__ import annotations

import bisect
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ..control.errors import UserError
from ..control.identity.slots import SLOTS
from ..models.encode import encode_images, encode_stills, gray_to_rgb
from ..models.vae.latent import denormalize_latent
from ..models.vae.vae_file import fingerprint
from ..models.weights.tensor_file import read_metadata, read_tensors, write_tensors
from ..scenes import HELD_OUT_SEED, WorldOptions, render

# Distance from an empty map's latent above which a place of the latent belongs to an object: half of a full color's.
PAINTED = 5.0
LATENTS = ("video", "depth", "identity_map", "references")


@torch.no_grad()
def encode_clips(vae, clips, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """Everything the generator learns from, of a batch of rendered clips.

    video, depth, identity_map (N, 16, T, h, w) and references (N, K, 16, h, w) in bfloat16, normalized; present (N, K);
    c2w (N, F, 3, 4) relative and in units, intrinsics (N, F, 4) float32; captions as rows of bytes.
    Slots that are empty hold zeros and are never read.
    """
    found = {
        "video": encode_images(vae, clips.video),
        "depth": encode_images(vae, gray_to_rgb(clips.disparity())),
        "identity_map": encode_images(vae, clips.identity_maps()),
    }
    stills = encode_stills(vae, clips.references[clips.present])[:, :, 0]
    references = stills.new_zeros(*clips.present.shape, *stills.shape[1:])
    references[clips.present] = stills
    found["references"] = references
    found = {name: value.to("cpu", torch.bfloat16).contiguous() for name, value in found.items()}
    c2w, intrinsics = clips.trajectories()
    found["c2w"] = c2w.float().cpu().contiguous()
    found["intrinsics"] = intrinsics.float().cpu().contiguous()
    found["present"] = clips.present.to(torch.uint8).cpu()
    found["captions"] = text_rows(clips.captions)
    found["plain_captions"] = text_rows(clips.plain_captions)
    return found


def text_rows(texts: Sequence[str], length: int = 256) -> torch.Tensor:
    """(N, length) uint8: UTF-8, cut at `length`, padded with zeros."""
    rows = torch.zeros(len(texts), length, dtype=torch.uint8)
    for row, text in zip(rows, texts, strict=True):
        data = text.encode()[:length]
        row[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else row[:0]
    return rows


def row_text(row: torch.Tensor) -> str:
    """The text of one row of `text_rows`."""
    return bytes(row.tolist()).rstrip(b"\0").decode(errors="ignore")


def write_shards(
    vae,
    folder: Path,
    clips: int,
    shard: int = 64,
    first_seed: int = 0,
    batch: int = 16,
    size: tuple[int, int, int] = (17, 64, 96),
    device: torch.device | str = "cpu",
    report: Callable[[int, float], None] | None = None,
    several: int = 0,
) -> int:
    """Render and encode `clips` clips into `folder`, `shard` to a file; shards that are there are kept.

    The last `several` clips (counted in whole shards) show at least two objects: only these teach which reference
    belongs where.
    `report(clips, clips per second)` is called after every shard.
    Returns the number of clips in the folder. Raises UserError when the folder holds latents of another VAE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = fingerprint(vae)
    frames, height, width = size
    began, made = time.time(), 0
    for index in range(-(-clips // shard)):
        path = folder / f"shard_{index:05d}.safetensors"
        if path.exists():
            check_shard(path, mark)
            continue
        first = first_seed + index * shard
        seeds = list(range(first, min(first + shard, first_seed + clips)))
        parts = []
        options = WorldOptions(objects=(2, SLOTS)) if index * shard >= clips - several else None
        for at in range(0, len(seeds), batch):
            some = seeds[at : at + batch]
            rendered = render(some, frames=frames, height=height, width=width, device=device, options=options)
            parts.append(encode_clips(vae, rendered, device))
        tensors = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        metadata = {"vae": mark, "seeds": f"{seeds[0]}..{seeds[-1]}", "size": json.dumps(size)}
        write_tensors(path, tensors, metadata)
        made += len(seeds)
        if report is not None:
            report(min((index + 1) * shard, clips), made / (time.time() - began))
    return len(EncodedClips(folder, mark)) if any(folder.glob("shard_*.safetensors")) else 0


def check_shard(path: Path, mark: str | None) -> dict[str, str]:
    """The metadata of a shard. Raises UserError when it belongs to another VAE."""
    metadata = read_metadata(path)
    if mark is not None and metadata.get("vae") != mark:
        raise UserError(
            f"{path.parent} holds latents of another VAE ({metadata.get('vae', 'unknown')[:12]}, now {mark[:12]}). "
            f"Delete the folder or choose another one."
        )
    return metadata


class EncodedClips:
    """The clips of a folder of shards, in memory (about 55 KB a clip at 17 x 64 x 96)."""

    def __init__(self, folder: Path, mark: str | None = None):
        self.folder = Path(folder)
        self.mark = mark
        self._paths: list[Path] = []
        self._tensors: dict[str, list[torch.Tensor]] = {}
        self._starts: list[int] = [0]
        self.rescan()

    def __len__(self) -> int:
        return self._starts[-1]

    def rescan(self) -> int:
        """Take in the shards that came since; returns the number of clips."""
        # Shards are numbered in the order in which they are written: clip numbers never change.
        for path in sorted(self.folder.glob("shard_*.safetensors"))[len(self._paths) :]:
            if path.name != f"shard_{len(self._paths):05d}.safetensors":
                raise UserError(f"A shard is missing before {path}. Encode the data again.")
            check_shard(path, self.mark)
            for name, tensor in read_tensors(path).items():
                self._tensors.setdefault(name, []).append(tensor)
            self._paths.append(path)
            self._starts.append(self._starts[-1] + self._tensors["video"][-1].shape[0])
        return len(self)

    def get(self, name: str, indices: Sequence[int]) -> torch.Tensor:
        """The rows `indices` of one tensor, stacked."""
        rows = []
        for index in indices:
            shard = self._shard_of(index)
            rows.append(self._tensors[name][shard][index - self._starts[shard]])
        return torch.stack(rows)

    def patterns(self) -> torch.Tensor:
        """(clips,) which slots are taken, as a bit pattern: bit k stands for slot k."""
        present = torch.cat(self._tensors["present"]).long()
        return (present << torch.arange(present.shape[1])).sum(1)

    def _shard_of(self, index: int) -> int:
        return bisect.bisect_right(self._starts, index) - 1


@torch.no_grad()
def channel_weights(vae, clips: EncodedClips, power: float, count: int = 16) -> torch.Tensor:
    """What an error in each latent channel does to the image, to the `power`, with mean 1: (C,).

    Latents have unit variance in every channel, whether it carries the scene or the last traces of a texture, and the
    plain loss would spend most of a small network on what nobody sees. 0 gives that loss; 1 weighs by squared error of
    pixels.
    """
    latents = clips.get("video", range(min(count, len(clips)))).float()
    channels = latents.shape[1]
    if power == 0:
        return torch.ones(channels)
    weight = next(vae.parameters())

    def decoded(z: torch.Tensor) -> torch.Tensor:
        return vae.decode(denormalize_latent(z).to(weight)).float()

    plain = decoded(latents)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    effects = []
    for channel in range(channels):
        moved = latents.clone()
        moved[:, channel] += 0.5 * noise[:, channel]
        effects.append((decoded(moved) - plain).square().mean())
    weights = torch.stack(effects).cpu() ** power
    return weights / weights.mean()


@torch.no_grad()
def blank_map(vae, size: tuple[int, int, int]) -> torch.Tensor:
    """The latent of an identity map of `size` (frames, height, width) with nobody in it: (1, 16, T, h, w)."""
    weight = next(vae.parameters())
    return encode_images(vae, torch.zeros(1, 3, *size, device=weight.device))


def objects(maps: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
    """Where the latents of identity maps (B, 16, T, h, w) show an object: (B, 1, T, h, w) of 0 and 1."""
    return ((maps - blank).norm(dim=1, keepdim=True) > PAINTED).float()


def write_held_out(vae, folder: Path, clips: int, size: tuple[int, int, int], device="cpu") -> EncodedClips:
    """Clips that are never trained on, for the held-out losses and the sample sheets."""
    write_shards(vae, folder, clips, shard=clips, first_seed=HELD_OUT_SEED, size=size, device=device)
    return EncodedClips(folder, fingerprint(vae))
