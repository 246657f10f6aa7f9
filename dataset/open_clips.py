"""The clips of a folder, in whichever files they are."""

from __future__ import annotations

from pathlib import Path

from ..models.config import FullDiTConfig
from .clip_source import ClipSource
from .latents import EncodedClips
from .shards.tar_clips import TarClips
from .shards.tar_index import has_tars


def open_clips(folder: Path, vae_fingerprint: str | None, config: FullDiTConfig) -> ClipSource:
    """Return the encoded clips of a folder: WebDataset shards where it has any, else those of `fulldit train data`.

    Raises UserError for clips of another VAE, and for WebDataset shards none of which has the config's size.
    """
    if has_tars(folder):
        return TarClips(folder, vae_fingerprint, (config.frames, config.height, config.width))
    return EncodedClips(folder, vae_fingerprint)
