"""Patches aligned with the frame in which they were first seen, so that following them does not add up errors.

The patch is compared with its own first image under an affine warp, gain and offset: Baker and Matthews,
"Lucas-Kanade 20 Years On", 2004, the inverse compositional algorithm; Shi and Tomasi, 1994, on why affine. What an
affine warp can hide (a point slides along a smooth edge) is in `spread`. All patches of a frame at once, in numpy.
N patches, S = GRID x GRID samples each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRID = 17
# Of the warp's slopes one unit moves the patch's rim by its radius: scaled so, all six numbers are pixels.
ROUNDS = 6
ALIKE = 0.85
# What a patch differs from its template by: gray levels (0..255) of noise, and a share of its contrast, since blur,
# sampling and perspective differ. Neighboring samples differ alike, which is why the share is large.
NOISE, MISFIT = 2.0, 0.3


def smooth(image: np.ndarray, step: float) -> np.ndarray:
    """The image as float32, blurred so that samples `step` pixels apart miss nothing."""
    import cv2

    return cv2.GaussianBlur(image, (0, 0), 0.6 * step).astype(np.float32)


def sample(image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Bilinear values (n, S) at pixel indices xy (n, S, 2); outside, the rim's.

    OpenCV 5 is exact here; OpenCV 4 rounds positions to 1/32 pixel.
    """
    import cv2

    if not len(xy):
        return np.zeros(xy.shape[:-1], np.float32)
    x, y = (np.ascontiguousarray(xy[..., k], np.float32) for k in (0, 1))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def offsets(step: float) -> np.ndarray:
    """Sample offsets (S, 2) from a patch's middle."""
    line = (np.arange(GRID) - GRID // 2) * step
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2).astype(np.float32)


@dataclass
class Patches:
    """N templates: values (N, S) of zero mean; solve (N, 6, S) from errors to warp steps; warp (N, 2, 2) the slopes
    now; spread (N, 2, 2) covariance of a position in pixels; contrast (N,)."""

    values: np.ndarray
    solve: np.ndarray
    warp: np.ndarray
    spread: np.ndarray
    contrast: np.ndarray

    def only(self, keep: np.ndarray) -> Patches:
        return Patches(self.values[keep], self.solve[keep], self.warp[keep], self.spread[keep], self.contrast[keep])

    def and_also(self, other: Patches) -> Patches:
        return Patches(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__dataclass_fields__))


def take(image: np.ndarray, xy: np.ndarray, step: float) -> Patches:
    """Templates around xy (N, 2), pixel indices, of an image from `smooth`."""
    around = offsets(step)
    at = xy[:, None] + around
    values = sample(image, at)
    across, down = np.float32([0.5, 0]), np.float32([0, 0.5])
    gx = sample(image, at + across) - sample(image, at - across)
    gy = sample(image, at + down) - sample(image, at - down)
    radius = step * (GRID // 2)
    x, y = around[:, 0] / radius, around[:, 1] / radius
    jacobian = np.stack([gx, gy, gx * x, gx * y, gy * x, gy * y], 1)
    mean = values.mean(1, keepdims=True)
    values = values - mean
    contrast = np.sqrt((values**2).mean(1))
    # What gain and offset explain is no movement.
    unit = values / np.maximum(np.sqrt((values**2).sum(1, keepdims=True)), 1e-6)
    jacobian = jacobian - jacobian.mean(2, keepdims=True)
    jacobian = jacobian - (jacobian @ unit[:, :, None]) * unit[:, None]
    normal = (jacobian @ jacobian.transpose(0, 2, 1)).astype(np.float64)
    # A little faith in the warp of the frame before, as corners do not show all of it.
    lift = 0.003 * np.einsum("nii->n", normal) / 6 + 1e-6
    ridge = np.zeros((len(xy), 6))
    ridge[:, 2:] = lift[:, None]
    inverse = np.linalg.inv(normal + np.einsum("ni,ij->nij", ridge + 1e-6, np.eye(6)))
    # What is not known of the warp makes the position less known: the tip of an ellipse looks the same further along.
    noise = NOISE**2 + (MISFIT * contrast.astype(np.float64)) ** 2
    prior = np.diag([1e-4, 1e-4, *[1 / (0.3 * radius) ** 2] * 4])
    spread = np.linalg.inv(normal / noise[:, None, None] + prior)[:, :2, :2]
    solve = (inverse @ jacobian).astype(np.float32)
    return Patches(values, solve, np.tile(np.eye(2, dtype=np.float32), (len(xy), 1, 1)), spread, contrast)


def align(patches: Patches, image: np.ndarray, xy: np.ndarray, step: float):
    """Refine positions xy (N, 2) and the patches' warps in an image from `smooth`.

    Returns positions (N, 2), new patches, and how alike (N,) the image there is to the template (correlation -1..1).
    """
    around = offsets(step)
    radius = step * (GRID // 2)
    warp, at = patches.warp.copy(), xy.astype(np.float32).copy()
    alike = np.zeros(len(xy))
    for turn in range(ROUNDS + 1):
        where = at[:, None] + around @ warp.transpose(0, 2, 1)
        values = sample(image, where)
        values -= values.mean(1, keepdims=True)
        size = np.einsum("ns,ns->n", patches.values, patches.values)
        gain = np.einsum("ns,ns->n", values, patches.values) / np.maximum(size, 1e-6)
        own = np.einsum("ns,ns->n", values, values)
        alike = gain * np.sqrt(size / np.maximum(own, 1e-6))
        if turn == ROUNDS:
            break
        error = values / np.maximum(gain, 0.2)[:, None] - patches.values
        change = np.einsum("nks,ns->nk", patches.solve, error)
        change = np.clip(change, -1.5, 1.5)
        # The step moves the template; the image's warp takes its inverse from the right.
        turned = np.eye(2, dtype=np.float32) + change[:, 2:].reshape(-1, 2, 2) / radius
        back = np.linalg.inv(turned)
        at = at - np.einsum("nij,njk,nk->ni", warp, back, change[:, :2])
        warp = warp @ back
    kept = Patches(patches.values, patches.solve, warp, patches.spread, patches.contrast)
    return at, kept, alike
