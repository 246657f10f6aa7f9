"""From what the user says to what the network reads, by the registry: each condition's entry makes its streams."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from ..control.conditions import Conditions, IdentityCondition, VideoSize
from ..control.errors import UserError
from .conditioning.condition_streams import ConditionStreams, Stream
from .conditioning.encoder import Encoder, TokenCounter, VideoEncoder
from .conditioning.registry import ENTRIES
from .config import FullDiTConfig

SAME_RATE = 0.01  # share by which a frame rate may miss the trained one without a word
FAR_BEYOND = 4  # times the tokens of the trained clips, from which on a checkpoint makes nothing that is of use


def check_conditions(conditions: Conditions, config: FullDiTConfig) -> None:
    """Raise UserError unless a checkpoint with this config can make this video under these conditions."""
    video = conditions.video
    config.geometry.check(video.frames, video.height, video.width)
    conditions.validate()
    check_names(conditions.names, config)
    _check_streams(conditions, config)
    identity = conditions.get(IdentityCondition)
    if identity is not None and len(identity.identities) > config.slots:
        surplus = len(identity.identities) - config.slots
        raise UserError(
            f"{len(identity.identities)} identities were given, but the model has {config.slots} slots: leave {surplus}"
            f" out"
        )


def check_names(names: Iterable[str], config: FullDiTConfig) -> None:
    """Raise UserError where a checkpoint with this config does not take one of the conditions, with what does."""
    for name in names:
        if name not in config.conditions:
            other = "load a checkpoint that was trained with it, or " if name in ENTRIES else ""
            raise UserError(
                f"This checkpoint does not take the condition {name!r} (its streams: {', '.join(config.streams)}). "
                f"Remove the condition, or {other}use a public model that takes it, in ComfyUI (docs/models.md)."
            )


def _check_streams(conditions: Conditions, config: FullDiTConfig) -> None:
    """Raise UserError where a condition comes with a stream that a checkpoint with this config does not know."""
    counter = TokenCounter(config.geometry, conditions.video)
    for condition in conditions.items:
        entry = ENTRIES[condition.name]
        streams = entry.encode(condition, counter) if entry.any_of else []
        unknown = [stream.name for stream in streams if stream.name not in config.streams]
        if unknown:
            known = [stream.name for stream in entry.streams if stream.name in config.streams]
            raise UserError(
                f"This checkpoint does not take {', '.join(map(repr, unknown))} of the condition {condition.name!r}, "
                f"only {', '.join(known)}. Remove it, or load a checkpoint that was trained with it."
            )


@torch.no_grad()
def encode_conditions(
    conditions: Conditions,
    vae: VideoEncoder,
    config: FullDiTConfig,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> ConditionStreams:
    """Return the condition streams of one clip, batch 1, on `device`, cut as a checkpoint with this config reads them.

    A strength of 0 removes the streams: the same as not giving the condition. Vector features stay float32. Raises
    UserError as `check_conditions` does.
    """
    check_conditions(conditions, config)
    return _streams(conditions, Encoder(vae, config.geometry, conditions.video, device, dtype), config)


def count_tokens(conditions: Conditions, config: FullDiTConfig) -> dict[str, int]:
    """Return the token budget without encoding anything: stream -> tokens, and 'video' for the video's own.

    Raises UserError as `check_conditions` does.
    """
    check_conditions(conditions, config)
    streams = _streams(conditions, TokenCounter(config.geometry, conditions.video), config)
    return streams.tokens(config.geometry)


def _streams(conditions: Conditions, encoder: Encoder, config: FullDiTConfig) -> ConditionStreams:
    streams: list[Stream] = []
    for condition in conditions.items:
        if condition.active:
            streams += ENTRIES[condition.name].encode(condition, encoder)
    video = conditions.video
    size = config.geometry.latent_size(video.frames, video.height, video.width)
    return ConditionStreams(tuple(streams), size).with_patches(
        {name: config.patch_of(name) for name in {stream.name for stream in streams}}
    )


def trained_range_warnings(conditions: Conditions, config: FullDiTConfig) -> list[str]:
    """Return sentences about what of the video lies beyond the clips that a checkpoint was trained on."""
    video = conditions.video
    trained = config.nearest_video(replace(video, fps=conditions.fps))
    warnings = []
    if video.frames > trained.frames:
        warnings.append(f"The video has {video.frames} frames; the model was trained on {trained.frames}.")
    if (video.height, video.width) != (trained.height, trained.width):
        warnings.append(
            f"The video is {video.width}x{video.height}; the model was trained on {trained.width}x{trained.height}."
        )
    if abs(conditions.fps / trained.fps - 1) > SAME_RATE:
        told = "" if "camera" in conditions.names else " Without a camera it is not told so."
        warnings.append(
            f"The video has {conditions.fps:g} frames per second; the model was trained on {trained.fps:g}.{told}"
        )
    return warnings + far_beyond_warnings(video, config)


def far_beyond_warnings(video: VideoSize, config: FullDiTConfig) -> list[str]:
    """Return a sentence about a video so large or long that a checkpoint makes nothing of it, and takes very long."""
    factor = _tokens(video, config) / max(_tokens(own, config) for own in config.videos)
    if factor < FAR_BEYOND:
        return []
    return [
        f"That is {factor:.0f} times the tokens of the clips that it was trained on: it takes at least so many times "
        f"as long, and what comes out is hardly a video. Take the model's own size and length."
    ]


def _tokens(video: VideoSize, config: FullDiTConfig) -> int:
    return config.geometry.tokens(config.geometry.latent_size(video.frames, video.height, video.width))
