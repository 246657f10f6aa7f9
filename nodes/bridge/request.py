"""What one video is asked to obey: controls and size together, checked, as it travels along the Conditions wire."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from ...control.bundle import Controls
from ...control.errors import UserError


@dataclass(frozen=True, eq=False)
class Request:
    """`controls` for a clip of `frames` frames of `height` x `width`; made by `make`, so it is valid."""

    controls: Controls
    frames: int
    height: int
    width: int

    @classmethod
    def make(cls, controls: Controls, frames: int, height: int, width: int, spread: bool = False) -> Request:
        """Fit images to the size, clips of other lengths too where `spread` says so, and check everything.

        Raises UserError with what came, what was expected and what to do.
        """
        try:
            if spread:
                controls = controls.fitted(frames, height, width)
            else:
                controls = controls.resized(height, width)
            controls.validate(frames, height, width)
        except UserError as error:
            raise UserError(_for_nodes(str(error))) from error
        return cls(controls, frames, height, width)

    def digest(self) -> str:
        """A hash of everything that decides what the network will read."""
        total = hashlib.sha256(repr((self.frames, self.height, self.width)).encode())
        c = self.controls
        for value in (c.camera_strength, c.camera_range, c.depth_strength, c.depth_range):
            total.update(repr(value).encode())
        arrays = []
        if c.camera is not None:
            total.update(repr((c.camera.fps, c.camera.pixel_aspect)).encode())
            arrays += [c.camera.c2w, c.camera.intrinsics]
        for identity in c.identities:
            total.update(repr((identity.strength, identity.start, identity.end)).encode())
            arrays += [*identity.images, identity.mask, identity.track]
        arrays.append(None if c.depth is None else c.depth.values)
        for array in arrays:
            total.update(b"-" if array is None else repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return total.hexdigest()


def _for_nodes(text: str) -> str:
    """The same advice in the words of the page."""
    return text.replace("or ask for it to be spread over the video", "or switch on 'spread' in Conditions")


def budget(request: Request, model: str = "mini-cpu") -> dict[str, int]:
    """Tokens of the video and of each stream that the request asks for, as a checkpoint like the preset `model` (by
    default the embedded one) cuts them."""
    from ...models.conditioning.streams import STREAMS
    from ...models.config import PRESETS

    def token_count(name: str, shape: tuple[int, ...]) -> int:
        if STREAMS[name].kind == "vector":
            return shape[0]
        patch = PRESETS[model].patch_of(name)
        return math.prod(-(-side // step) for side, step in zip(shape, patch, strict=True))

    geometry = ((request.frames - 1) // 4 + 1, request.height // 8, request.width // 8)
    controls = request.controls
    counts = {"video": geometry[0] * (geometry[1] // 2) * (geometry[2] // 2)}
    if controls.camera is not None and controls.camera_strength:
        counts["camera"] = token_count("camera", geometry)
    active = [identity for identity in controls.identities if identity.strength]
    if active:
        counts["reference"] = sum(len(i.images) for i in active) * token_count("reference", (1, *geometry[1:]))
    # Identities of one strength and range share a map, as models/encode.py has it.
    maps = {(i.strength, i.start, i.end) for i in active if i.track is not None}
    if maps:
        counts["identity_map"] = len(maps) * token_count("identity_map", geometry)
    if controls.depth is not None and controls.depth_strength:
        counts["depth"] = token_count("depth", geometry)
    return counts


NAMES = {"camera": "camera", "reference": "references", "identity_map": "who is where", "depth": "depth"}


def describe(counts: dict[str, int], warnings: list[str]) -> str:
    """The budget and the warnings, in lines short enough for the node on the page."""
    video = counts["video"]
    parts = [f"{NAMES.get(name, name)} {count:,}" for name, count in counts.items() if name != "video"]
    lines = [f"{sum(counts.values()) - video:,} tokens, video {video:,}"]
    lines += [", ".join(parts[i : i + 2]) for i in range(0, len(parts), 2)]
    return "\n".join([*lines, *warnings])
