"""The thorough option: COLMAP's structure from motion through pycolmap (SIFT, exhaustive adjustment), on the CPU.

It finds the focal length of an unknown lens better than anything here, takes minutes instead of seconds, and has no
solution for a camera that only rotates.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError

# Frames before each frame with which it is matched.
_MATCHED_FRAMES = 10


@dataclass
class ColmapResult:
    """w2c (F, 3, 4), NaN where a frame has no pose; focal in pixels of the working image; inliers (F,): share of a
    frame's keypoints that are part of the reconstruction; points (N, 3); first_points (M, 3): those in frame 0."""

    w2c: np.ndarray
    focal: float
    inliers: np.ndarray
    points: np.ndarray
    first_points: np.ndarray


def reconstruct(images: list[np.ndarray], allowed: list[np.ndarray] | None, focal: float | None) -> ColmapResult:
    """Return the reconstruction of gray images (H, W) uint8.

    allowed: per image (H, W) uint8, 0 where no keypoint may be. focal: in pixels, or None. Raises UserError where
    pycolmap is not installed, and where no reconstruction holds half of the frames.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise UserError("the method 'colmap' needs pycolmap: pip install pycolmap, or use 'sift'") from error
    pycolmap.logging.minloglevel = pycolmap.logging.ERROR.value
    with tempfile.TemporaryDirectory(prefix="fulldit_colmap_") as name:
        folder = Path(name)
        _write_images(folder, images, allowed)
        _match(pycolmap, folder, images[0].shape, focal, allowed is not None)
        options = pycolmap.IncrementalPipelineOptions()
        options.ba_refine_focal_length = focal is None
        options.ba_refine_extra_params = False
        options.multiple_models = False
        options.random_seed = 0
        models = pycolmap.incremental_mapping(_database(folder), folder / "images", folder / "out", options)
    best = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    registered = 0 if best is None else best.num_reg_images()
    if best is None or registered < max(2, len(images) / 2):
        raise UserError(
            f"COLMAP found the pose of {registered} of {len(images)} frames: it needs texture, and a camera that moves"
            " and not only turns. The method 'sift' also takes a camera that only turns"
        )
    return _read_model(best, len(images))


def _database(folder: Path) -> Path:
    return folder / "database.db"


def _write_images(folder: Path, images: list[np.ndarray], allowed: list[np.ndarray] | None) -> None:
    import cv2

    for name in ("images", "masks", "out"):
        (folder / name).mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / "images" / f"{number:06d}.png"), image)
        if allowed is not None:
            cv2.imwrite(str(folder / "masks" / f"{number:06d}.png.png"), allowed[number])


def _match(pycolmap: Any, folder: Path, shape: tuple[int, ...], focal: float | None, masked: bool) -> None:
    """Write keypoints and matches of the images into the database."""
    height, width = shape
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "SIMPLE_PINHOLE"
    if focal is not None:
        reader.camera_params = f"{focal},{width / 2},{height / 2}"
    if masked:
        reader.mask_path = str(folder / "masks")
    device = pycolmap.Device.cpu
    mode = pycolmap.CameraMode.SINGLE
    pycolmap.extract_features(
        _database(folder), folder / "images", camera_mode=mode, reader_options=reader, device=device
    )
    pairs = pycolmap.SequentialPairingOptions()
    pairs.overlap, pairs.loop_detection = _MATCHED_FRAMES, False
    pycolmap.match_sequential(_database(folder), pairing_options=pairs, device=device)


def _read_model(model: Any, frames: int) -> ColmapResult:
    """Return what a pycolmap.Reconstruction of `frames` images holds."""
    w2c, inliers = np.full((frames, 3, 4), np.nan), np.zeros(frames)
    in_first: set[int] = set()
    for key in model.reg_image_ids():
        image = model.image(key)
        number = int(Path(image.name).stem)
        w2c[number] = image.cam_from_world().matrix()
        inliers[number] = image.num_points3D / max(image.num_points2D(), 1)
        if number == 0:
            in_first = {point.point3D_id for point in image.points2D if point.has_point3D()}
    positions = {key: point.xyz for key, point in model.points3D.items()}
    camera = next(iter(model.cameras.values()))
    points = np.array(list(positions.values())).reshape(-1, 3)
    first_points = np.array([positions[key] for key in in_first if key in positions]).reshape(-1, 3)
    return ColmapResult(w2c, float(camera.focal_length), inliers, points, first_points)
