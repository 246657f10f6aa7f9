"""How far a video is from its conditions: plain functions on arrays, no network.

Camera: CameraCtrl's RotErr and TransErr and CamI2V's CamMC as their evaluation code computes them: poses relative to
the first frame (c2w), sums over the frames. Translations stay in the condition's unit (the median depth of the first
frame), so that a clip without translation needs no exception; CamI2V calls this "abs".
F frames, K slots.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def relative_poses(c2w: np.ndarray) -> np.ndarray:
    """Return poses c2w (F, 3, 4) relative to the first."""
    back = c2w[0, :, :3].T
    return np.concatenate([back @ c2w[:, :, :3], back @ (c2w[:, :, 3:] - c2w[:1, :, 3:])], -1)


def camera_errors(estimate: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Return RotErr (radians), TransErr (the trajectory's unit) and CamMC of two paths c2w (F, 3, 4), summed over F."""
    estimate, target = relative_poses(estimate), relative_poses(target)
    trace = np.einsum("fij,fij->f", estimate[:, :, :3], target[:, :, :3])
    return {
        "rot_err": float(np.arccos(np.clip((trace - 1) / 2, -1, 1)).sum()),
        "trans_err": float(np.linalg.norm(estimate[:, :, 3] - target[:, :, 3], axis=-1).sum()),
        "cam_mc": float(np.linalg.norm((estimate - target).reshape(len(estimate), -1), axis=-1).sum()),
    }


def static_path(frames: int) -> np.ndarray:
    """Return the path of a camera that stands still, which a failed estimate counts as: c2w (frames, 3, 4)."""
    return np.tile(np.eye(3, 4), (frames, 1, 1))


def depth_mae(estimate: np.ndarray, target: np.ndarray) -> float:
    """Return the mean absolute error of two normalized clips (F, H, W) in [0, 1], on the scale of bytes (0 to 255)."""
    return float(255 * np.abs(estimate.astype(np.float64) - target).mean())


def masked_psnr(estimate: np.ndarray, target: np.ndarray, mask: np.ndarray | None = None) -> float | None:
    """Return the PSNR in dB of images (N, H, W, 3) in [0, 1], weighted by a mask (N or 1, H, W); at most 100.

    None where the mask is empty.
    """
    error = np.square(estimate.astype(np.float64) - target).mean(-1)
    weight = np.broadcast_to(1.0 if mask is None else mask, error.shape)
    if not weight.sum() > 0:
        return None
    mean = float((error * weight).sum() / weight.sum())
    return float(-10 * np.log10(max(mean, 1e-10)))


def nearer_share(clip: np.ndarray, wanted: np.ndarray, other: np.ndarray, least: float = 0.1) -> float | None:
    """Return, of the pixels of clips (F, H, W, 3) in which two differ by `least`, in which share a third is nearer to
    the wanted one: 1 for that itself, 0 for the other, about a half for any third. None where they do not differ."""
    differs = np.abs(wanted - other).mean(-1) > least
    if not differs.any():
        return None
    near, far = (np.abs(clip[differs] - target[differs]).mean(-1) for target in (wanted, other))
    return float((near < far).mean())


def nearest_slot(masks: np.ndarray) -> np.ndarray:
    """Return the slot (F, H, W) whose mask of (K, F, H, W) bool is nearest to each pixel, by chessboard distance.

    It is -1 in frames in which no slot has a pixel.
    """
    owner: np.ndarray = np.full(masks.shape[1:], -1)
    for slot, mask in enumerate(masks):
        owner[mask] = slot
    present = masks.any((2, 3))  # (K, F)
    alone = present.sum(0) == 1
    owner[alone] = present.argmax(0)[alone, None, None]
    contested = present.sum(0) > 1
    owner[contested] = _grow(owner[contested])
    return owner


def _grow(owner: np.ndarray) -> np.ndarray:
    """Return slots (F, H, W) in which -1 is none, grown into what is none until nothing is."""
    while True:
        grown = owner.copy()
        padded = np.pad(owner, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
        _, height, width = owner.shape
        for down in (1, 0, 2):
            for right in (1, 0, 2):
                beside = padded[:, down : down + height, right : right + width]
                grown = np.where(grown < 0, beside, grown)
        if (grown == owner).all():
            return owner
        owner = grown


def mask_ious(objects: np.ndarray, masks: np.ndarray) -> list[float | None]:
    """Return the IoU of visible objects and target masks, per slot over the whole clip.

    `objects` (F, H, W) bool: where any object is visible. `masks` (K, F, H, W) bool: where each object should be. Every
    pixel of an object counts for the slot whose mask is nearest, so a misplaced object counts twice: where it
    is and where it is not. None for a slot whose mask is empty.
    """
    owner = nearest_slot(masks)
    ious: list[float | None] = []
    for slot, mask in enumerate(masks):
        if not mask.any():
            ious.append(None)
            continue
        # In a frame without any target, every visible object is one too many for every slot.
        visible = objects & ((owner == slot) | (owner < 0))
        ious.append(float((visible & mask).sum() / (visible | mask).sum()))
    return ious


def smoothness(features: np.ndarray) -> float:
    """Return the mean cosine of the features (F, C) of neighboring frames; 1 for a clip of one frame."""
    if len(features) < 2:
        return 1.0
    unit = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-8)
    return float((unit[1:] * unit[:-1]).sum(-1).mean())


def dynamic_degree(flow: np.ndarray, share: float = 0.05) -> float:
    """Return the mean length of the fastest `share` of the flow (F-1, H, W, 2) in pixels, averaged over the pairs.

    As MiraData computes it, with DIS instead of RAFT. It grows with resolution: compare at one size only.
    """
    if not len(flow):
        return 0.0
    lengths = np.sort(np.linalg.norm(flow, axis=-1).reshape(len(flow), -1), axis=-1)
    top = max(1, round(share * lengths.shape[1]))
    return float(lengths[:, -top:].mean())


def mean_and_error(values: Sequence[float | None]) -> tuple[float | None, float | None, int]:
    """Return the mean of the values that are not None, its standard error and their count; None where too few."""
    known = np.array([value for value in values if value is not None], float)
    if not len(known):
        return None, None, 0
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else None
    return float(known.mean()), error, len(known)


def ratio_and_error(above: Sequence[float | None], below: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return the mean of `above` by the mean of `below`, and its standard error; both have one entry for each scene.

    Scenes where either is None are left out. The error is that of the linearized ratio (delta method), so what both
    share is no uncertainty. None where nothing is left or the mean below is not above 0; no error for a single scene.
    """
    pairs = np.array([pair for pair in zip(above, below, strict=True) if None not in pair], float).reshape(-1, 2)
    if not len(pairs) or pairs[:, 1].mean() <= 0:
        return None, None
    ratio = pairs[:, 0].mean() / pairs[:, 1].mean()
    if len(pairs) < 2:
        return float(ratio), None
    residual = pairs[:, 0] - ratio * pairs[:, 1]
    return float(ratio), float(residual.std(ddof=1) / np.sqrt(len(pairs)) / pairs[:, 1].mean())
