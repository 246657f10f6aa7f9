"""Animated images (WebP) that pages show inline, no larger than a limit."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..control.errors import UserError, need
from ..control.files import atomic_path
from ..control.images import resize
from ..control.media import to_bytes

QUALITIES = (80, 65, 50, 35, 20, 10)
SMALLER = 0.8


def write_animation(path: str | Path, frames: np.ndarray, fps: float = 8.0, max_bytes: int = 300_000) -> int:
    """Write frames (F, H, W, 3), float 0..1 or uint8, as a WebP that loops; return its size in bytes.

    The best of QUALITIES that fits into `max_bytes`; where none does, the images are made smaller as well. The same
    frames make the same file. Raises UserError for another extension, no frames, and a PyAV without WebP.
    """
    path = Path(path)
    if path.suffix.lower() != ".webp":
        raise UserError(f"'{path.name}' is not the name of an animation: use .webp")
    if not len(frames):
        raise UserError(f"there are no frames to write to '{path}': pass at least one")
    images = to_bytes(frames)
    while True:
        for quality in QUALITIES:
            data = encode_webp(images, fps, quality)
            if len(data) <= max_bytes:
                with atomic_path(path) as part:
                    part.write_bytes(data)
                return len(data)
        height, width = (max(16, int(side * SMALLER)) for side in images.shape[1:3])
        if (height, width) == images.shape[1:3]:
            raise UserError(f"{len(frames)} frames do not fit into {max_bytes} bytes: use fewer frames")
        images = to_bytes(np.stack([resize(image.astype(np.float32) / 255, height, width) for image in images]))


def encode_webp(images: np.ndarray, fps: float, quality: int) -> bytes:
    """Return the bytes of the animation of images (F, H, W, 3) uint8 at one quality (0 to 100)."""
    try:
        import av
    except ImportError as error:
        raise need("av", "writing animations") from error
    if "libwebp_anim" not in av.codecs_available:
        raise UserError("this PyAV was built without WebP: install the one from the package index (pip install av)")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"quality": str(quality), "compression_level": "4"}
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()
