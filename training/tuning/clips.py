"""What a tuning learns: one video with its conditions, or the clips of a manifest; encoded once, and kept.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ...control.conditions import Conditions, VideoSize
from ...control.errors import UserError
from ...control.fit_video import TimeMode, fit_video
from ...control.progress import Progress
from ...dataset.clip_conditions import FittedClip
from ...dataset.encode_clip import encode_clip
from ...dataset.encode_work import EncodeWork, encode_manifest
from ...dataset.manifest import MANIFEST, Clip, Manifest, read_manifest
from ...dataset.readers import read_dataset
from ...dataset.shards.pack import pack, write_sample
from ...models.config import FullDiTConfig
from ...models.devices import pick_device, pick_dtype
from ...models.encode import check_conditions
from ...models.vae.vae_file import fingerprint, load_vae

EncodeText = Callable[[str], torch.Tensor]
MOST_ENLARGED = 2.0  # times: a video that is smaller than that teaches blur
ONE = "clip"  # the id of a clip that is alone


@dataclass(frozen=True)
class Encoding:
    """With what clips are encoded, and for which model.

    config: of the model, at the size of the clips. device: of the VAE. text: a text encoder (dataset/text_states.py),
    where the model reads the states of one, and its name.
    """

    vae: Path
    config: FullDiTConfig
    device: str | torch.device = "auto"
    text: EncodeText | None = None
    text_name: str = ""


class TuneClips(Protocol):
    """Clips that a tuning learns."""

    def video(self, own: VideoSize) -> VideoSize:
        """Return the size and length that they are encoded at; `own` is the model's."""

    def digest(self) -> str:
        """Return a text that changes with their content."""

    def check(self, config: FullDiTConfig) -> None:
        """Raise UserError, before any work, for what a model with this config cannot learn."""

    def encode(self, folder: Path, encoding: Encoding, progress: Progress) -> tuple[str, ...]:
        """Encode them into the shards of `shards/` in a folder, what is not there yet; return notes.

        Raises UserError where no clip could be encoded.
        """


@dataclass(frozen=True, eq=False)
class OneClip:
    """One video (F, H, W, 3), 0..1, what it shows in words, and the conditions that describe it, frame by frame."""

    frames: np.ndarray
    conditions: Conditions
    prompt: str = ""

    def video(self, own: VideoSize) -> VideoSize:
        return dataclasses.replace(self.conditions.video, fps=self.conditions.fps)

    def digest(self) -> str:
        parts = (self.frames.tobytes(), repr(self.frames.shape).encode(), self.conditions.digest().encode())
        return _digest(*parts, self.prompt.encode())

    def check(self, config: FullDiTConfig) -> None:
        check_conditions(self.conditions, config)
        video = self.conditions.video
        count, height, width = self.frames.shape[:3]
        if count < video.frames:
            raise UserError(
                f"The clip has {count} frames, but {video.frames} are to be learned: take a longer clip, or a shorter "
                f"length in Conditions."
            )
        if max(video.height / height, video.width / width) > MOST_ENLARGED:
            raise UserError(
                f"The clip is {width}x{height}, but is to be learned at {video.width}x{video.height}: enlarged that "
                f"much it teaches blur. Take a larger one, or a smaller size in Conditions."
            )

    def encode(self, folder: Path, encoding: Encoding, progress: Progress) -> tuple[str, ...]:
        video = self.conditions.video
        fitted = fit_video(self.frames, video.fps, video, time=TimeMode.FRAMES)
        if not (folder / "shards").exists():
            device = pick_device(encoding.device)
            vae = load_vae(encoding.vae, device=device, dtype=pick_dtype(device))
            clip = Clip(ONE, ONE, captions={"full": self.prompt} if self.prompt else {})
            with progress(1, "Encoding the clip") as step:
                told = FittedClip(fitted.frames, self.conditions, fitted.report)
                sample = encode_clip(clip, told, vae, fingerprint(vae), encoding.config, encoding.text)
                write_sample(folder / "encoded", sample)
                step()
        pack(folder / "encoded", folder / "shards")
        return fitted.report


@dataclass(frozen=True, eq=False)
class ManyClips:
    """The clips of a manifest, at `size` (the model's where None). skipped: what is not among them, with reasons."""

    manifest: Manifest
    size: VideoSize | None = None
    skipped: tuple[str, ...] = field(default=())

    def video(self, own: VideoSize) -> VideoSize:
        return self.size or own

    def digest(self) -> str:
        lines = [json.dumps(clip.to_json(), sort_keys=True) for clip in self.manifest]
        found = [f"{path.stat().st_size} {path.stat().st_mtime_ns}" for path in self.files() if path.is_file()]
        return _digest(*(line.encode() for line in [*lines, *found]))

    def files(self) -> Iterator[Path]:
        """Yield every file that the clips name."""
        for clip in self.manifest:
            names = [clip.video, clip.masks]
            names += [part.file for part in (clip.camera, clip.depth) if part is not None]
            names += [] if clip.source is None else [clip.source.video]
            for identity in clip.identities:
                names += [*identity.images, identity.mask, identity.mask_video]
            yield from (self.manifest.folder / name.partition("#")[0] for name in names if name)

    def check(self, config: FullDiTConfig) -> None:
        video = self.video(config.video)
        config.geometry.check(video.frames, video.height, video.width)

    def encode(self, folder: Path, encoding: Encoding, progress: Progress) -> tuple[str, ...]:
        config, vae = encoding.config, str(encoding.vae)
        mark, device = fingerprint(load_vae(vae)), str(encoding.device)
        work = EncodeWork(vae, mark, config, device, encoding.text_name, encoding.text)
        records = str((folder / "run").resolve())  # beside the shards, wherever the manifest lies
        summary = encode_manifest(self.manifest, work, records, folder / "shards", progress=progress)
        failed = [json.loads(line) for line in (folder / "run" / "failed.jsonl").read_text("utf-8").splitlines()]
        left_out = [*(f"{line['id']}: {line['reason']}" for line in failed), *self.skipped]
        if not summary.done:
            raise UserError(f"None of the {len(self.manifest)} clips can be learned. {left_out[0]}")
        return tuple(f"Left out: {reason}" for reason in left_out)


def clips_in(folder: Path, size: VideoSize | None = None) -> ManyClips:
    """Return the clips of a folder: those of its manifest, or its videos with a text of the same name as caption.

    size: as in ManyClips. Raises UserError for a folder without clips.
    """
    if (folder / MANIFEST).is_file():
        return ManyClips(read_manifest(folder / MANIFEST, "take"), size)
    clips, skipped = [], []
    for found in read_dataset("folder", folder, folder):
        if isinstance(found, Clip):
            clips.append(found)
        else:
            skipped.append(f"{found.id}: {found.reason}")
    if not clips:
        reason = f" ({skipped[0]})" if skipped else ""
        raise UserError(
            f"There are no clips in '{folder}'{reason}: put videos there, each with a text of the same name that says "
            f"what it shows, or a {MANIFEST}."
        )
    return ManyClips(Manifest(clips, folder, []), size, tuple(skipped))


def check_inside(clips: ManyClips, root: Path) -> None:
    """Raise UserError where a clip names a file outside of the folder `root`."""
    root = root.resolve()
    for path in clips.files():
        if not path.resolve().is_relative_to(root):
            name = os.path.relpath(path, clips.manifest.folder)
            raise UserError(f"The manifest names '{name}', which lies outside of '{root}': copy it there.")


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
