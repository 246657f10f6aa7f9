"""The thorough option: COLMAP's structure from motion through pycolmap (SIFT, exhaustive adjustment), on the CPU.

It finds the focal length of an unknown lens better than anything here, takes minutes instead of seconds, and has no
answer for a camera that only turns.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError


@dataclass
class Solved:
    """w2c (F, 3, 4), NaN where a frame has no pose; focal in pixels of the working image; agreeing (F,): share of a
    frame's keypoints that are part of the reconstruction; points (N, 3); first (M, 3): those that frame 0 sees."""

    w2c: np.ndarray
    focal: float
    agreeing: np.ndarray
    points: np.ndarray
    first: np.ndarray


def solve(images: list[np.ndarray], allowed: list[np.ndarray] | None, focal: float | None) -> Solved:
    """Gray images (H, W) uint8, where to look (0 = nowhere), focal length in pixels or None.

    Raises UserError where pycolmap is not installed, and where no reconstruction holds half of the frames.
    """
    try:
        import pycolmap
    except ImportError as error:
        raise UserError("the method 'colmap' needs pycolmap: pip install pycolmap, or use 'sift'") from error
    import cv2

    height, width = images[0].shape
    pycolmap.logging.minloglevel = pycolmap.logging.ERROR.value
    with tempfile.TemporaryDirectory(prefix="fulldit_colmap_") as name:
        folder = Path(name)
        for part in ("images", "masks", "out"):
            (folder / part).mkdir()
        for number, image in enumerate(images):
            cv2.imwrite(str(folder / "images" / f"{number:06d}.png"), image)
            if allowed is not None:
                cv2.imwrite(str(folder / "masks" / f"{number:06d}.png.png"), allowed[number])
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = "SIMPLE_PINHOLE"
        if focal is not None:
            reader.camera_params = f"{focal},{width / 2},{height / 2}"
        if allowed is not None:
            reader.mask_path = str(folder / "masks")
        database = folder / "database.db"
        device = pycolmap.Device.cpu
        mode = pycolmap.CameraMode.SINGLE
        pycolmap.extract_features(database, folder / "images", camera_mode=mode, reader_options=reader, device=device)
        pairs = pycolmap.SequentialPairingOptions()
        pairs.overlap, pairs.loop_detection = 10, False
        pycolmap.match_sequential(database, pairing_options=pairs, device=device)
        options = pycolmap.IncrementalPipelineOptions()
        options.ba_refine_focal_length = focal is None
        options.ba_refine_extra_params = False
        options.multiple_models = False
        options.random_seed = 0
        found = pycolmap.incremental_mapping(database, folder / "images", folder / "out", options)
    best = max(found.values(), key=lambda model: model.num_reg_images(), default=None)
    if best is None or best.num_reg_images() < max(2, len(images) / 2):
        count = 0 if best is None else best.num_reg_images()
        raise UserError(
            f"COLMAP placed {count} of {len(images)} frames: it needs texture and a camera that moves, not only"
            " turns. The method 'sift' knows cameras that only turn"
        )
    return _read(best, len(images))


def _read(model, frames: int) -> Solved:
    w2c, agreeing = np.full((frames, 3, 4), np.nan), np.zeros(frames)
    seen_first: set[int] = set()
    for key in model.reg_image_ids():
        image = model.image(key)
        number = int(Path(image.name).stem)
        w2c[number] = image.cam_from_world().matrix()
        agreeing[number] = image.num_points3D / max(image.num_points2D(), 1)
        if number == 0:
            seen_first = {point.point3D_id for point in image.points2D if point.has_point3D()}
    points = {key: point.xyz for key, point in model.points3D.items()}
    camera = next(iter(model.cameras.values()))
    everything = np.array(list(points.values())).reshape(-1, 3)
    first = np.array([points[key] for key in seen_first if key in points]).reshape(-1, 3)
    return Solved(w2c, float(camera.focal_length), agreeing, everything, first)
