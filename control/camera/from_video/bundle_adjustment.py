"""Bundle adjustment: cameras and points fitted to everything that was observed, robustly. Numpy alone.

Levenberg-Marquardt on the reduced camera system (Schur complement; Triggs et al., "Bundle Adjustment: A Modern
Synthesis", 2000, section 6), with Cauchy weights. A camera has seven numbers: rotation (3), translation (3), logarithm
of the focal length (1); which of them are free, and which are shared, is a matrix, so that a camera that only turns, a
zoom and a lens of unknown focal length are the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import rotations

SIZE = 7


@dataclass
class Bundle:
    """K cameras and N points. rotation (K,3,3), shift (K,3): world to camera; focal (K,) pixels; points (N,3).

    Observations (M,): camera, point (indices), at (M,2): pixels from the principal point, trust (M,2,2): what the
    residual is multiplied by, so that a point on an edge counts across the edge and not along it.
    """

    rotation: np.ndarray
    shift: np.ndarray
    focal: np.ndarray
    points: np.ndarray
    camera: np.ndarray
    point: np.ndarray
    at: np.ndarray
    trust: np.ndarray

    def seen(self) -> np.ndarray:
        """Observed points in camera coordinates (M, 3)."""
        turned = np.einsum("mij,mj->mi", self.rotation[self.camera], self.points[self.point])
        return turned + self.shift[self.camera]

    def residuals(self) -> np.ndarray:
        """Projected minus observed, in trusted pixels (M, 2); far out for points behind their camera."""
        seen = self.seen()
        behind = seen[:, 2] < 1e-6
        depth = np.where(behind, 1.0, seen[:, 2])
        error = self.focal[self.camera, None] * seen[:, :2] / depth[:, None] - self.at
        return np.where(behind[:, None], 1e3, np.einsum("mij,mj->mi", self.trust, error))

    def only(self, keep: np.ndarray) -> Bundle:
        """With some of the observations (M,) bool."""
        return replace(self, camera=self.camera[keep], point=self.point[keep], at=self.at[keep], trust=self.trust[keep])


def free_parameters(
    cameras: int, turn: bool = True, move: bool = True, focal: str = "fixed", anchor: int = 0
) -> np.ndarray:
    """The matrix (7K, n) from free parameters to all. The anchor's pose is fixed; focal: fixed, shared or each."""
    columns = []
    for k in range(cameras):
        for on, first in ((turn, 0), (move, 3)):
            if on and k != anchor:
                columns += [k * SIZE + first + i for i in range(3)]
        if focal == "each":
            columns.append(k * SIZE + 6)
    matrix = np.zeros((cameras * SIZE, len(columns) + (focal == "shared")))
    matrix[columns, np.arange(len(columns))] = 1
    if focal == "shared":
        matrix[6::SIZE, -1] = 1
    return matrix


def _cost(residuals: np.ndarray, scale: float) -> float:
    return float(np.log1p((residuals**2).sum(1) / scale**2).sum() * scale**2)


def adjust(bundle: Bundle, free: np.ndarray, scale: float = 1.0, rounds: int = 15, tolerance: float = 1e-4) -> Bundle:
    """The bundle at the (local) least of the robust cost. scale: pixels at which an observation counts half."""
    damping = 1e-4
    residuals = bundle.residuals()
    cost = _cost(residuals, scale)
    order = np.argsort(bundle.point, kind="stable")
    bundle = bundle.only(order)
    residuals = residuals[order]
    for _ in range(rounds):
        system = _linearize(bundle, residuals, scale)
        improved = False
        for _ in range(6):
            step = _solve(system, free, damping, len(bundle.focal), len(bundle.points))
            if step is None:
                damping *= 10
                continue
            tried = _moved(bundle, *step)
            error = tried.residuals()
            new = _cost(error, scale)
            if new < cost:
                improved = True
                break
            damping *= 6
        if not improved:
            break
        gain = (cost - new) / max(cost, 1e-12)
        bundle, residuals, cost = tried, error, new
        damping = max(damping / 5, 1e-9)
        if gain < tolerance:
            break
    return bundle


def _linearize(bundle: Bundle, residuals: np.ndarray, scale: float, cameras_only: bool = False):
    """Blocks of the normal equations: cameras (K,7,7) and (K,7), points (N,3,3) and (N,3), and between (N,K,7,3)."""
    weight = 1 / (1 + (residuals**2).sum(1) / scale**2)
    turned = np.einsum("mij,mj->mi", bundle.rotation[bundle.camera], bundle.points[bundle.point])
    seen = turned + bundle.shift[bundle.camera]
    weight = weight * (seen[:, 2] > 1e-6)
    depth = np.where(seen[:, 2] > 1e-6, seen[:, 2], 1.0)
    focal = bundle.focal[bundle.camera]
    x, y = seen[:, 0] / depth, seen[:, 1] / depth
    slope = np.zeros((len(depth), 2, 3))
    slope[:, 0, 0] = slope[:, 1, 1] = focal / depth
    slope[:, 0, 2] = -focal / depth * x
    slope[:, 1, 2] = -focal / depth * y
    slope = bundle.trust @ slope
    jc = np.empty((len(depth), 2, SIZE))
    # d(turned)/d(rotation vector) = -[turned]x, so each row of the slope is crossed with the turned point.
    jc[:, :, :3] = np.cross(turned[:, None], slope)
    jc[:, :, 3:6] = slope
    jc[:, :, 6] = np.einsum("mij,mj->mi", bundle.trust, np.stack([focal * x, focal * y], 1))
    jp = slope @ bundle.rotation[bundle.camera]
    wjc, wjp = weight[:, None, None] * jc, weight[:, None, None] * jp
    cameras, points = len(bundle.focal), len(bundle.points)
    hcc = _sum(np.swapaxes(jc, 1, 2) @ wjc, bundle.camera, cameras)
    gc = _sum(np.einsum("mij,mi->mj", wjc, residuals), bundle.camera, cameras)
    if cameras_only:
        return hcc, None, gc, None, None
    hpp = _sum(np.swapaxes(jp, 1, 2) @ wjp, bundle.point, points)
    gp = _sum(np.einsum("mij,mi->mj", wjp, residuals), bundle.point, points)
    between = np.zeros((points, cameras, SIZE, 3))
    between[bundle.point, bundle.camera] = np.swapaxes(jc, 1, 2) @ wjp
    return hcc, hpp, gc, gp, between


def _sum(blocks: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """Blocks (M, ...) added up by their index: (count, ...)."""
    flat = blocks.reshape(len(blocks), -1)
    out = np.stack([np.bincount(index, column, count) for column in flat.T], 1)
    return out.reshape(count, *blocks.shape[1:])


def _solve(system, free: np.ndarray, damping: float, cameras: int, points: int):
    hcc, hpp, gc, gp, between = system
    diagonal = np.einsum("nii->ni", hpp)
    hpp = hpp + damping * np.einsum("ni,ij->nij", diagonal + 1e-9 + 1e-6 * diagonal.max(1, keepdims=True), np.eye(3))
    try:
        inverse = np.linalg.inv(hpp + 1e-12 * np.eye(3))
        root = np.linalg.cholesky((inverse + np.swapaxes(inverse, 1, 2)) / 2)
    except np.linalg.LinAlgError:
        return None
    # Rows: camera parameters; columns: points' three numbers each.
    half = (between.reshape(points, cameras * SIZE, 3) @ root).transpose(1, 0, 2).reshape(cameras * SIZE, points * 3)
    full = np.zeros((cameras, SIZE, cameras, SIZE))
    full[np.arange(cameras), :, np.arange(cameras)] = hcc
    full = full.reshape(cameras * SIZE, cameras * SIZE)
    toward = np.einsum("nij,nj->ni", inverse, gp)
    step = np.zeros(cameras * SIZE)
    if free.shape[1]:
        reduced = free.T @ (full - half @ half.T) @ free
        scale = np.einsum("ij,ik,kj->j", free, full, free) if free.shape[1] < 2 else (free * (full @ free)).sum(0)
        reduced[np.diag_indices_from(reduced)] += damping * scale + 1e-9
        right = -(gc.ravel() - np.einsum("nki,ni->k", between.reshape(points, -1, 3), toward))
        try:
            step = free @ np.linalg.solve(reduced, free.T @ right)
        except np.linalg.LinAlgError:
            return None
    pull = gp + np.einsum("nki,k->ni", between.reshape(points, -1, 3), step)
    return step.reshape(cameras, SIZE), -np.einsum("nij,nj->ni", inverse, pull)


def _moved(bundle: Bundle, step: np.ndarray, points: np.ndarray) -> Bundle:
    return replace(
        bundle,
        rotation=rotations.from_rotvec(step[:, :3]) @ bundle.rotation,
        shift=bundle.shift + step[:, 3:6],
        focal=bundle.focal * np.exp(np.clip(step[:, 6], -0.5, 0.5)),
        points=bundle.points + points,
    )


def resect(bundle: Bundle, free: tuple[bool, bool, bool], scale: float = 1.0, rounds: int = 12) -> Bundle:
    """Every camera by itself, the points held: turn, move and focal length as `free` says. All cameras at once."""
    mask = np.repeat(np.array(free, float), (3, 3, 1))
    damping = np.full(len(bundle.focal), 1e-4)
    residuals = bundle.residuals()
    for _ in range(rounds):
        hcc, _, gc, _, _ = _linearize(bundle, residuals, scale, cameras_only=True)
        hcc = hcc * mask[:, None] * mask
        lift = damping[:, None] * np.einsum("kii->ki", hcc) + 1e-9 + (1 - mask)
        step = -np.linalg.solve(hcc + np.einsum("ki,ij->kij", lift, np.eye(SIZE)), (gc * mask)[..., None])[..., 0]
        tried = _moved(bundle, step, np.zeros_like(bundle.points))
        error = tried.residuals()
        old = _camera_cost(residuals, bundle.camera, scale, len(damping))
        new = _camera_cost(error, bundle.camera, scale, len(damping))
        better = new < old
        damping = np.where(better, np.maximum(damping / 5, 1e-9), damping * 10)
        bundle = replace(
            bundle,
            rotation=np.where(better[:, None, None], tried.rotation, bundle.rotation),
            shift=np.where(better[:, None], tried.shift, bundle.shift),
            focal=np.where(better, tried.focal, bundle.focal),
        )
        residuals = np.where(better[bundle.camera][:, None], error, residuals)
        if not (better & (old - new > 1e-6 * old)).any():
            break
    return bundle


def _camera_cost(residuals: np.ndarray, camera: np.ndarray, scale: float, count: int) -> np.ndarray:
    return np.bincount(camera, np.log1p((residuals**2).sum(1) / scale**2), count)
