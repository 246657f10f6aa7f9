"""Blurs as small kernels: Gaussians, their sharper and flatter kin, and the ringing of a sinc filter.

Real-ESRGAN (arXiv 2107.10833), section 3.2. A kernel is (size, size) float32 of sum 1, its size odd.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..libraries import opencv


def gaussian(size: int, sigma: tuple[float, float], angle: float) -> np.ndarray:
    """Return a Gaussian of the deviations `sigma`, in pixels, along axes that are turned by `angle` radians."""
    return _normalized(np.exp(-0.5 * _distance(size, sigma, angle)))


def generalized_gaussian(size: int, sigma: tuple[float, float], angle: float, beta: float) -> np.ndarray:
    """Return exp(-d^beta / 2) for the squared distance d: sharper than a Gaussian below beta = 1, else flatter."""
    return _normalized(np.exp(-0.5 * _distance(size, sigma, angle) ** beta))


def plateau(size: int, sigma: tuple[float, float], angle: float, beta: float) -> np.ndarray:
    """Return 1 / (1 + d^beta) for the squared distance d."""
    return _normalized(1 / (1 + _distance(size, sigma, angle) ** beta))


def sinc(size: int, cutoff: float) -> np.ndarray:
    """Return the ideal low pass of a circle of `cutoff` radians a pixel, cut off at `size`: edges ring, as sharpening
    and compression make them (eq. 6)."""
    radius = np.hypot(*_grid(size))
    middle = size // 2
    radius[middle, middle] = 1.0
    kernel = cutoff / (2 * np.pi * radius) * _bessel(cutoff * radius)
    kernel[middle, middle] = cutoff**2 / (4 * np.pi)
    return _normalized(kernel)


def blur(clip: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return a clip (F, H, W, 3) whose frames are convolved with a kernel; edges are mirrored."""
    cv2 = opencv("blurring")
    return np.stack([cv2.filter2D(frame, -1, kernel, borderType=cv2.BORDER_REFLECT_101) for frame in clip])


def draw_kernel(rng: np.random.Generator, size: int, sigma: tuple[float, float], sinc_share: float) -> np.ndarray:
    """Return a kernel of a kind drawn with the paper's shares. sigma: the least and the largest deviation."""
    if rng.random() < sinc_share:
        return sinc(size, draw_cutoff(rng, size))
    first = float(rng.uniform(*sigma))
    second = float(rng.uniform(*sigma)) if rng.random() < ANISOTROPIC else first
    angle = float(rng.uniform(-np.pi, np.pi))
    names, shares = zip(*KINDS.items(), strict=True)
    kind = names[int(rng.choice(len(names), p=shares))]
    if kind == "gaussian":
        return gaussian(size, (first, second), angle)
    make, span = SHAPED[kind]
    # Half of the draws are sharper than a Gaussian, half flatter.
    beta = float(rng.uniform(span[0], 1) if rng.random() < 0.5 else rng.uniform(1, span[1]))
    return make(size, (first, second), angle, beta)


def draw_cutoff(rng: np.random.Generator, size: int) -> float:
    """Return the cutoff of a sinc kernel; a small one cannot show low frequencies."""
    return float(rng.uniform(np.pi / 3 if size < 13 else np.pi / 5, np.pi))


Shaped = Callable[[int, tuple[float, float], float, float], np.ndarray]
KINDS = {"gaussian": 0.7, "generalized": 0.15, "plateau": 0.15}  # with their shares, which sum to 1
SHAPED: dict[str, tuple[Shaped, tuple[float, float]]] = {  # and the span of their beta
    "generalized": (generalized_gaussian, (0.5, 4.0)),
    "plateau": (plateau, (0.5, 2.0)),
}
ANISOTROPIC = 0.36  # share of the kernels that are longer in one direction


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(size) - size // 2
    across, down = np.meshgrid(at, at)
    return across.astype(np.float64), down.astype(np.float64)


def _distance(size: int, sigma: tuple[float, float], angle: float) -> np.ndarray:
    """Return the squared distance (size, size) from the middle, in deviations along the turned axes."""
    across, down = _grid(size)
    along, beside = np.cos(angle) * across + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * across
    squared: np.ndarray = (along / sigma[0]) ** 2 + (beside / sigma[1]) ** 2
    return squared


def _normalized(kernel: np.ndarray) -> np.ndarray:
    normal: np.ndarray = (kernel / kernel.sum()).astype(np.float32)
    return normal


def _bessel(x: np.ndarray) -> np.ndarray:
    """Return the Bessel function of the first kind and order 1, by its integral: the mean of cos(a - x sin a) over a
    half circle, which the trapezoidal rule has to rounding."""
    count = 512
    angle = np.linspace(0, np.pi, count + 1)
    weights = np.full(count + 1, 1.0 / count)
    weights[[0, -1]] /= 2
    values: np.ndarray = np.tensordot(np.cos(angle - x[..., None] * np.sin(angle)), weights, (-1, 0))
    return values
