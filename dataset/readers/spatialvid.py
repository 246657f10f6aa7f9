"""SpatialVID: `annotations/GROUP/ID/{caption.json, poses.npy, intrinsics.npy, indexes.txt, dyn_masks.npz}`,
`videos/GROUP/ID.mp4` and `depths/GROUP/ID.zip`.

A pose is tx ty tz qx qy qz qw, world-to-camera, the lens fx fy cx cy by width and height. Both are known at the frames
of indexes.txt (lines of a number and a frame; without it they are spread over the video), and so are depth (EXR images
of inverse depth) and the masks of what moves (rows compressed as SciPy's CSR has them).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...control.array_files import read_archive, read_array
from ...control.camera.formats.format import UNKNOWN_UNIT
from ...control.camera.interpolate import interpolate_poses
from ...control.camera.rotations import from_quaternion
from ...control.camera.trajectory import CameraTrajectory, invert, make_poses
from ...control.depth.exr import read_channels
from ...control.errors import UserError
from ...control.files import atomic_path, existing
from ...control.images import indices
from ...control.media import count_frames, video_rate
from ..clip_files import unpacked
from ..manifest import Clip, DepthFile
from .place import Place, Skipped, read_text

_FULL = ("SceneDescription", "scene_description", "caption", "Caption")
_PLAIN = ("SceneSummary", "scene_summary", "summary", "Summary")


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each annotation."""
    for poses in sorted(root.glob("annotations/*/*/poses.npy")):
        folder = poses.parent
        id = place.id(folder.name)
        try:
            yield _clip(root, folder, id, place)
        except (UserError, ValueError) as error:
            yield Skipped(id, getattr(error, "clause", str(error)))


def _clip(root: Path, folder: Path, id: str, place: Place) -> Clip:
    group, name = folder.parent.name, folder.name
    video = existing(root / "videos" / group / f"{name}.mp4", "video")
    fps = video_rate(video)
    poses, lens = _array(folder / "poses.npy", 7), _array(folder / "intrinsics.npy", 4)
    known = _known_frames(folder / "indexes.txt", len(poses), video)
    if len(lens) not in (1, len(poses)):
        raise UserError(f"'{folder}' has {len(poses)} poses and {len(lens)} lenses: download it again")
    lens = np.broadcast_to(lens, (len(poses), 4))
    rotation = from_quaternion(poses[:, [6, 3, 4, 5]], "a quaternion of poses.npy")
    c2w = invert(make_poses(rotation, poses[:, :3]))
    at = np.arange(known[0], known[-1] + 1)
    if len(known) > 1:
        c2w, lens = interpolate_poses(c2w, lens, known.astype(float), at.astype(float))
    depth, masks = root / "depths" / group / f"{name}.zip", folder / "dyn_masks.npz"
    return Clip(
        id,
        place.name(video),
        (int(at[0]), int(at[-1]) + 1),
        fps,
        captions=_captions(folder / "caption.json"),
        camera=place.camera(id, CameraTrajectory(c2w, lens, fps=fps, unit=UNKNOWN_UNIT)),
        depth=_depth(depth, known, place) if depth.exists() else None,
        masks=_masks(masks, known, at, id, place) if masks.exists() else "",
        provenance={"group": group, "video": name},
    )


def _array(path: Path, columns: int) -> np.ndarray:
    path = existing(path, "array")
    with path.open("rb") as file:
        values = np.atleast_2d(read_array(file, path.stat().st_size))
    if values.ndim != 2 or values.shape[1] != columns or not len(values) or not np.isfinite(values).all():
        raise UserError(f"'{path}' has shape {values.shape}; rows of {columns} finite numbers were expected")
    return values.astype(np.float64)


def _known_frames(path: Path, count: int, video: Path) -> np.ndarray:
    """Return the frames of the video at which something is known: (count,), ascending."""
    if not path.exists():
        return indices(count_frames(video), count)
    frames = np.array([int(line.split()[-1]) for line in read_text(path).splitlines() if line.split()])
    if len(frames) != count or (np.diff(frames) <= 0).any() or frames[0] < 0:
        raise UserError(f"'{path}' names {len(frames)} frames for {count} poses: one each, ascending, was expected")
    return frames


def _captions(path: Path) -> dict[str, str]:
    """Return all texts of caption.json under their names, and which of them are trained as 'full' and 'plain'."""
    if not path.exists():
        return {}
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise UserError(f"'{path}' is not JSON ({error}): download it again") from error
    texts = (
        {key: text for key, text in value.items() if isinstance(text, str) and text} if isinstance(value, dict) else {}
    )
    for kind, names in (("full", _FULL), ("plain", _PLAIN)):
        text = next((texts[name] for name in names if name in texts), "")
        if text:
            texts[kind] = text
    return texts


def _depth(path: Path, known: np.ndarray, place: Place) -> DepthFile:
    """Return the depth in an archive; its channel is stated, since it may be called as one of distances."""
    with unpacked(path) as folder:
        channels = list(read_channels(min(folder.iterdir())))
    return DepthFile(place.name(path), "disparity", channel=channels[0], frames=tuple(known.tolist()))


def _masks(path: Path, known: np.ndarray, at: np.ndarray, id: str, place: Place) -> str:
    """Write a mask for each frame of the span, that of the nearest known one; return the file's name."""
    arrays = read_archive(path)
    if "shape" not in arrays:
        raise UserError(f"'{path}' does not say the shape of its masks: download it again")
    height, width = (int(side) for side in np.ravel(arrays["shape"])[-2:])
    masks = np.zeros((len(known), height, width), np.uint8)
    for number, mask in enumerate(masks):
        if f"f_{number}_indptr" not in arrays:
            raise UserError(f"'{path}' has no mask of the frame {number}: download it again")
        rows = np.repeat(np.arange(height), np.diff(arrays[f"f_{number}_indptr"]))
        mask[rows, arrays[f"f_{number}_indices"]] = 1
    nearest = np.abs(known[None] - at[:, None]).argmin(1)
    file = place.converted(f"{id}.masks.npz")
    with atomic_path(file) as temporary:
        np.savez_compressed(temporary, masks=masks[nearest])
    return place.name(file)
