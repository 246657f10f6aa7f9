"""Encoding as a work of the engine: each clip becomes a file of its own, which `shards/` bundles afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from ..control.errors import UserError
from ..control.files import check_folder
from ..control.folder_lock import folder_lock
from ..control.progress import Progress, quiet
from ..models.config import FullDiTConfig
from ..models.devices import pick_device, pick_dtype
from ..models.vae.vae_file import fingerprint, load_vae
from .clip_conditions import fit_clip_to
from .clip_files import ClipFiles
from .encode_clip import encode_clip
from .engine import Summary, run
from .engine.records import Records
from .engine.strips import strip
from .engine.work import Done, Process
from .hold_out import FOLDER
from .manifest import Clip, Manifest
from .shards.pack import check_vae, pack, packed_ids, write_sample
from .text_states import open_text_encoder

ENCODED = "encoded"  # the folder of the clips that are not in a shard yet


@dataclass(frozen=True)
class EncodeWork:
    """vae: a file of weights. vae_fingerprint: of it. config: of the model that is to be trained. device: or 'auto'.
    text: a text encoder (text_states.py) whose states of the captions are cached besides, '' for none. encoder: that
    one, where this process has it already; it does not travel to others.
    """

    vae: str
    vae_fingerprint: str
    config: FullDiTConfig
    device: str = "auto"
    text: str = ""
    encoder: Callable[[str], torch.Tensor] | None = None

    @property
    def title(self) -> str:
        """What is done, in words."""
        config = self.config
        return f"encode clips at {config.frames}x{config.height}x{config.width}"

    def settings(self) -> dict[str, object]:
        """Return what the results depend on."""
        config = self.config
        return {
            "VAE": self.vae_fingerprint,
            "size": [config.frames, config.height, config.width, config.fps],
            "set of conditions": list(config.conditions),
            "text encoder": self.text,
        }

    def open(self, folder: Path, out: Path) -> Process:
        """Load the VAE; return what encodes a clip."""
        device = pick_device(self.device)
        vae = load_vae(self.vae, device=device, dtype=pick_dtype(device))
        if fingerprint(vae) != self.vae_fingerprint:
            raise UserError(f"'{self.vae}' is another VAE on this machine than where the run began: copy it there")
        encode_text = self.encoder or (open_text_encoder(self.text) if self.text else None)

        def encode(clip: Clip) -> Done:
            fitted = fit_clip_to(ClipFiles(clip, folder), self.config.video, self.config.conditions)
            sample = encode_clip(clip, fitted, vae, self.vae_fingerprint, self.config, encode_text)
            write_sample(out / ENCODED, sample)
            said = f"Streams: {', '.join(sample.streams) or 'none'}."
            return Done(clip, (*fitted.notes, said), strip(fitted.frames))

        return encode


def encode_manifest(
    manifest: Manifest,
    work: EncodeWork,
    name: str,
    shards: Path,
    per_shard: int = 256,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = quiet,
    held_out: Collection[str] = (),
) -> Summary:
    """Encode the clips of a manifest into WebDataset shards; what is there already stays (`engine.run`).

    held_out: ids of the clips whose shards go into the folder `held_out` beside the others. Raises UserError for shards
    of another VAE, for clips that are in the shards but have another line now, and for those in the other folder.
    """
    folders = {shards: [clip.id for clip in manifest if clip.id not in held_out], shards.parent / FOLDER: held_out}
    if shards.resolve() == (shards.parent / FOLDER).resolve():
        if held_out:
            raise UserError(f"'{shards}' is the folder of what is held out itself: choose another one for the shards")
        folders = {shards: [clip.id for clip in manifest]}
    records = Records(manifest.folder / name)
    there = {path.stem for path in (records.folder / ENCODED).glob("*.safetensors")}
    for folder, ids in folders.items():
        if ids:
            check_folder(folder)
        check_vae(folder, work.vae_fingerprint)
        packed = packed_ids(folder)
        _check_packed(manifest, records, folder, packed, ids)
        there |= packed
    try:
        # A clip whose shard is gone is encoded again.
        summary = run(manifest, work, name, workers, address, progress, present=lambda clip: clip.id in there)
    finally:
        for folder, ids in folders.items():
            if ids:
                with folder_lock(folder, "an encoding"):
                    pack(records.folder / ENCODED, folder, per_shard, ids=frozenset(ids))
    return summary


def _check_packed(
    manifest: Manifest, records: Records, folder: Path, packed: Collection[str], ids: Collection[str]
) -> None:
    """Raise UserError for clips in the shards of a folder that belong into another one, or have another line now."""
    own = frozenset(ids)
    moved = [clip.id for clip in manifest if clip.id in packed and clip.id not in own]
    if moved:
        raise UserError(
            f"{len(moved)} clips are in the shards of '{folder}', which are to go elsewhere now ('{moved[0]}' is one): "
            f"hold out the same clips as before, or choose another folder"
        )
    changed = [clip.id for clip in manifest if clip.id in packed and not records.done(clip)]
    if changed:
        raise UserError(
            f"{len(changed)} clips are in the shards of '{folder}', but were encoded from other lines of a manifest, or"
            f" in another run ('{changed[0]}' is one): choose another folder"
        )
