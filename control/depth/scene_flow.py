"""Where the points of a frame were in the frame before: optical flow, made precise by what stands still.

Dense flow (`control.optical_flow`) finds the motion of every pixel, with errors of a fraction of a pixel and nonsense
where nothing is to be seen. On a wall that recedes, half a pixel is a change of depth, and a flicker. Most of an image
stands still, though, and its motion is given by the camera's: flow of a rigid scene is a quadratic in the pixel plus
disparity times a line (Longuet-Higgins and Prazdny 1980), linear in 14 numbers whatever the lens, the scale and the
shift of the disparity. They are fitted robustly to DIS, and hold wherever the image bears them out as well as DIS.
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..libraries import opencv
from ..optical_flow import MIN_SIDE, dense_flow, forward_backward_error, pixel_grid, remap

# Flow is looked for in images whose longer side has so many pixels: enough for depth, and quick.
FLOW_SIDE = 320
PURPOSE = "following depth over time"
NO_MATCH = 24.0  # gray levels, of 255, from which two images do not show the same
GRAY_LEVELS = 3.0  # by so much (of 255) the rigid motion may match worse than DIS and still be preferred


def trace_back(
    before: np.ndarray, after: np.ndarray, shape: tuple[int, ...], disparity: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of every point of the image `after` in the image `before`, gray bytes (h, w) of one size.

    Positions (H, W, 2), x and y, are pixels in a map of `shape` (H, W); a second array (H, W) bool tells which of them
    can be relied on: the flow returns to where it came from, or the rigid motion holds. disparity (H, W): of `after`,
    for the rigid motion; None takes DIS as it is.
    """
    cv2 = opencv(PURPOSE)
    height, width = before.shape
    back, forth = dense_flow(after, before, PURPOSE, fast=True), dense_flow(before, after, PURPOSE, fast=True)
    positions, error = forward_backward_error(back, forth, PURPOSE)
    sure = np.linalg.norm(error, axis=-1) < 0.5 + 0.05 * np.linalg.norm(back, axis=-1)
    if disparity is not None and min(before.shape) >= MIN_SIDE:
        small = cv2.resize(np.nan_to_num(disparity).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        rigid = _rigid_flow(back, small, sure)
        if rigid is not None:
            held = _rigid_holds(before, after, rigid, back, sure)
            back = np.where(held[..., None], rigid, back)
            sure |= held
            positions = pixel_grid(height, width) + back
    sure &= (positions >= -0.5).all(-1) & (positions[..., 0] <= width - 0.5) & (positions[..., 1] <= height - 0.5)
    way = cv2.INTER_AREA if shape[0] < height else cv2.INTER_LINEAR
    flow = cv2.resize(np.ascontiguousarray(back, np.float32), shape[::-1], interpolation=way)
    flow = flow * np.array([shape[1] / width, shape[0] / height], np.float32)
    certain: np.ndarray = cv2.resize(sure.astype(np.float32), shape[::-1], interpolation=way) > 0.5
    return pixel_grid(shape[0], shape[1]) + flow, certain


def _rigid_holds(
    before: np.ndarray, after: np.ndarray, rigid: np.ndarray, flow: np.ndarray, sure: np.ndarray
) -> np.ndarray:
    """Return where (h, w) the rigid flow is to be taken: it matches the images about as well as the dense one."""
    mismatch = _mismatch(before, after, rigid)
    better = (mismatch <= _mismatch(before, after, flow) + GRAY_LEVELS) & (mismatch < NO_MATCH)
    apart = np.linalg.norm(rigid - flow, axis=-1)
    # Two motions far apart that look alike: nothing to be seen there, or something that repeats. Rigid wins.
    holds: np.ndarray = better & (~sure | (apart < 3 + 0.3 * np.linalg.norm(flow, axis=-1)))
    return holds


def _mismatch(before: np.ndarray, after: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return by how many gray levels (h, w) two images differ along a flow from `after`, in the mean of 5x5 pixels."""
    cv2 = opencv(PURPOSE)
    moved = remap(before.astype(np.float32), pixel_grid(*after.shape) + flow, PURPOSE)
    mismatch: np.ndarray = cv2.blur(np.abs(after.astype(np.float32) - moved), (5, 5))
    return mismatch


def sample(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return values (H, W) or (H, W, C) float32 at pixels (H, W, 2), bilinear; NaN where one of the four is NaN."""
    return remap(np.ascontiguousarray(values, np.float32), positions, PURPOSE)


def to_gray(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 1, 3 or 4), 0..1 or bytes, as gray bytes (h, w), its longer side at most FLOW_SIDE."""
    cv2 = opencv(PURPOSE)
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or min(image.shape[:2]) < 1:
        raise UserError(f"an image of the clip has shape {image.shape}; (height, width, 3) was expected")
    weights = np.array([0.299, 0.587, 0.114] if image.shape[2] > 1 else [1], np.float32)
    gray = image[..., : len(weights)].astype(np.float32) @ weights
    if image.dtype != np.uint8:
        gray = np.nan_to_num(gray, nan=0, posinf=1, neginf=0) * 255
    shrink = FLOW_SIDE / max(gray.shape)
    if shrink < 1:
        size = [max(1, round(side * shrink)) for side in gray.shape[::-1]]
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    result: np.ndarray = np.clip(gray.round(), 0, 255).astype(np.uint8)
    return result


def _rigid_flow(flow: np.ndarray, disparity: np.ndarray, sure: np.ndarray, steps: int = 8) -> np.ndarray | None:
    """Return the flow (h, w, 2) of a rigid scene with this disparity nearest to `flow`; None where little is sure.

    Reweighted with Cauchy's weights at the spread of what is left, so that what moves counts little.
    """
    height, width = disparity.shape
    stride = max(1, round((height * width / 6000) ** 0.5))
    chosen = sure[::stride, ::stride]
    if chosen.sum() < 200:
        return None
    places = (pixel_grid(height, width) + 0.5) / width * 2 - np.array([1, height / width], np.float32)
    x, y, d = places[..., 0], places[..., 1], disparity / max(float(np.abs(disparity).max()), 1e-12)
    one = np.ones_like(x)
    result = np.empty_like(flow)
    for axis, basis in ((0, (one, x, y, x * x, x * y, d, d * x)), (1, (one, x, y, y * y, x * y, d, d * y))):
        table = np.stack(basis, -1)
        a = table[::stride, ::stride][chosen].astype(np.float64)
        b = flow[::stride, ::stride, axis][chosen].astype(np.float64)
        result[..., axis] = table @ _fit_cauchy(a, b, steps).astype(np.float32)
    return result


def _fit_cauchy(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Return the numbers (7,) that solve a @ x = b in least squares, reweighted with Cauchy's weights."""
    solution = np.array([np.median(b), 0, 0, 0, 0, 0, 0])
    for _ in range(steps):
        residual = b - a @ solution
        spread = max(1.4826 * float(np.median(np.abs(residual))), 0.02)
        weighted = a * (1 / (1 + (residual / (2 * spread)) ** 2))[:, None]
        # A little damping: a plane or a wall seen head on leaves some of the numbers open.
        solution = np.linalg.solve(weighted.T @ a + 1e-6 * len(b) * np.eye(7), weighted.T @ b)
    return solution
