"""Second-order degradations: blur, another size, noise and compression, and once more (Real-ESRGAN, 2107.10833, 3.3).

What was drawn holds for the whole clip, as a camera and its codec do; only noise differs from frame to frame. The
second compression is that of a video half of the time (RealBasicVSR, 2111.12704). Clips are (F, H, W, 3), 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..images import resize, resize_cubic
from ..libraries import opencv
from .codecs import h264, jpeg
from .kernels import blur, draw_cutoff, draw_kernel, sinc

Span = tuple[float, float]
GRAY = 0.4  # share of the noise that is the same in all colors


@dataclass(frozen=True)
class Order:
    """The spans that one order draws from.

    blurred: share of the clips that are blurred. sigma: deviation of the blur in pixels. scale: by how much the clip
    shrinks or grows, with the shares (grown, shrunk). gaussian: deviation of Gaussian noise, in levels of 255.
    poisson: scale of Poisson noise, 1 for as many photons as levels. quality: of JPEG.
    """

    blurred: float
    sigma: Span
    scale: Span
    resized: tuple[float, float]
    gaussian: Span
    poisson: Span
    quality: tuple[int, int]


@dataclass(frozen=True)
class Degradations:
    """What is drawn for a clip; the defaults are Real-ESRGAN's.

    kernel: least and largest size of a kernel. sinc_share: of the blurs that ring; final_sinc: share of the clips that
    ring at the end. crf: of H.264. plain: share of the clips that are made smaller and nothing else, so that a clean
    video is not taken for a bad one.
    """

    first: Order = Order(1.0, (0.2, 3.0), (0.15, 1.5), (0.2, 0.7), (1, 30), (0.05, 3.0), (30, 95))
    second: Order = Order(0.8, (0.2, 1.5), (0.3, 1.2), (0.3, 0.4), (1, 25), (0.05, 2.5), (30, 95))
    kernel: tuple[int, int] = (7, 21)
    sinc_share: float = 0.1
    final_sinc: float = 0.8
    crf: tuple[int, int] = (18, 35)
    plain: float = 0.0


def degrade(
    clip: np.ndarray, factor: int, rng: np.random.Generator, degradations: Degradations | None = None
) -> np.ndarray:
    """Return a clip (F, H, W, 3) with sides smaller by `factor` (F, H // factor, W // factor, 3), made bad as drawn.

    Raises UserError for a clip with fewer pixels than that.
    """
    drawn = degradations or Degradations()
    frames, height, width = clip.shape[:3]
    size = height // factor, width // factor
    if factor < 1 or min(size) < 1:
        raise UserError(f"a clip of {width}x{height} cannot be made {factor} times smaller: give a larger one")
    clip = np.asarray(clip, np.float32)
    if rng.random() < drawn.plain:
        return np.stack([resize_cubic(frame, *size) for frame in clip]).clip(0, 1)
    clip = _one_order(clip, drawn.first, drawn, rng, (height, width))
    clip = jpeg(clip, int(rng.integers(*drawn.first.quality, endpoint=True)))
    clip = _one_order(clip, drawn.second, drawn, rng, size)
    rings_last = rng.random() < 0.5
    if not rings_last:
        clip = _finish(clip, drawn, rng, size)
    if frames > 1 and rng.random() < 0.5:
        clip = h264(clip, int(rng.integers(*drawn.crf, endpoint=True)))
    else:
        clip = jpeg(clip, int(rng.integers(*drawn.second.quality, endpoint=True)))
    return _finish(clip, drawn, rng, size) if rings_last else clip


def _one_order(
    clip: np.ndarray, order: Order, drawn: Degradations, rng: np.random.Generator, size: tuple[int, int]
) -> np.ndarray:
    """Return the clip after blur, another size and noise. size: that of scale 1."""
    if rng.random() < order.blurred:
        clip = blur(clip, draw_kernel(rng, _odd(rng, drawn.kernel), order.sigma, drawn.sinc_share))
    grown, shrunk = order.resized
    chance, scale = rng.random(), 1.0
    if chance < grown:
        scale = float(rng.uniform(1, order.scale[1]))
    elif chance < grown + shrunk:
        scale = float(rng.uniform(order.scale[0], 1))
    height, width = (max(1, round(side * scale)) for side in size)
    return _noisy(_resized(clip, height, width, rng), order, rng)


def _resized(clip: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return the clip at another size by a method that is drawn: area, bilinear or bicubic."""
    method = int(rng.integers(3))
    if method == 0:
        cv2 = opencv("resizing")
        return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in clip])
    change = resize if method == 1 else resize_cubic
    return np.stack([change(frame, height, width) for frame in clip]).clip(0, 1)


def _noisy(clip: np.ndarray, order: Order, rng: np.random.Generator) -> np.ndarray:
    """Return the clip with Gaussian or Poisson noise, of all colors alike or of each its own."""
    shape = (*clip.shape[:3], 1) if rng.random() < GRAY else clip.shape
    if rng.random() < 0.5:
        noise = float(rng.uniform(*order.gaussian)) / 255 * rng.standard_normal(shape, np.float32)
    else:
        light = clip.mean(-1, keepdims=True) if shape[3] == 1 else clip
        noise = (rng.poisson(light.clip(0, 1) * 255) / 255 - light) * float(rng.uniform(*order.poisson))
    noisy: np.ndarray = (clip + noise).clip(0, 1).astype(np.float32)
    return noisy


def _finish(clip: np.ndarray, drawn: Degradations, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return the clip at its final size, ringing at its edges in a share of the draws."""
    clip = _resized(clip, *size, rng)
    if rng.random() < drawn.final_sinc:
        kernel = _odd(rng, drawn.kernel)
        clip = blur(clip, sinc(kernel, draw_cutoff(rng, kernel))).clip(0, 1)
    return clip


def _odd(rng: np.random.Generator, span: tuple[int, int]) -> int:
    """Return an odd number drawn from a span of odd numbers."""
    return 2 * int(rng.integers(span[0] // 2, span[1] // 2, endpoint=True)) + 1
