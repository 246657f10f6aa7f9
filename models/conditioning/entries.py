"""The conditions of this package as a network takes them: one entry each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ...control.camera_condition import CameraCondition
from ...control.depth_condition import DepthCondition
from ...control.identity.slots import identity_map, reference_image
from ...control.identity_condition import IdentityCondition
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
