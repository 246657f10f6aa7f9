"""Positions measured again where the cameras found so far say that they are.

A patch that is followed by its looks alone slides along edges, and all patches slide the same way when the view turns,
which bends the whole path by tenths of a degree. Here every patch is a piece of a plane seen from one frame; it is
carried to the other frames by the cameras and its depth, and only what is left between image and prediction is
measured: across edges with weight, along them with next to none. That is the idea of direct methods (Engel, Koltun,
Cremers, "Direct Sparse Odometry", arXiv 1607.02565), solved by the bundle adjustment that is here anyway.
N points, S = SIDE x SIDE samples each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import bundle_adjustment as ba
from .patches import sample, smooth

SIDE = 9
ROUNDS = 3
ALIKE = 0.75
# What a patch differs from its template by: gray levels of noise, and a share of its contrast.
NOISE, MISFIT = 2.0, 0.2
# A position of this standard deviation (pixels of an image 672 wide) has weight 1.
USUAL = 0.1
NEIGHBORS = 12


def remeasure(
    bundle: ba.Bundle, images: list[np.ndarray], step: float, pixel: float, owners: np.ndarray | None = None
) -> ba.Bundle:
    """The bundle with observations measured again in the images of its cameras (gray, one per camera).

    step: distance of a patch's samples in pixels. owners (K,) bool: cameras that patches may be taken from (every
    point is seen by one of them). Observations that look unlike their template are left out.
    """
    height, width = images[0].shape
    middle = np.array([width / 2, height / 2])
    images = [smooth(image, step) for image in images]
    slopes = [np.gradient(image) for image in images]
    host = _hosts(bundle if owners is None else bundle.only(owners[bundle.camera]))
    seen = bundle.seen()
    template_at = np.zeros((len(bundle.points), 2))
    depth = np.ones(len(bundle.points))
    owns = bundle.camera == host[bundle.point]
    template_at[bundle.point[owns]] = bundle.at[owns]
    depth[bundle.point[owns]] = seen[owns, 2]
    good = depth > 1e-6
    slant = _slants(bundle, host, template_at, np.where(good, depth, 1.0))
    line = (np.arange(SIDE) - SIDE // 2) * step
    around = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    # Every sample of a patch as a point of the world.
    places = template_at[:, None] + around
    inverse = 1 / np.where(good, depth, 1.0)[:, None] + slant @ around.T
    inverse = np.clip(inverse, 0.2 / np.where(good, depth, 1.0)[:, None], 5 / np.where(good, depth, 1.0)[:, None])
    rays = np.concatenate([places / bundle.focal[host][:, None, None], np.ones((*places.shape[:2], 1))], 2)
    world = (rays / inverse[..., None] - bundle.shift[host][:, None]) @ bundle.rotation[host]
    template = np.zeros(places.shape[:2], np.float32)
    for camera, image in enumerate(images):
        mine = np.flatnonzero(host == camera)
        template[mine] = sample(image, places[mine] + middle - 0.5)
    template -= template.mean(1, keepdims=True)
    at, trust, fine = bundle.at.copy(), np.zeros_like(bundle.trust), np.zeros(len(bundle.at), bool)
    for camera, image in enumerate(images):
        rows = np.flatnonzero((bundle.camera == camera) & good[bundle.point])
        if not len(rows):
            continue
        point = bundle.point[rows]
        inside = world[point] @ bundle.rotation[camera].T + bundle.shift[camera]
        ahead = (inside[..., 2] > 1e-6).all(1)
        where = bundle.focal[camera] * inside[..., :2] / np.maximum(inside[..., 2:], 1e-6)
        offset, weight, alike = _measure(image, slopes[camera], template[point], where + middle - 0.5, pixel)
        at[rows] = where[:, SIDE * SIDE // 2] + offset
        trust[rows] = weight
        fine[rows] = ahead & (alike > ALIKE) & (np.linalg.norm(offset, axis=1) < 4 * step)
    # The patch's own frame says where it is, by definition.
    at[owns], trust[owns], fine[owns] = bundle.at[owns], 3 * np.eye(2), good[bundle.point[owns]]
    return replace(bundle, at=at, trust=trust).only(fine)


def _hosts(bundle: ba.Bundle) -> np.ndarray:
    """For every point the camera (N,) in the middle of those that see it: the least change of view to the others."""
    order = np.lexsort((bundle.camera, bundle.point))
    sizes = np.bincount(bundle.point, minlength=len(bundle.points))
    first = np.cumsum(sizes) - sizes
    middle = np.minimum(first + sizes // 2, len(order) - 1)
    return bundle.camera[order][middle]


def _slants(bundle: ba.Bundle, host: np.ndarray, at: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Change of inverse depth per pixel (N, 2) around every point in its own frame, from its neighbors' depths.

    A plane is linear in inverse depth; neighbors beyond an edge of depth are outvoted.
    """
    slant = np.zeros((len(host), 2))
    for camera in np.unique(host):
        mine = np.flatnonzero(host == camera)
        rows = np.flatnonzero(bundle.camera == camera)
        inside = bundle.points[bundle.point[rows]] @ bundle.rotation[camera].T + bundle.shift[camera]
        rows, inside = rows[inside[:, 2] > 1e-6], inside[inside[:, 2] > 1e-6]
        if len(rows) < 6:
            continue
        place, value = bundle.at[rows], 1 / inside[:, 2]
        apart = np.linalg.norm(at[mine][:, None] - place, axis=2)
        near = np.argsort(apart, axis=1)[:, 1 : NEIGHBORS + 1]
        away = place[near] - at[mine][:, None]
        own = 1 / depth[mine]
        rise = value[near] - own[:, None]
        reach = np.maximum(np.median(np.take_along_axis(apart, near, 1), axis=1), 5.0)
        weight = np.exp(-((np.linalg.norm(away, axis=2) / (2 * reach[:, None])) ** 2))
        base, robust = weight, weight
        for _ in range(5):
            normal = np.einsum("nk,nki,nkj->nij", robust, away, away) + 1e-3 * reach[:, None, None] ** 2 * np.eye(2)
            fit = np.linalg.solve(normal, np.einsum("nk,nki,nk->ni", robust, away, rise)[..., None])[..., 0]
            left = rise - np.einsum("nki,ni->nk", away, fit)
            robust = base / (1 + (left / (0.05 * own[:, None])) ** 2)
        slant[mine] = fit
    return slant


def _measure(image: np.ndarray, slopes, template: np.ndarray, where: np.ndarray, pixel: float):
    """What is left between image and prediction: offsets (n, 2) in pixels, their trust (n, 2, 2), likeness (n,).

    template (n, S) of zero mean; where (n, S, 2): predicted pixel indices.
    """
    down, right = slopes
    gradient = np.stack([sample(right, where), sample(down, where)], 1)
    gradient = gradient - gradient.mean(2, keepdims=True)
    normal = (gradient @ gradient.transpose(0, 2, 1)).astype(np.float64)
    strength = np.einsum("nii->n", normal)
    solve = np.linalg.inv(normal + (0.01 * strength + 1e-3)[:, None, None] * np.eye(2))
    offset = np.zeros((len(where), 2))
    size = np.maximum(np.einsum("ns,ns->n", template, template), 1e-6)
    for turn in range(ROUNDS + 1):
        values = sample(image, where + offset[:, None])
        values = values - values.mean(1, keepdims=True)
        gain = np.einsum("ns,ns->n", values, template) / size
        alike = gain * np.sqrt(size / np.maximum(np.einsum("ns,ns->n", values, values), 1e-6))
        if turn == ROUNDS:
            break
        error = values - np.clip(gain, 0.3, 3.0)[:, None] * template
        pull = np.einsum("nks,ns->nk", gradient, error)
        offset = offset - np.clip(np.einsum("nij,nj->ni", solve, pull), -2.0, 2.0)
    contrast = size / template.shape[1]
    noise = NOISE**2 + MISFIT**2 * contrast
    values, axes = np.linalg.eigh(normal)
    usual = USUAL * pixel
    weight = usual / np.sqrt((0.5 * usual) ** 2 + noise[:, None] / np.maximum(values, 1e-3))
    return offset, np.einsum("nik,nk,njk->nij", axes, weight, axes), alike
