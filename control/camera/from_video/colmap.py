"""The other option: structure from motion by COLMAP (pycolmap), SIFT and global mapping (GLOMAP), on the CPU.

Global mapping (Pan et al., "Global Structure-from-Motion Revisited", ECCV 2024) solves all rotations, then all
positions, and adjusts everything; without a focal length, one is calibrated from the pairs of frames first. It takes
longer than the rest of this folder, is best with a known focal length, and may invent positions for a camera that only
turns. Its result is judged as every other. pycolmap before version 4 has no global mapping: it is refused.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from . import bundle_adjustment as ba
from .assemble import Solution
from .motion_fits import MotionFit

# Frames before each frame with which it is matched.
_MATCHED_FRAMES = 10


def reconstruct(images: list[np.ndarray], allowed: list[np.ndarray] | None, focal: float | None) -> Solution:
    """Return the reconstruction of gray images (H, W) uint8 that holds the most of them.

    allowed: per image (H, W) uint8, 0 where no keypoint may be. focal: in image widths, or None. Raises UserError where
    pycolmap is not installed or too old, and where no reconstruction holds half of the frames.
    """
    pycolmap = _library()
    height, width = images[0].shape
    with tempfile.TemporaryDirectory(prefix="fulldit_colmap_") as name:
        folder = Path(name)
        _write_images(folder, images, allowed)
        _match(pycolmap, folder, width, height, None if focal is None else focal * width, allowed is not None)
        models = _map(pycolmap, folder, focal is None)
    best = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    registered = 0 if best is None else best.num_reg_images()
    if best is None or registered < max(2, len(images) / 2):
        raise UserError(
            f"COLMAP found the pose of {registered} of {len(images)} frames: it needs texture, and a camera that moves"
            " and not only turns. The method 'sift' also takes a camera that only turns"
        )
    fit, used = _read_model(best, len(images), width, height)
    pixel = max(width, height) / 672
    remark = f"COLMAP found the pose of {registered} of {len(images)} frames."
    return Solution(fit, (width, height), pixel, focal is not None, remarks=(remark,), used=used, method="colmap")


def _library() -> Any:
    """Return pycolmap. Raises UserError where it is missing or knows no global mapping."""
    try:
        import pycolmap
    except ImportError as error:
        raise UserError("the method 'colmap' needs pycolmap: pip install pycolmap, or use 'sift'") from error
    if not hasattr(pycolmap, "global_mapping"):
        raise UserError(
            f"the method 'colmap' needs pycolmap 4 or newer, and {getattr(pycolmap, '__version__', 'an older one')} is"
            " installed: pip install --upgrade pycolmap, or use 'sift'"
        )
    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value
    return pycolmap


def _map(pycolmap: Any, folder: Path, refine_focal: bool) -> dict[int, Any]:
    """Return the reconstructions that global mapping makes of the matches in the database."""
    if refine_focal:
        calibration = pycolmap.ViewGraphCalibrationOptions()
        calibration.random_seed = 0
        pycolmap.calibrate_view_graph(_database(folder), calibration)
    options = pycolmap.GlobalPipelineOptions()
    options.random_seed = options.mapper.random_seed = 0
    options.mapper.global_positioning.use_gpu = False
    adjustment = options.mapper.bundle_adjustment
    adjustment.ceres.use_gpu = False
    adjustment.refine_focal_length = refine_focal
    adjustment.refine_extra_params = False
    models: dict[int, Any] = pycolmap.global_mapping(_database(folder), folder / "images", folder / "out", options)
    return models


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


def _match(pycolmap: Any, folder: Path, width: int, height: int, focal: float | None, masked: bool) -> None:
    """Write keypoints and matches of the images into the database. focal: in pixels."""
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


def _read_model(model: Any, frames: int, width: int, height: int) -> tuple[MotionFit, np.ndarray]:
    """Return what a pycolmap.Reconstruction holds of `frames` images, as a fit, and how much of each image it uses.

    That is the share (F,) of its keypoints. Frames without a pose have that of a neighbor and no observations.
    """
    poses, share = np.full((frames, 3, 4), np.nan), np.zeros(frames)
    points = {key: number for number, key in enumerate(model.points3D)}
    rows: list[tuple[int, int, float, float]] = []
    for key in model.reg_image_ids():
        image = model.image(key)
        number = int(Path(image.name).stem)
        poses[number] = image.cam_from_world().matrix()
        share[number] = image.num_points3D / max(image.num_points2D(), 1)
        for point in image.points2D:
            if point.has_point3D():
                x, y = point.xy
                rows.append((number, points[point.point3D_id], x - width / 2, y - height / 2))
    known = np.flatnonzero(np.isfinite(poses[:, 0, 0]))
    nearest = known[np.abs(np.arange(frames)[:, None] - known).argmin(1)]
    table = np.array(rows).reshape(-1, 4)
    bundle = ba.Bundle(
        poses[nearest, :, :3],
        poses[nearest, :, 3],
        np.full(frames, float(next(iter(model.cameras.values())).focal_length)),
        np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3),
        table[:, 0].astype(int),
        table[:, 1].astype(int),
        table[:, 2:],
        np.tile(np.eye(2), (len(table), 1, 1)),
    )
    registered = np.isin(np.arange(frames), known)
    fit = MotionFit("moving", np.arange(frames), np.arange(len(points)), bundle, registered)
    return fit, share
