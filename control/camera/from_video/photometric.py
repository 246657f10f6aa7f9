"""Observations measured again where the estimated cameras predict them.

A patch that is tracked by its appearance alone slides along edges, and all patches slide the same way when the view
rotates, which bends the whole path by tenths of a degree. Here every patch is a piece of a plane seen from one frame,
its host; it is carried to the other frames by the cameras and its depth, and only the remaining offset between image
and prediction is measured: across edges with weight, along them with next to none. That is the idea of direct methods
(Engel, Koltun, Cremers, "Direct Sparse Odometry", arXiv 1607.02565), solved here by the bundle adjustment.

K cameras, N points, M observations, S = SIDE x SIDE samples of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from einops import rearrange

from . import bundle_adjustment as ba
from .patches import blur, sample_bilinear, sample_offsets

SIDE = 9
ROUNDS = 3
# Correlation with its template below which an observation is left out.
MIN_CORRELATION = 0.75
# What a patch differs from its template by: gray levels of noise, and a share of its contrast.
NOISE, CONTRAST_NOISE = 2.0, 0.2
# A position of this standard deviation (pixels of an image 672 wide) has weight 1.
USUAL_DEVIATION = 0.1
NEIGHBORS = 12
# The weight of an observation in the point's own host frame, where it is exact by definition.
_HOST_WEIGHT = 3.0


def remeasure(
    bundle: ba.Bundle, images: list[np.ndarray], step: float, pixel: float, can_host: np.ndarray | None = None
) -> ba.Bundle:
    """Return the bundle with observations measured again in the images of its cameras (gray, one per camera).

    step: distance of a patch's samples in pixels. pixel: a pixel of an image 672 wide in pixels of these images.
    can_host (K,) bool: cameras that patches may be taken from (every point is seen by one of them). Observations that
    do not look like their template are left out.
    """
    height, width = images[0].shape
    # From pixels relative to the principal point to pixel indices.
    to_index = np.array([width / 2, height / 2]) - 0.5
    images = [blur(image, step) for image in images]
    patches = _planar_patches(bundle, images, step, to_index, can_host)
    observed, weight = bundle.observed.copy(), np.zeros_like(bundle.sqrt_information)
    valid = np.zeros(len(observed), bool)
    for camera, image in enumerate(images):
        rows = np.flatnonzero((bundle.camera_index == camera) & patches.valid[bundle.point_index])
        if not len(rows):
            continue
        points = bundle.point_index[rows]
        in_camera = patches.world[points] @ bundle.rotation[camera].T + bundle.translation[camera]
        in_front = (in_camera[..., 2] > 1e-6).all(1)
        predicted = bundle.focal[camera] * in_camera[..., :2] / np.maximum(in_camera[..., 2:], 1e-6)
        measured = _measure_offsets(image, patches.template[points], predicted + to_index, pixel)
        observed[rows] = predicted[:, SIDE * SIDE // 2] + measured.offset
        weight[rows] = measured.sqrt_information
        near = np.linalg.norm(measured.offset, axis=1) < 4 * step
        valid[rows] = in_front & (measured.correlation > MIN_CORRELATION) & near
    hosted = bundle.camera_index == patches.host[bundle.point_index]
    observed[hosted], weight[hosted] = bundle.observed[hosted], _HOST_WEIGHT * np.eye(2)
    valid[hosted] = patches.valid[bundle.point_index[hosted]]
    return replace(bundle, observed=observed, sqrt_information=weight).select(valid)


@dataclass
class _PlanarPatches:
    """host (N,): the camera a patch is taken from; valid (N,): in front of it; world (N, S, 3): the samples as points
    of the world; template (N, S): their gray values in the host, of zero mean."""

    host: np.ndarray
    valid: np.ndarray
    world: np.ndarray
    template: np.ndarray


def _planar_patches(
    bundle: ba.Bundle, images: list[np.ndarray], step: float, to_index: np.ndarray, can_host: np.ndarray | None
) -> _PlanarPatches:
    """Return a patch around every point, on a plane that fits the depths of its neighbors."""
    host = _hosts(bundle if can_host is None else bundle.select(can_host[bundle.camera_index]))
    center, depth = np.zeros((len(bundle.points), 2)), np.ones(len(bundle.points))
    hosted = bundle.camera_index == host[bundle.point_index]
    center[bundle.point_index[hosted]] = bundle.observed[hosted]
    depth[bundle.point_index[hosted]] = bundle.points_in_camera()[hosted, 2]
    valid = depth > 1e-6
    depth = np.where(valid, depth, 1.0)
    around = sample_offsets(step, SIDE)
    xy = center[:, None] + around
    inverse_depth = 1 / depth[:, None] + _inverse_depth_slopes(bundle, host, center, depth) @ around.T
    inverse_depth = np.clip(inverse_depth, 0.2 / depth[:, None], 5 / depth[:, None])
    rays = np.concatenate([xy / bundle.focal[host][:, None, None], np.ones((*xy.shape[:2], 1))], 2)
    world = (rays / inverse_depth[..., None] - bundle.translation[host][:, None]) @ bundle.rotation[host]
    template = np.zeros(xy.shape[:2], np.float32)
    for camera, image in enumerate(images):
        of_camera = np.flatnonzero(host == camera)
        template[of_camera] = sample_bilinear(image, xy[of_camera] + to_index)
    template -= template.mean(1, keepdims=True)
    return _PlanarPatches(host, valid, world, template)


def _hosts(bundle: ba.Bundle) -> np.ndarray:
    """Return for every point the camera (N,) in the middle of those that see it: the least change of view to others."""
    order = np.lexsort((bundle.camera_index, bundle.point_index))
    sizes = np.bincount(bundle.point_index, minlength=len(bundle.points))
    first = np.cumsum(sizes) - sizes
    middle = np.minimum(first + sizes // 2, len(order) - 1)
    host: np.ndarray = bundle.camera_index[order][middle]
    return host


def _inverse_depth_slopes(bundle: ba.Bundle, host: np.ndarray, center: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return the change of inverse depth per pixel (N, 2) around every point in its host, from its neighbors' depths.

    center (N, 2), depth (N,): of the points in their hosts. A plane is linear in inverse depth.
    """
    slopes = np.zeros((len(host), 2))
    for camera in np.unique(host):
        of_camera = np.flatnonzero(host == camera)
        rows = np.flatnonzero(bundle.camera_index == camera)
        points = bundle.points[bundle.point_index[rows]]
        z = points @ bundle.rotation[camera, 2] + bundle.translation[camera, 2]
        rows, z = rows[z > 1e-6], z[z > 1e-6]
        if len(rows) >= 6:
            slopes[of_camera] = _fit_planes(center[of_camera], 1 / depth[of_camera], bundle.observed[rows], 1 / z)
    return slopes


def _fit_planes(center: np.ndarray, own: np.ndarray, xy: np.ndarray, inverse_depth: np.ndarray) -> np.ndarray:
    """Return the slopes (n, 2) of inverse depth around centers (n, 2) with values `own` (n,), from points xy (m, 2).

    Weighted least squares over the nearest neighbors, reweighted so that neighbors beyond a depth edge are outvoted.
    """
    distance = np.linalg.norm(center[:, None] - xy, axis=2)
    nearest = np.argsort(distance, axis=1)[:, 1 : NEIGHBORS + 1]
    offset = xy[nearest] - center[:, None]
    rise = inverse_depth[nearest] - own[:, None]
    radius = np.maximum(np.median(np.take_along_axis(distance, nearest, 1), axis=1), 5.0)
    base = np.exp(-((np.linalg.norm(offset, axis=2) / (2 * radius[:, None])) ** 2))
    ridge = 1e-3 * radius[:, None, None] ** 2 * np.eye(2)
    weight, slope = base, np.zeros_like(center)
    for _ in range(5):
        normal = np.einsum("nk,nki,nkj->nij", weight, offset, offset) + ridge
        slope = np.linalg.solve(normal, np.einsum("nk,nki,nk->ni", weight, offset, rise)[..., None])[..., 0]
        residual = rise - np.einsum("nki,ni->nk", offset, slope)
        weight = base / (1 + (residual / (0.05 * own[:, None])) ** 2)
    return slope


@dataclass
class _Offsets:
    """offset (n, 2) in pixels from prediction to image, its sqrt_information (n, 2, 2), and the correlation (n,)."""

    offset: np.ndarray
    sqrt_information: np.ndarray
    correlation: np.ndarray


def _measure_offsets(image: np.ndarray, template: np.ndarray, predicted: np.ndarray, pixel: float) -> _Offsets:
    """Return how far the image is from the prediction. template (n, S) of zero mean; predicted (n, S, 2): indices."""
    down, right = np.gradient(image)
    gradient = np.stack([sample_bilinear(right, predicted), sample_bilinear(down, predicted)], 1)
    gradient = gradient - gradient.mean(2, keepdims=True)
    normal = (gradient @ rearrange(gradient, "n xy s -> n s xy")).astype(np.float64)
    strength = np.einsum("nii->n", normal)
    solve = np.linalg.inv(normal + (0.01 * strength + 1e-3)[:, None, None] * np.eye(2))
    offset = np.zeros((len(predicted), 2))
    energy = np.maximum(np.einsum("ns,ns->n", template, template), 1e-6)
    correlation = np.zeros(len(predicted))
    for iteration in range(ROUNDS + 1):
        values = sample_bilinear(image, predicted + offset[:, None])
        values = values - values.mean(1, keepdims=True)
        gain = np.einsum("ns,ns->n", values, template) / energy
        correlation = gain * np.sqrt(energy / np.maximum(np.einsum("ns,ns->n", values, values), 1e-6))
        if iteration == ROUNDS:
            break
        error = values - np.clip(gain, 0.3, 3.0)[:, None] * template
        step = np.einsum("nij,nj->ni", solve, np.einsum("nks,ns->nk", gradient, error))
        offset = offset - np.clip(step, -2.0, 2.0)
    noise = NOISE**2 + CONTRAST_NOISE**2 * energy / template.shape[1]
    return _Offsets(offset, _sqrt_information(normal, noise, USUAL_DEVIATION * pixel), correlation)


def _sqrt_information(normal: np.ndarray, noise: np.ndarray, usual: float) -> np.ndarray:
    """Return the weights (n, 2, 2) of positions from normal matrices (n, 2, 2) and the variance of the noise (n,).

    usual: the standard deviation in pixels that has weight 1.
    """
    values, axes = np.linalg.eigh(normal)
    weight = usual / np.sqrt((0.5 * usual) ** 2 + noise[:, None] / np.maximum(values, 1e-3))
    result: np.ndarray = np.einsum("nik,nk,njk->nij", axes, weight, axes)
    return result
