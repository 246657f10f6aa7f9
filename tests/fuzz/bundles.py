"""The door of bundles: folders of Export Camera and Masks, as they come back from other programs and other people."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import numpy as np

from comfyui_fulldit.control.bundle import BundleOptions, read_bundle, write_bundle
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Condition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    SourceCondition,
)
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.identity import Identity

from .door import FileDoor

FRAMES, HEIGHT, WIDTH = 5, 32, 48


def whole_conditions(exact: bool) -> Conditions:
    """All kinds of conditions of a small video. exact: in steps of 8 bits, so that no array is kept beside images."""
    random = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        if exact:
            return (random.integers(0, 256, shape) / np.float32(255)).astype(np.float32)
        return random.random(shape).astype(np.float32)

    track = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    track[:, 8:24, 10:30] = 1
    people = (
        Identity("Ann", (values(20, 24, 3), values(16, 16, 3)), mask=values(20, 24), mask_video=track),
        Identity("é€", (values(12, 12, 3),), strength=0.5, start=0.1, end=0.9),
    )
    items: tuple[Condition, ...] = (
        CameraCondition(trajectory=preset("arc_left", FRAMES).replace(notes=("a note",))),
        IdentityCondition(identities=people),
        DepthCondition(clip=DepthClip(values(FRAMES, HEIGHT, WIDTH), {"kind": "depth"})),
        SourceCondition(frames=values(FRAMES, HEIGHT, WIDTH, 3), fps=8.0),
    )
    return Conditions(VideoSize(FRAMES, HEIGHT, WIDTH, 8.0), items, ("said",))


class BundleDoor(FileDoor):
    """Folders that Export Camera and Masks wrote: the manifest, the camera, images and arrays."""

    name = "bundles"

    def make(self) -> None:
        for name, exact in (("exact", True), ("arrays", False)):
            write_bundle(whole_conditions(exact), self.whole / name, BundleOptions(videos=False))

    def use(self, path: Path, chance: Random) -> None:
        with np.errstate(all="ignore"):
            conditions, said = read_bundle(path)
        assert all(isinstance(one, str) for one in said)
        for item in conditions.items:
            assert 0 <= item.strength <= 10 and 0 <= item.start <= item.end <= 1
            for values in _values_of(item):
                # A little beyond is let through everywhere: what resizing and rounding make.
                assert np.isfinite(values).all() and values.min() >= -1e-3 and values.max() <= 1.001
        if chance.random() < 0.1:  # what was read can be exported again, and is the same
            again = path.with_name("again")
            shutil.rmtree(again, ignore_errors=True)
            write_bundle(conditions, again, BundleOptions(videos=False))
            kept = read_bundle(again)[0]
            pairs = zip(_all_values(conditions), _all_values(kept), strict=True)
            assert kept.names == conditions.names and all(np.array_equal(a, b) for a, b in pairs)


def _all_values(conditions: Conditions) -> list[np.ndarray]:
    return [values for item in conditions.items for values in _values_of(item)]


def _values_of(item: Condition) -> list[np.ndarray]:
    """Return the frames and images of a condition."""
    if isinstance(item, DepthCondition):
        return [item.clip.values]
    if isinstance(item, SourceCondition):
        return [item.frames]
    if isinstance(item, IdentityCondition):
        parts = [part for one in item.identities for part in (*one.images, one.mask, one.mask_video)]
        return [part for part in parts if part is not None]
    return []
