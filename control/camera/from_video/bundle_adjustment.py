"""Bundle adjustment: cameras and points fitted to all observations at once, robustly. Numpy alone.

Levenberg-Marquardt on the reduced camera system (Schur complement; Triggs et al., "Bundle Adjustment: A Modern
Synthesis", 2000, section 6), with Cauchy weights. A camera has seven parameters: rotation (3), translation (3),
logarithm of the focal length (1); which of them are free, and which are shared, is a matrix, so that a camera that only
rotates, a zoom and a lens of unknown focal length are the same code.

K cameras, N points, M observations, P free parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from einops import rearrange

from .. import rotations
from .grouping import sum_by_index

# Parameters of a camera: rotation vector, translation, logarithm of the focal length.
SIZE = 7
_ROTATION, _TRANSLATION, _LOG_FOCAL = slice(0, 3), slice(3, 6), 6
# A point nearer than this, or behind the camera, has no projection; its residual is this many pixels.
_NEAREST, _BEHIND_RESIDUAL = 1e-6, 1e3
_FIRST_DAMPING, _LEAST_DAMPING, _DAMPING_TRIES = 1e-4, 1e-9, 6


@dataclass
class Bundle:
    """K cameras and N points. rotation (K,3,3), translation (K,3): world to camera; focal (K,) pixels; points (N,3).

    Observations (M,): camera_index, point_index, observed (M,2): pixels from the principal point, sqrt_information
    (M,2,2): what the residual is multiplied by, so that a point on an edge counts across the edge and not along it.
    """

    rotation: np.ndarray
    translation: np.ndarray
    focal: np.ndarray
    points: np.ndarray
    camera_index: np.ndarray
    point_index: np.ndarray
    observed: np.ndarray
    sqrt_information: np.ndarray

    def points_in_camera(self) -> np.ndarray:
        """Return the observed points in camera coordinates (M, 3)."""
        rotated = np.einsum("mij,mj->mi", self.rotation[self.camera_index], self.points[self.point_index])
        result: np.ndarray = rotated + self.translation[self.camera_index]
        return result

    def residuals(self) -> np.ndarray:
        """Return projected minus observed (M, 2) in weighted pixels; large for points behind their camera."""
        in_camera = self.points_in_camera()
        behind = in_camera[:, 2] < _NEAREST
        depth = np.where(behind, 1.0, in_camera[:, 2])
        error = self.focal[self.camera_index, None] * in_camera[:, :2] / depth[:, None] - self.observed
        weighted = np.einsum("mij,mj->mi", self.sqrt_information, error)
        return np.where(behind[:, None], _BEHIND_RESIDUAL, weighted)

    def select(self, keep: np.ndarray) -> Bundle:
        """Return the bundle with some of the observations: a mask (M,) or indices."""
        return replace(
            self,
            camera_index=self.camera_index[keep],
            point_index=self.point_index[keep],
            observed=self.observed[keep],
            sqrt_information=self.sqrt_information[keep],
        )

    def copy(self) -> Bundle:
        """Return the bundle with cameras and points of its own, to write into."""
        return replace(
            self,
            rotation=self.rotation.copy(),
            translation=self.translation.copy(),
            focal=self.focal.copy(),
            points=self.points.copy(),
        )


def free_parameters(
    cameras: int, rotate: bool = True, translate: bool = True, focal: str = "fixed", fixed_camera: int = 0
) -> np.ndarray:
    """Return the matrix (7K, P) from free parameters to all parameters.

    rotate, translate: whether poses are free; that of `fixed_camera` never is. focal: 'fixed', 'shared' or 'each'.
    """
    columns = []
    for k in range(cameras):
        for is_free, first in ((rotate, 0), (translate, 3)):
            if is_free and k != fixed_camera:
                columns += [k * SIZE + first + i for i in range(3)]
        if focal == "each":
            columns.append(k * SIZE + _LOG_FOCAL)
    matrix = np.zeros((cameras * SIZE, len(columns) + (focal == "shared")))
    matrix[columns, np.arange(len(columns))] = 1
    if focal == "shared":
        matrix[_LOG_FOCAL::SIZE, -1] = 1
    return matrix


def robust_cost(residuals: np.ndarray, scale: float) -> float:
    """Return the Cauchy cost of residuals (M, 2)."""
    return float(np.log1p((residuals**2).sum(1) / scale**2).sum() * scale**2)


@dataclass
class _Trial:
    """A bundle that costs less, with its residuals, its cost, and the damping that led to it."""

    bundle: Bundle
    residuals: np.ndarray
    cost: float
    damping: float


def adjust(bundle: Bundle, free: np.ndarray, scale: float = 1.0, rounds: int = 15, tolerance: float = 1e-4) -> Bundle:
    """Return the bundle at the (local) minimum of the robust cost, its observations sorted by point.

    free: from `free_parameters`. scale: pixels at which an observation counts half. tolerance: relative gain of a round
    below which the search ends.
    """
    cost = robust_cost(bundle.residuals(), scale)
    bundle = bundle.select(np.argsort(bundle.point_index, kind="stable"))
    residuals, damping = bundle.residuals(), _FIRST_DAMPING
    for _ in range(rounds):
        trial = _improve(bundle, normal_equations(bundle, residuals, scale), free, scale, cost, damping)
        if trial is None:
            break
        gain = (cost - trial.cost) / max(cost, 1e-12)
        bundle, residuals, cost = trial.bundle, trial.residuals, trial.cost
        damping = max(trial.damping / 5, _LEAST_DAMPING)
        if gain < tolerance:
            break
    return bundle


def _improve(
    bundle: Bundle, equations: NormalEquations, free: np.ndarray, scale: float, cost: float, damping: float
) -> _Trial | None:
    """Return the first step that lowers the cost, with more and more damping; None where no step does."""
    for _ in range(_DAMPING_TRIES):
        step = _solve(equations, free, damping)
        if step is None:
            damping *= 10
            continue
        candidate = _moved(bundle, *step)
        residuals = candidate.residuals()
        new_cost = robust_cost(residuals, scale)
        if new_cost < cost:
            return _Trial(candidate, residuals, new_cost, damping)
        damping *= 6
    return None


@dataclass
class NormalEquations:
    """Blocks of the normal equations: cameras (K,7,7) and (K,7), points (N,3,3) and (N,3), and both (N,K,7,3)."""

    camera_hessian: np.ndarray
    camera_gradient: np.ndarray
    point_hessian: np.ndarray
    point_gradient: np.ndarray
    mixed_hessian: np.ndarray


def _camera_jacobian(bundle: Bundle, residuals: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the Cauchy weights (M,) and the derivatives (M,2,7) of the residuals by the parameters of their camera."""
    rotated = np.einsum("mij,mj->mi", bundle.rotation[bundle.camera_index], bundle.points[bundle.point_index])
    in_camera = rotated + bundle.translation[bundle.camera_index]
    in_front = in_camera[:, 2] > _NEAREST
    weight = 1 / (1 + (residuals**2).sum(1) / scale**2) * in_front
    depth = np.where(in_front, in_camera[:, 2], 1.0)
    focal = bundle.focal[bundle.camera_index]
    x, y = in_camera[:, 0] / depth, in_camera[:, 1] / depth
    by_point = np.zeros((len(depth), 2, 3))
    by_point[:, 0, 0] = by_point[:, 1, 1] = focal / depth
    by_point[:, 0, 2] = -focal / depth * x
    by_point[:, 1, 2] = -focal / depth * y
    by_point = bundle.sqrt_information @ by_point
    jacobian = np.empty((len(depth), 2, SIZE))
    # d(rotated)/d(rotation vector) = -[rotated]x, so each row is crossed with the rotated point.
    jacobian[:, :, _ROTATION] = np.cross(rotated[:, None], by_point)
    jacobian[:, :, _TRANSLATION] = by_point
    jacobian[:, :, _LOG_FOCAL] = np.einsum("mij,mj->mi", bundle.sqrt_information, np.stack([focal * x, focal * y], 1))
    return weight, jacobian


def normal_equations(bundle: Bundle, residuals: np.ndarray, scale: float) -> NormalEquations:
    """Return the normal equations at a bundle with its residuals (M, 2); scale: pixels at which one counts half."""
    weight, by_camera = _camera_jacobian(bundle, residuals, scale)
    by_point = by_camera[:, :, _TRANSLATION] @ bundle.rotation[bundle.camera_index]
    cameras, points = len(bundle.focal), len(bundle.points)
    camera_hessian, camera_gradient = _blocks(by_camera, weight, residuals, bundle.camera_index, cameras)
    point_hessian, point_gradient = _blocks(by_point, weight, residuals, bundle.point_index, points)
    mixed = np.zeros((points, cameras, SIZE, 3))
    weighted = weight[:, None, None] * by_point
    mixed[bundle.point_index, bundle.camera_index] = rearrange(by_camera, "m r p -> m p r") @ weighted
    return NormalEquations(camera_hessian, camera_gradient, point_hessian, point_gradient, mixed)


def _blocks(
    jacobian: np.ndarray, weight: np.ndarray, residuals: np.ndarray, index: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the diagonal blocks J^T W J (count, P, P) and the gradients J^T W r (count, P) of cameras or points."""
    weighted = weight[:, None, None] * jacobian
    hessian = sum_by_index(rearrange(jacobian, "m r p -> m p r") @ weighted, index, count)
    return hessian, sum_by_index(np.einsum("mij,mi->mj", weighted, residuals), index, count)


def camera_system(equations: NormalEquations, lift: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the system of the cameras (7K, 7K) with the points eliminated, and the points' inverses (N, 3, 3).

    lift (N, 3, 3): what is added to the points' blocks. Raises LinAlgError where they are singular.
    """
    points, cameras = equations.mixed_hessian.shape[:2]
    inverse = np.linalg.inv(equations.point_hessian + lift + 1e-12 * np.eye(3))
    root = np.linalg.cholesky((inverse + rearrange(inverse, "n i j -> n j i")) / 2)
    mixed = rearrange(equations.mixed_hessian, "n k p i -> n (k p) i")
    half = rearrange(mixed @ root, "n p i -> p (n i)")
    block_diagonal = np.zeros((cameras, SIZE, cameras, SIZE))
    block_diagonal[np.arange(cameras), :, np.arange(cameras)] = equations.camera_hessian
    hessian = rearrange(block_diagonal, "k p l q -> (k p) (l q)")
    return hessian - half @ half.T, inverse


def _solve(equations: NormalEquations, free: np.ndarray, damping: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the steps of the cameras (K, 7) and points (N, 3); None where the equations are singular."""
    diagonal = np.einsum("nii->ni", equations.point_hessian)
    lift = damping * np.einsum("ni,ij->nij", diagonal + 1e-9 + 1e-6 * diagonal.max(1, keepdims=True), np.eye(3))
    try:
        system, inverse = camera_system(equations, lift)
    except np.linalg.LinAlgError:
        return None
    mixed = rearrange(equations.mixed_hessian, "n k p i -> n (k p) i")
    point_step = np.einsum("nij,nj->ni", inverse, equations.point_gradient)
    step = np.zeros(mixed.shape[1])
    if free.shape[1]:
        reduced = free.T @ system @ free
        own = np.einsum("kpp->kp", equations.camera_hessian).ravel() @ free**2
        reduced[np.diag_indices_from(reduced)] += damping * own + 1e-9
        right = -(equations.camera_gradient.ravel() - np.einsum("nki,ni->k", mixed, point_step))
        try:
            step = free @ np.linalg.solve(reduced, free.T @ right)
        except np.linalg.LinAlgError:
            return None
    gradient = equations.point_gradient + np.einsum("nki,k->ni", mixed, step)
    return rearrange(step, "(k p) -> k p", p=SIZE), -np.einsum("nij,nj->ni", inverse, gradient)


def _moved(bundle: Bundle, step: np.ndarray, point_step: np.ndarray | float) -> Bundle:
    """Return the bundle after a step of the cameras (K, 7) and points (N, 3)."""
    return replace(
        bundle,
        rotation=rotations.from_rotvec(step[:, _ROTATION]) @ bundle.rotation,
        translation=bundle.translation + step[:, _TRANSLATION],
        focal=bundle.focal * np.exp(np.clip(step[:, _LOG_FOCAL], -0.5, 0.5)),
        points=bundle.points + point_step,
    )


def resect(bundle: Bundle, free: tuple[bool, bool, bool], scale: float = 1.0, rounds: int = 12) -> Bundle:
    """Return the bundle with every camera fitted by itself to the points, which stay: all cameras at once.

    free: whether rotation, translation and focal length may change. scale: as in `adjust`.
    """
    mask = np.repeat(np.array(free, float), (3, 3, 1))
    damping = np.full(len(bundle.focal), _FIRST_DAMPING)
    residuals = bundle.residuals()
    for _ in range(rounds):
        weight, jacobian = _camera_jacobian(bundle, residuals, scale)
        hessian, gradient = _blocks(jacobian, weight, residuals, bundle.camera_index, len(damping))
        hessian = hessian * mask[:, None] * mask
        lift = damping[:, None] * np.einsum("kii->ki", hessian) + 1e-9 + (1 - mask)
        damped = hessian + np.einsum("ki,ij->kij", lift, np.eye(SIZE))
        candidate = _moved(bundle, -np.linalg.solve(damped, (gradient * mask)[..., None])[..., 0], 0.0)
        new_residuals = candidate.residuals()
        old_cost = _cost_per_camera(residuals, bundle.camera_index, scale, len(damping))
        new_cost = _cost_per_camera(new_residuals, bundle.camera_index, scale, len(damping))
        better = new_cost < old_cost
        damping = np.where(better, np.maximum(damping / 5, _LEAST_DAMPING), damping * 10)
        bundle = replace_cameras(bundle, candidate, better)
        residuals = np.where(better[bundle.camera_index][:, None], new_residuals, residuals)
        if not (better & (old_cost - new_cost > 1e-6 * old_cost)).any():
            break
    return bundle


def replace_cameras(bundle: Bundle, other: Bundle, use_other: np.ndarray) -> Bundle:
    """Return the bundle with the cameras of `other` where `use_other` (K,) is true."""
    return replace(
        bundle,
        rotation=np.where(use_other[:, None, None], other.rotation, bundle.rotation),
        translation=np.where(use_other[:, None], other.translation, bundle.translation),
        focal=np.where(use_other, other.focal, bundle.focal),
    )


def _cost_per_camera(residuals: np.ndarray, camera_index: np.ndarray, scale: float, cameras: int) -> np.ndarray:
    """Return the Cauchy cost (K,) of each camera's residuals, in units of scale squared."""
    return np.bincount(camera_index, np.log1p((residuals**2).sum(1) / scale**2), cameras)
