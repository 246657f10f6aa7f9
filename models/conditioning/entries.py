"""The conditions of this package as a network takes them: one entry each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ...control.camera_condition import CameraCondition
from ...control.control_video import KINDS, ControlVideo
from ...control.control_video_condition import ControlVideoCondition
from ...control.depth_condition import DepthCondition
from ...control.identity.slots import identity_map, reference_image
from ...control.identity_condition import IdentityCondition
from ...control.known_frames_condition import KnownFramesCondition
from ...control.lowres_condition import LowResCondition
from ...control.sound_condition import SoundCondition
from ...control.source_condition import SourceCondition
from ..sampling.flow import add_noise
from .camera_features import POSE_FEATURES, camera_features, rebase_camera
from .condition_streams import Stream
from .encoder import Encoder
from .registry import ConditionEntry, register_entry
from .streams import StreamType


def encode_camera(condition: CameraCondition, encoder: Encoder) -> list[Stream]:
    """Return one vector per latent frame, relative to the first frame."""
    path = condition.trajectory.relative()
    features = camera_features(
        torch.from_numpy(np.array(path.c2w))[None].float(),
        torch.from_numpy(np.array(path.intrinsics))[None].float(),
        path.fps,
        encoder.geometry.temporal,
    )
    data = encoder.vector(features)
    return [Stream("camera", data, strength=condition.strength, start=condition.start, end=condition.end)]


def encode_identity(condition: IdentityCondition, encoder: Encoder) -> list[Stream]:
    """Return one reference stream per image, and identity maps.

    The identities that have a mask video share one map, painted in the colors of their slots. Identities whose strength
    or range differ get maps of their own, so that a map fades with its identity.
    """
    video, streams = encoder.video, []
    sharing: dict[tuple[float, float, float], set[int]] = defaultdict(set)
    for slot, identity in enumerate(condition.identities):
        if identity.strength == 0:
            continue
        strength, start, end = identity.strength, identity.start, identity.end
        for index in range(len(identity.images)):
            latent = encoder.encode_image(partial(reference_image, identity, video.height, video.width, index))
            streams.append(Stream("reference", latent, slot, strength, start, end))
        if identity.mask_video is not None:
            sharing[strength, start, end].add(slot)
    for (strength, start, end), slots in sharing.items():
        shown = [
            identity if slot in slots else replace(identity, mask_video=None)
            for slot, identity in enumerate(condition.identities)
        ]
        latent = encoder.encode_video(partial(identity_map, shown, video.frames, video.height, video.width))
        streams.append(Stream("identity_map", latent, strength=strength, start=start, end=end))
    return streams


def encode_depth(condition: DepthCondition, encoder: Encoder) -> list[Stream]:
    """Return the depth clip as a gray video."""
    latent = encoder.encode_video(lambda: condition.clip.values[..., None])
    return [Stream("depth", latent, strength=condition.strength, start=condition.start, end=condition.end)]


def encode_source(condition: SourceCondition, encoder: Encoder) -> list[Stream]:
    """Return the source video, moment by moment beside the new one."""
    latent = encoder.encode_video(lambda: condition.frames)
    return [Stream("source", latent, strength=condition.strength, start=condition.start, end=condition.end)]


def encode_known(condition: KnownFramesCondition, encoder: Encoder) -> list[Stream]:
    """Return what is known as a video, gray elsewhere, with the mask of what is known in further channels."""
    video = encoder.video
    latent = encoder.encode_video(lambda: condition.shown(video))
    mask = encoder.encode_mask(lambda: condition.region(video))
    data = torch.cat([latent, mask], 1)
    strength, start, end = condition.strength, condition.start, condition.end
    return [Stream("known", data, strength=strength, start=start, end=end, kept=condition.noise == 0)]


def encode_control_videos(condition: ControlVideoCondition, encoder: Encoder) -> list[Stream]:
    """Return one stream per control video, named as its kind."""
    streams = []
    for video in condition.videos:
        if video.strength != 0:
            latent = encoder.encode_video(partial(_frames, video))
            streams.append(Stream(video.kind, latent, strength=video.strength, start=video.start, end=video.end))
    return streams


def _frames(video: ControlVideo) -> np.ndarray:
    return video.frames


def encode_sound(condition: SoundCondition, encoder: Encoder) -> list[Stream]:
    """Return one vector per latent frame: the features of its frames; the first is one frame, held."""
    step = encoder.geometry.temporal
    features = np.concatenate([np.repeat(condition.features[:1], step - 1, 0), condition.features])
    data = encoder.vector(torch.from_numpy(features.reshape(1, -1, step * features.shape[1]).copy()).float())
    return [Stream("sound", data, strength=condition.strength, start=condition.start, end=condition.end)]


def encode_lowres(condition: LowResCondition, encoder: Encoder) -> list[Stream]:
    """Return the latent of the enlarged video, on its way to noise as far as the condition says."""
    latent = encoder.encode_video(lambda: condition.enlarged(encoder.video))
    if condition.noise:
        drawn = torch.randn(latent.shape, generator=torch.Generator().manual_seed(condition.seed))
        latent = add_noise(latent, drawn.to(latent), torch.tensor([condition.noise]))
    return [Stream("lowres", latent, strength=condition.strength, start=condition.start, end=condition.end)]


register_entry(
    ConditionEntry(
        CameraCondition, (StreamType("camera", "vector", features=POSE_FEATURES, rebase=rebase_camera),), encode_camera
    )
)
register_entry(
    ConditionEntry(
        IdentityCondition,
        (
            StreamType("reference", "video", placed="reference"),
            StreamType("identity_map", "video", patch=(1, 4, 4), optional=True),
        ),
        encode_identity,
    )
)
register_entry(ConditionEntry(DepthCondition, (StreamType("depth", "video"),), encode_depth))
register_entry(ConditionEntry(SourceCondition, (StreamType("source", "video"),), encode_source))
register_entry(ConditionEntry(KnownFramesCondition, (StreamType("known", "video", masked=True),), encode_known))
# One patch embedding serves all control videos; what tells them apart is the vector of their kind.
register_entry(
    ConditionEntry(
        ControlVideoCondition,
        tuple(StreamType(kind, "video", shared="control") for kind in KINDS),
        encode_control_videos,
        any_of=True,
    )
)
register_entry(ConditionEntry(SoundCondition, (StreamType("sound", "vector", features=2),), encode_sound))
register_entry(ConditionEntry(LowResCondition, (StreamType("lowres", "video", placed="added"),), encode_lowres))
