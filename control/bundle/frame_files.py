"""Frames as PNG files that other programs read, exact wherever 8 or 16 bits are, and as an array where they are not.

A clip is a folder of numbered PNG images, a single image one file. Where the values are no whole steps of 1/255 or
1/65535, the images are what they round to, and `.npy` beside them holds every bit. Shapes: F frames, H height, W width,
C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..array_files import map_array
from ..errors import UserError
from ..files import JsonObject, existing
from ..libraries import opencv
from ..limits import check_clip
from ..media import read_image
from .manifest import inside, take

LEVELS = {8: 255, 16: 65535}


def write_frames(folder: Path, name: str, values: np.ndarray, step: Callable[[], object] = lambda: None) -> JsonObject:
    """Write frames (F, H, W) or (F, H, W, C), float32 0..1, as `name`/00000.png and so on; return their entry.

    step: called after each frame.
    """
    values = np.ascontiguousarray(values, np.float32)
    bits = next((bits for bits in LEVELS if _is_exact(values, bits)), None)
    (folder / name).mkdir(parents=True)
    for number, frame in enumerate(values):
        _write_png(folder / name / f"{number:05d}.png", frame, bits or 16)
        step()
    entry: JsonObject = {"frames": name, "count": len(values), "channels": values.shape[3] if values.ndim == 4 else 0}
    return _with_array(folder, name, values, entry, bits)


def write_still(folder: Path, name: str, values: np.ndarray) -> JsonObject:
    """Write an image (H, W) or (H, W, C), float32 0..1, as `name`.png; return its entry."""
    values = np.ascontiguousarray(values, np.float32)
    bits = next((bits for bits in LEVELS if _is_exact(values, bits)), None)
    path = folder / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_png(path, values, bits or 16)
    entry: JsonObject = {"image": f"{name}.png", "channels": values.shape[2] if values.ndim == 3 else 0}
    return _with_array(folder, name, values, entry, bits)


def read_values(folder: Path, entry: Any, what: str) -> np.ndarray:
    """Return what an entry stands for, float32: the array where there is one, else the images.

    Raises UserError for files that are missing, cut short, foreign, or of another number than the entry says.
    """
    if not isinstance(entry, dict):
        raise UserError(f"{what} has no entry in the manifest: export the conditions again")
    if entry.get("array") is not None:
        return _read_array(inside(folder, entry["array"]), what)
    channels = take(entry, "channels", int, what)
    if "image" in entry:
        return _read_png(inside(folder, entry["image"]), channels)
    count, place = take(entry, "count", int, what), inside(folder, take(entry, "frames", str, what))
    if count < 1:
        raise UserError(f"{what} has {count} frames in the manifest: export the conditions again")
    first = _read_png(place / "00000.png", channels)
    check_clip(count, first.shape[0], first.shape[1], what)
    result = np.empty((count, *first.shape), np.float32)
    for number in range(count):
        path = place / f"{number:05d}.png"
        image = first if number == 0 else _read_png(path, channels)
        if image.shape != first.shape:
            raise UserError(f"'{path}' has another size than the first frame: give frames of one size")
        result[number] = image
    return result


def _is_exact(values: np.ndarray, bits: int) -> bool:
    """Return whether whole steps of so many bits are exactly these values, as `read_image` makes them."""
    levels = LEVELS[bits]
    for part in values if values.ndim > 2 else (values,):
        steps = np.round(np.clip(part, 0, 1) * np.float32(levels))
        if not np.array_equal(steps.astype(np.float32) / levels, part):
            return False
    return True


def _with_array(folder: Path, name: str, values: np.ndarray, entry: JsonObject, bits: int | None) -> JsonObject:
    if bits is not None:
        return {**entry, "bits": bits}
    np.save(folder / f"{name}.npy", values, allow_pickle=False)
    return {**entry, "bits": 16, "array": f"{name}.npy"}


def _write_png(path: Path, values: np.ndarray, bits: int) -> None:
    cv2 = opencv("writing images")
    kind = np.uint8 if bits == 8 else np.uint16
    pixels = np.round(np.clip(values, 0, 1) * np.float32(LEVELS[bits])).astype(kind)
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise UserError(f"an image of shape {values.shape} cannot be written as '{path.name}'")
    path.write_bytes(data.tobytes())


def _read_png(path: Path, channels: int) -> np.ndarray:
    image = read_image(path)
    if channels == 0:
        return np.ascontiguousarray(image[..., 0])
    if image.shape[2] != channels:
        raise UserError(f"'{path}' has {image.shape[2]} channels, its manifest says {channels}: export it again")
    return image


def _read_array(path: Path, what: str) -> np.ndarray:
    try:
        array = np.array(map_array(existing(path, "array")))
    except UserError as error:
        raise UserError(f"the array '{path}' of {what} cannot be read: {error.clause}: export it again") from error
    if array.dtype != np.float32 or array.ndim not in (2, 3, 4):
        raise UserError(f"the array '{path}' of {what} is not what was exported: export the conditions again")
    return array
