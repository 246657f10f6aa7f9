"""The condition streams: what kind of tokens each condition becomes. A new condition is an entry here, not a branch.

Two kinds serve everything. A `vector` stream is one token per latent frame, made from numbers by an MLP. A `video`
stream is a latent cut into patches of its own size; larger patches and fewer frames are how a token budget is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

# What one camera token carries: 4 packed poses of 3x3 rotation, translation, fx fy cx cy and time (tokenizers.py).
POSE_FEATURES = 9 + 3 + 4 + 1
PACKED_POSES = 4
CAMERA_FEATURES = PACKED_POSES * POSE_FEATURES

# References lie before the clip, far enough to be told from its frames whatever its length.
REFERENCE_TIME = -8


@dataclass(frozen=True)
class StreamKind:
    """How one stream becomes tokens.

    `condition` is what the user calls it. `kind` is 'vector' (data (B, n, `features`)) or 'video' (data (B, 16, t, h,
    w), cut into `patch` = (frames, rows, columns) of the latent). `placed` is 'video' for streams that share the
    video's coordinates and 'reference' for images that lie outside its time; those carry a slot.
    """

    name: str
    condition: str
    kind: str
    patch: tuple[int, int, int] = (1, 2, 2)
    features: int = 0
    placed: str = "video"

    @property
    def has_slots(self) -> bool:
        return self.placed == "reference"


STREAMS: dict[str, StreamKind] = {
    kind.name: kind
    for kind in (
        StreamKind("camera", "camera", "vector", features=CAMERA_FEATURES),
        StreamKind("reference", "identity", "video", placed="reference"),
        StreamKind("identity_map", "identity", "video", patch=(1, 4, 4)),
        StreamKind("depth", "depth", "video"),
    )
}

STREAMS_OF: dict[str, tuple[str, ...]] = {}
for _kind in STREAMS.values():
    STREAMS_OF[_kind.condition] = (*STREAMS_OF.get(_kind.condition, ()), _kind.name)
