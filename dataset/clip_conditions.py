"""A clip of a manifest at a model's size, length and rate: its frames, and the conditions that describe it.

Of a longer clip the beginning is taken. Frames are chosen by their times, and camera, depth and masks with them.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..control.camera.trajectory import UNIT, CameraTrajectory
from ..control.clip_files import fit_frames
from ..control.condition import Condition
from ..control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    LowResCondition,
    VideoSize,
)
from ..control.depth import normalize_depth
from ..control.errors import UserError
from ..control.fit import Fit
from ..control.identity import Identity
from ..control.identity.mask_images import read_mask_image
from ..control.identity.slots import SLOTS
from ..control.media import read_image
from .clip_files import ClipFiles
from .manifest import IdentityFiles

FIT = Fit()  # cropped to the model's proportions


@dataclass(frozen=True, eq=False)
class FittedClip:
    """frames: (F, H, W, 3) in 0..1. conditions: those that are known, of the same size. notes: what was done and what
    was left out."""

    frames: np.ndarray
    conditions: Conditions
    notes: tuple[str, ...]


def fit_clip_to(files: ClipFiles, video: VideoSize, names: Iterable[str]) -> FittedClip:
    """Return a clip at the size, length and rate of `video`, with those of the conditions `names` that are known.

    Raises UserError for a clip that is too short, and for files that cannot be used.
    """
    places = places_of(files.count, files.fps, video)
    frames, notes = fit_frames(
        files.chosen(places), video.frames, video.height, video.width, FIT, "the video", channels=(3,)
    )
    makers = {"camera": _camera, "identity": _identity, "depth": _depth}
    items: list[Condition] = []
    for name, make in makers.items():
        if name not in set(names):
            continue
        condition, said = make(files, places, video)
        notes += said
        if condition is not None:
            condition, said = condition.fit(video, FIT)
            notes += said
            items.append(condition)
    frames = frames.clip(0, 1)
    if LowResCondition.name in set(names):
        items.append(LowResCondition.of_frames(frames, zlib.crc32(files.clip.id.encode())))
    return FittedClip(frames, Conditions(video, tuple(items)), tuple(notes))


def places_of(count: int, fps: float, video: VideoSize) -> np.ndarray:
    """Return which of `count` frames at `fps` stand at each of the video's: (F,), ascending, from the first on.

    Raises UserError where they end before the video does.
    """
    places: np.ndarray = np.floor(np.arange(video.frames) * fps / video.fps + 0.5).astype(int)
    if places[-1] > count - 1:
        raise UserError(
            f"the clip has {count} frames at {fps:g} per second ({count / fps:.3g} s), but the model's {video.frames}"
            f" frames at {video.fps:g} take {places[-1] + 1}: take a longer clip, or state another rate"
        )
    return places


def _camera(files: ClipFiles, places: np.ndarray, video: VideoSize) -> tuple[CameraCondition | None, list[str]]:
    path = files.camera()
    if path is None:
        return None, []
    path = path.replace(c2w=path.c2w[places], intrinsics=path.intrinsics[places], fps=video.fps).relative()
    unit = median_depth(files, path, int(places[0]))
    if unit is None:
        return None, ["The camera was left out: nothing says how its unit of length compares to the scene's depth."]
    return CameraCondition(trajectory=path.scaled(1 / unit).replace(unit=UNIT, notes=())), []


def median_depth(files: ClipFiles, path: CameraTrajectory, place: int = 0) -> float | None:
    """Return the median depth of the frame at a place of the span, in the path's unit; None where it is not known.

    By the manifest, by the unit that the path states, or by depth in the same unit. Where the camera does not move
    from its place, any unit will do.
    """
    if files.clip.camera is not None and files.clip.camera.median_depth is not None:
        return files.clip.camera.median_depth
    if path.unit == UNIT or not np.abs(path.relative().c2w[:, :, 3]).max() > 0:
        return 1.0
    found = files.depth(np.array([place]))
    if found is None or found[1] != "depth":
        return None
    known = found[0][0][found[0][0] > 0]
    middle = float(np.median(known)) if known.size else np.inf
    return middle if np.isfinite(middle) and middle > 0 else None


def _depth(files: ClipFiles, places: np.ndarray, video: VideoSize) -> tuple[DepthCondition | None, list[str]]:
    found = files.depth(places)
    if found is None:
        return None, []
    clip = normalize_depth(found[0], kind=found[1])
    return DepthCondition(clip=clip), list(clip.recipe.get("warnings", []))


def _identity(files: ClipFiles, places: np.ndarray, video: VideoSize) -> tuple[IdentityCondition | None, list[str]]:
    entries = files.clip.identities
    notes = [f"Of {len(entries)} identities the first {SLOTS} were taken."] if len(entries) > SLOTS else []
    identities: list[Identity] = []
    names: set[str] = set()
    for entry in entries[:SLOTS]:
        identity = read_identity_files(files, entry, places)
        if identity is None:
            notes.append(f"'{entry.name}' was left out: it has no reference, and is not seen.")
            continue
        if identity.name in names:
            identity = dataclasses.replace(identity, name=f"{identity.name} {len(names) + 1}")
        names.add(identity.name)
        identities.append(identity)
    return IdentityCondition(identities=tuple(identities)) if identities else None, notes


def read_identity_files(files: ClipFiles, entry: IdentityFiles, places: np.ndarray) -> Identity | None:
    """Return an identity with the masks at ascending places of the span.

    Without a reference, it is cut from the frame of the span in which its masks are largest; None where it is in none.
    """
    masks = files.masks(entry.mask_video, places) if entry.mask_video else None
    if entry.images:
        mask = read_mask_image(files.path(entry.mask)) if entry.mask else None
        images = tuple(read_image(files.path(name)) for name in entry.images)
        return Identity(entry.name, images, mask=mask, mask_video=masks)
    if masks is None:
        return None
    every = files.masks(entry.mask_video)
    largest = int(every.reshape(len(every), -1).sum(1).argmax())
    if not every[largest].max() > 0.5:
        return None
    (image,) = files.chosen(np.array([largest]))
    if image.shape[:2] != every.shape[1:]:
        raise UserError(
            f"the masks of '{entry.name}' are {every.shape[2]}x{every.shape[1]}, the video is"
            f" {image.shape[1]}x{image.shape[0]}: both must have one size"
        )
    return Identity(entry.name, (image,), mask=every[largest], mask_video=masks)
