"""Patches aligned with the frame in which they were first seen, so that tracking does not accumulate errors.

The patch is compared with its own first image under an affine warp, gain and offset: Baker and Matthews,
"Lucas-Kanade 20 Years On", 2004, the inverse compositional algorithm; Shi and Tomasi, 1994, on why affine. What an
affine warp can hide (a point slides along a smooth edge) is in `covariance`. All patches of a frame at once, in numpy.
N patches, S = GRID x GRID samples each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange

GRID = 17
ROUNDS = 6
# Correlation with the template below which a patch is lost.
MIN_CORRELATION = 0.85
# What a patch differs from its template by: gray levels (0..255) of noise, and a share of its contrast, since blur,
# sampling and perspective differ. Neighboring samples differ alike, which is why the share is large.
NOISE, CONTRAST_NOISE = 2.0, 0.3


def blur(image: np.ndarray, step: float) -> np.ndarray:
    """Return the image as float32, blurred so that samples `step` pixels apart miss nothing."""
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.6 * step)).astype(np.float32)


def sample_bilinear(image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Return the bilinear values (n, S) at pixel indices xy (n, S, 2); outside, those of the nearest border pixel.

    OpenCV 5 is exact here; OpenCV 4 rounds positions to 1/32 pixel.
    """
    import cv2

    if not len(xy):
        return np.zeros(xy.shape[:-1], np.float32)
    x, y = (np.ascontiguousarray(xy[..., k], np.float32) for k in (0, 1))
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def sample_offsets(step: float, grid: int = GRID) -> np.ndarray:
    """Return the offsets (grid * grid, 2) float64 of a patch's samples from its middle, `step` pixels apart."""
    line = (np.arange(grid) - grid // 2) * step
    return rearrange(np.stack(np.meshgrid(line, line), -1), "h w xy -> (h w) xy")


@dataclass
class Patches:
    """N templates: values (N, S) of zero mean; solve (N, 6, S) from errors to warp steps; warp (N, 2, 2) now;
    covariance (N, 2, 2) of a position in pixels; contrast (N,)."""

    values: np.ndarray
    solve: np.ndarray
    warp: np.ndarray
    covariance: np.ndarray
    contrast: np.ndarray

    def select(self, keep: np.ndarray) -> Patches:
        """Return some of the patches: a mask (N,) or indices."""
        return Patches(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def concatenate(self, other: Patches) -> Patches:
        """Return these patches and those of `other`."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Patches(*(np.concatenate(pair) for pair in pairs))


def extract_patches(image: np.ndarray, xy: np.ndarray, step: float) -> Patches:
    """Return templates around xy (N, 2), pixel indices, of an image from `blur`."""
    around = sample_offsets(step).astype(np.float32)
    at = xy[:, None] + around
    values = sample_bilinear(image, at)
    values = values - values.mean(1, keepdims=True)
    contrast = np.sqrt((values**2).mean(1))
    radius = step * (GRID // 2)
    jacobian = _warp_jacobian(image, at, around / radius)
    # What gain and offset explain is not movement.
    unit = values / np.maximum(np.sqrt((values**2).sum(1, keepdims=True)), 1e-6)
    jacobian = jacobian - jacobian.mean(2, keepdims=True)
    jacobian = jacobian - (jacobian @ unit[:, :, None]) * unit[:, None]
    normal = (jacobian @ rearrange(jacobian, "n p s -> n s p")).astype(np.float64)
    # A weak prior on the warp of the frame before, as corners do not determine all of it.
    lift = 0.003 * np.einsum("nii->n", normal) / 6 + 1e-6
    ridge = np.zeros((len(xy), 6))
    ridge[:, 2:] = lift[:, None]
    inverse = np.linalg.inv(normal + np.einsum("ni,ij->nij", ridge + 1e-6, np.eye(6)))
    # An uncertain warp makes the position uncertain: the tip of an ellipse looks the same further along.
    noise = NOISE**2 + (CONTRAST_NOISE * contrast.astype(np.float64)) ** 2
    prior = np.diag([1e-4, 1e-4, *[1 / (0.3 * radius) ** 2] * 4])
    covariance = np.linalg.inv(normal / noise[:, None, None] + prior)[:, :2, :2]
    identity = np.tile(np.eye(2, dtype=np.float32), (len(xy), 1, 1))
    return Patches(values, (inverse @ jacobian).astype(np.float32), identity, covariance, contrast)


def _warp_jacobian(image: np.ndarray, at: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the derivatives (N, 6, S) of samples at (N, S, 2) by translation (2) and the entries of the warp (4).

    offsets (S, 2): of the samples, in radii of the patch. One unit of a warp's entry moves the border of the patch by
    its radius, so that all six parameters are pixels.
    """
    right, down = np.array([0.5, 0], np.float32), np.array([0, 0.5], np.float32)
    gx = sample_bilinear(image, at + right) - sample_bilinear(image, at - right)
    gy = sample_bilinear(image, at + down) - sample_bilinear(image, at - down)
    x, y = offsets.T
    return np.stack([gx, gy, gx * x, gx * y, gy * x, gy * y], 1)


def align_patches(
    patches: Patches, image: np.ndarray, xy: np.ndarray, step: float
) -> tuple[np.ndarray, Patches, np.ndarray]:
    """Refine positions xy (N, 2) and the patches' warps in an image from `blur`.

    Returns positions (N, 2), patches with new warps, and the correlation (N,), -1..1, of the image with the templates.
    """
    around = sample_offsets(step).astype(np.float32)
    radius = step * (GRID // 2)
    warp, at = patches.warp.copy(), xy.astype(np.float32).copy()
    energy = np.einsum("ns,ns->n", patches.values, patches.values)
    correlation = np.zeros(len(xy))
    for iteration in range(ROUNDS + 1):
        values = sample_bilinear(image, at[:, None] + around @ rearrange(warp, "n i j -> n j i"))
        values -= values.mean(1, keepdims=True)
        gain = np.einsum("ns,ns->n", values, patches.values) / np.maximum(energy, 1e-6)
        correlation = gain * np.sqrt(energy / np.maximum(np.einsum("ns,ns->n", values, values), 1e-6))
        if iteration == ROUNDS:
            break
        error = values / np.maximum(gain, 0.2)[:, None] - patches.values
        change = np.clip(np.einsum("nks,ns->nk", patches.solve, error), -1.5, 1.5)
        # The step warps the template; the image's warp takes its inverse from the right.
        template_warp = np.eye(2, dtype=np.float32) + rearrange(change[:, 2:], "n (i j) -> n i j", i=2) / radius
        inverse = np.linalg.inv(template_warp)
        at = at - np.einsum("nij,njk,nk->ni", warp, inverse, change[:, :2])
        warp = warp @ inverse
    aligned = Patches(patches.values, patches.solve, warp, patches.covariance, patches.contrast)
    return at, aligned, correlation
