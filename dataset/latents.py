"""Encoded clips on disk: shards of latents, condition streams and captions, written once and read by a training.

A shard is `shard_00012.safetensors` with N clips. Its metadata names the VAE's fingerprint, the streams and the seeds,
so that latents of another VAE are never mixed in. Shards appear whole or not at all, and the reader looks for new ones
at the start of every epoch: encoding may go on while a training runs. A stream is kept under its key ('depth',
'reference.0'); `present` (N, K) says which clips have it. Letters: N clips, K stream keys, F frames, T h w latent
frames and sides.
"""

from __future__ import annotations

import bisect
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..control.errors import UserError
from ..control.identity.slots import SLOTS
from ..models.conditioning.encoder import VideoEncoder, encode_frames
from ..models.config import FullDiTConfig
from ..models.vae import VAE
from ..models.vae.vae_file import fingerprint
from ..models.weights.tensor_file import read_metadata, read_tensors, write_tensors
from ..scenes import HELD_OUT_SEED, Clips, WorldOptions, render
from ..scenes.world import WORLD_VERSION
from .clip_source import STREAM, ClipSource, stream_order, stream_tensors
from .text_rows import text_rows

PRESENT = "present"


@torch.no_grad()
def encode_clips(vae: VideoEncoder, batches: Iterable[Clips], config: FullDiTConfig) -> dict[str, torch.Tensor]:
    """Return everything that a generator learns from, of rendered clips that come in batches.

    video (N, C, T, h, w) bfloat16, normalized; `stream.KEY`, each clip's streams as a user's conditions are encoded, so
    that what is trained is what is run: latents bfloat16, vectors float32, zeros where a clip has none; present (N, K)
    in the order of the keys; c2w (N, F, 3, 4) relative and in units, intrinsics (N, F, 4) float32; captions as rows of
    bytes.
    """
    parts: list[dict[str, torch.Tensor]] = []
    rows: list[dict[str, torch.Tensor]] = []
    for clips in batches:
        parts.append(_whole_clips(vae, clips))
        shown = [clips.conditions(index, config.conditions, config.streams) for index in range(len(clips))]
        rows += [stream_tensors(conditions, vae, config) for conditions in shown]
    samples = {key: data for row in rows for key, data in row.items()}
    keys = sorted(samples, key=stream_order)
    tensors = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    for key in keys:
        empty = torch.zeros_like(samples[key])
        tensors[STREAM + key] = torch.stack([row.get(key, empty) for row in rows])
    tensors[PRESENT] = torch.tensor([[key in row for key in keys] for row in rows], dtype=torch.uint8)
    return tensors


def _whole_clips(vae: VideoEncoder, clips: Clips) -> dict[str, torch.Tensor]:
    """What every clip has: its video, camera and captions."""
    c2w, intrinsics = clips.trajectories()
    return {
        "video": encode_frames(vae, clips.video).to("cpu", torch.bfloat16),
        "c2w": c2w.float().cpu(),
        "intrinsics": intrinsics.float().cpu(),
        "captions": text_rows(clips.captions),
        "plain_captions": text_rows(clips.plain_captions),
    }


def write_shards(
    vae: VAE,
    folder: Path,
    config: FullDiTConfig,
    clips: int,
    shard: int = 64,
    first_seed: int = 0,
    batch: int = 16,
    device: torch.device | str = "cpu",
    report: Callable[[int, float], None] | None = None,
    several: int = 0,
    scenes: WorldOptions | None = None,
    first_shard: int = 0,
) -> int:
    """Render and encode `clips` clips into `folder`, `shard` to a file; shards that are there are kept.

    Size and conditions are those of `config`; `scenes` says what may occur in them. The files are numbered from
    `first_shard` on, behind clips that are there. The last `several` clips (counted in whole shards) show at least two
    objects: only these teach which reference belongs where. `report(clips, clips per second)` is called after every
    shard. Returns the number of clips in the folder. Raises UserError when the folder holds latents of another VAE or
    size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata = _metadata(vae, config)
    size = {"frames": config.frames, "height": config.height, "width": config.width}
    began, made = time.time(), 0
    for index in range(-(-clips // shard)):
        path = folder / f"shard_{first_shard + index:05d}.safetensors"
        if path.exists():
            check_shard(path, metadata["vae"])
            continue
        first = first_seed + index * shard
        seeds = list(range(first, min(first + shard, first_seed + clips)))
        options = scenes or WorldOptions()
        if index * shard >= clips - several:
            options = replace(options, objects=(2, SLOTS))
        batches = (
            render(seeds[at : at + batch], **size, device=device, options=options) for at in range(0, len(seeds), batch)
        )
        tensors = encode_clips(vae, batches, config)
        write_tensors(path, tensors, {**metadata, "seeds": f"{seeds[0]}..{seeds[-1]}", **_keys(tensors)})
        made += len(seeds)
        if report is not None:
            report(min((index + 1) * shard, clips), made / (time.time() - began))
    return len(EncodedClips(folder, metadata["vae"])) if any(folder.glob("shard_*.safetensors")) else 0


def _metadata(vae: VAE, config: FullDiTConfig) -> dict[str, str]:
    return {
        "vae": fingerprint(vae),
        "size": json.dumps([config.frames, config.height, config.width]),
        "conditions": json.dumps(config.conditions),
    }


def _keys(tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    return {"streams": json.dumps([name.removeprefix(STREAM) for name in tensors if name.startswith(STREAM)])}


def check_shard(path: Path, vae_fingerprint: str | None) -> dict[str, str]:
    """Return the metadata of a shard. Raises UserError when it belongs to another VAE, or to an earlier version."""
    metadata = read_metadata(path)
    if vae_fingerprint is not None and metadata.get("vae") != vae_fingerprint:
        raise UserError(
            f"{path.parent} holds latents of another VAE ({metadata.get('vae', 'unknown')[:12]}, now"
            f" {vae_fingerprint[:12]}). Delete the folder or choose another one."
        )
    if "streams" not in metadata:
        raise UserError(f"{path.parent} holds shards of an earlier version. Delete the folder: they are made again.")
    return metadata


class EncodedClips(ClipSource):
    """The clips of a folder of shards, in memory (about 55 KB a clip at 17 x 64 x 96).

    keys: of the streams that any clip has, in the order of the registry.
    """

    def __init__(self, folder: Path, vae_fingerprint: str | None = None):
        self.folder = Path(folder)
        self.vae_fingerprint = vae_fingerprint
        self.keys: tuple[str, ...] = ()
        self._paths: list[Path] = []
        self._shards: list[dict[str, torch.Tensor]] = []
        self._shard_keys: list[list[str]] = []
        self._starts: list[int] = [0]
        self.present = torch.zeros(0, 0, dtype=torch.bool)  # (clips, keys)
        self.rescan()

    def rescan(self) -> int:
        """Take in the shards that came since; return the number of clips."""
        # Shards are numbered in the order in which they are written: clip numbers never change.
        for path in sorted(self.folder.glob("shard_*.safetensors"))[len(self._paths) :]:
            if path.name != f"shard_{len(self._paths):05d}.safetensors":
                raise UserError(f"A shard is missing before {path}. Encode the data again.")
            metadata = check_shard(path, self.vae_fingerprint)
            self._shards.append(read_tensors(path))
            self._shard_keys.append(json.loads(metadata["streams"]))
            self._paths.append(path)
            self._starts.append(self._starts[-1] + self._shards[-1]["video"].shape[0])
        self.keys = tuple(sorted({key for keys in self._shard_keys for key in keys}, key=stream_order))
        tables = [self._present_in(number) for number in range(len(self._shards))]
        self.present = torch.cat(tables) if tables else torch.zeros(0, 0, dtype=torch.bool)
        return len(self)

    def _present_in(self, number: int) -> torch.Tensor:
        """(clips of the shard, keys) bool: which streams each clip has."""
        table, own = self._shards[number][PRESENT].bool(), self._shard_keys[number]
        absent = torch.zeros(len(table), dtype=torch.bool)
        columns = [table[:, own.index(key)] if key in own else absent for key in self.keys]
        return torch.stack(columns, 1) if columns else torch.zeros(len(table), 0, dtype=torch.bool)

    def get(self, name: str, indices: Sequence[int]) -> torch.Tensor:
        """Return the rows `indices` of one tensor, stacked."""
        rows = []
        for index in indices:
            shard = bisect.bisect_right(self._starts, index) - 1
            tensors = self._shards[shard]
            if name not in tensors:
                raise UserError(f"the clips in {self.folder} have no {name}")
            rows.append(tensors[name][index - self._starts[shard]])
        return torch.stack(rows)


def write_held_out(
    vae: VAE,
    folder: Path,
    clips: int,
    config: FullDiTConfig,
    device: torch.device | str = "cpu",
    world: int = WORLD_VERSION,
) -> EncodedClips:
    """Encode clips that are never trained on, for the held-out losses and the sample sheets."""
    scenes = WorldOptions(version=world)
    write_shards(vae, folder, config, clips, shard=clips, first_seed=HELD_OUT_SEED, device=device, scenes=scenes)
    return EncodedClips(folder, fingerprint(vae))
