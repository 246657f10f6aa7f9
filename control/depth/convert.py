"""Depth of other nodes in, and the same depth as an image for other models out. Plain dicts and arrays, no ComfyUI.

In: DA3_GEOMETRY and MOGE_GEOMETRY as core's Depth Anything 3 and MoGe nodes put them out: dicts whose `depth`
(B, H, W) is a distance, with the sky apart. Out: what core's nodes for VACE, Wan Fun Control and LTX do with a control
video. All three take IMAGE, near bright, and scale and crop it about the center to the video; they differ in the number
of frames that they keep and in the multiples that sides should have, so that nothing is cropped or resampled behind
one's back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from einops import rearrange, repeat

from ..errors import UserError
from ..fit import SAME_ASPECT
from ..images import indices, resize_clip
from .normalize import DepthClip

SKY_PROBABILITY = 0.3  # from here on Depth Anything 3 counts a pixel as sky


class Geometry(NamedTuple):
    """Depth (F, H, W) float32 as a distance, infinite where sky, NaN where unknown; sky (F, H, W) bool or None;
    warnings: sentences. For `normalize_depth(depth, "depth", sky=sky)`."""

    depth: np.ndarray
    sky: np.ndarray | None
    warnings: list[str]


def from_da3(geometry: Mapping[str, Any], least_confidence: float = 0.0) -> Geometry:
    """Return the depth of DA3_GEOMETRY. `sky` (B, H, W), a probability, becomes infinitely far.

    least_confidence: pixels whose confidence, as a share of its range in the clip, is below this are unknown. Raises
    UserError for anything but such a dict.
    """
    depth = _frames(geometry, "depth", "DA3_GEOMETRY")
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    sky, warnings = None, []
    if geometry.get("sky") is not None:
        sky = _frames(geometry, "sky", "DA3_GEOMETRY", depth.shape) >= SKY_PROBABILITY
        depth[sky] = np.inf
    if least_confidence > 0:
        if geometry.get("confidence") is None:
            warnings.append("This Depth Anything 3 model gives no confidence, so all of its depth is used.")
        else:
            sure = _frames(geometry, "confidence", "DA3_GEOMETRY", depth.shape)
            low, high = float(np.nanmin(sure)), float(np.nanmax(sure))
            unsure = (sure - low) / max(high - low, 1e-12) < least_confidence
            depth[unsure if sky is None else unsure & ~sky] = np.nan
    if geometry.get("mode") == "mono" and len(depth) > 1:
        warnings.append(
            "Depth Anything 3 looked at every frame by itself, so its scale may change between them: stabilize it."
        )
    return Geometry(depth.astype(np.float32), sky, warnings)


def from_moge(geometry: Mapping[str, Any]) -> Geometry:
    """Return the depth of MOGE_GEOMETRY. What its `mask` leaves out, or is infinite, is sky.

    Raises UserError for anything but such a dict.
    """
    if geometry.get("depth") is None and geometry.get("points") is not None:
        points = np.asarray(geometry["points"], np.float32)
        if points.ndim == 4 and points.shape[-1] == 3:
            geometry = {**geometry, "depth": points[..., 2]}
    depth = _frames(geometry, "depth", "MOGE_GEOMETRY")
    sky = np.isposinf(depth)
    if geometry.get("mask") is not None:
        sky |= _frames(geometry, "mask", "MOGE_GEOMETRY", depth.shape) < 0.5
    depth = np.where(sky, np.inf, np.where(np.isfinite(depth) & (depth > 0), depth, np.nan))
    warnings = []
    if len(depth) > 1:
        warnings.append("MoGe looks at every frame by itself, so its scale may change between them: stabilize it.")
    return Geometry(depth.astype(np.float32), sky if sky.any() else None, warnings)


def _frames(geometry: Mapping[str, Any], name: str, what: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    if not isinstance(geometry, Mapping) or geometry.get(name) is None:
        raise UserError(f"this {what} has no '{name}': connect the output of the node that estimates geometry")
    try:
        values = np.array(geometry[name], np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(f"'{name}' of this {what} is not an array of numbers ({error})") from error
    if values.ndim == 2:
        values = values[None]
    if values.ndim == 4 and 1 in (values.shape[1], values.shape[-1]):
        values = rearrange(values, "f 1 h w -> f h w" if values.shape[1] == 1 else "f h w 1 -> f h w")
    if values.ndim != 3 or min(values.shape) < 1 or (shape is not None and values.shape != shape):
        expected = "(frames, height, width)" if shape is None else f"{shape}, as its depth has,"
        raise UserError(f"'{name}' of this {what} has shape {values.shape}; {expected} was expected")
    return values


# ---- out ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What a model takes: frames `temporal` * k + 1, sides in multiples of `spatial`, and where to connect it."""

    description: str
    temporal: int
    spatial: int


TARGETS = {
    "fulldit": Target("this pack's Conditions", 4, 16),
    "vace": Target("WanVaceToVideo: control_video", 4, 16),
    "wan fun": Target("WanFunControlToVideo and Wan22FunControlToVideo: control_video", 4, 16),
    "ltx": Target("LTXVAddGuide with an IC-LoRA for depth: image", 8, 32),
}


def control_images(
    clip: DepthClip,
    target: str,
    height: int | None = None,
    width: int | None = None,
    frames: int | None = None,
    downscale: int = 1,
) -> tuple[np.ndarray, list[str]]:
    """Return a depth clip as control images (F, H, W, 3) float32, near 1 and far 0, ready for a model, and warnings.

    target: one of TARGETS. height, width, frames: of the video that is to be made (None: the clip's, brought to what
    the model can take: sides to the nearest multiple, frames cut to the last that fits). The clip is spread over
    `frames`. downscale: an LTX IC-LoRA's reference_downscale_factor, by which its guide is smaller than the video.
    Raises UserError for an unknown target and sizes that the model cannot take.
    """
    if target not in TARGETS:
        raise UserError(f"the target '{target}' is unknown: choose one of {', '.join(TARGETS)}")
    if downscale < 1 or (downscale > 1 and target != "ltx"):
        raise UserError(f"the downscale is {downscale} for '{target}'; only guides of LTX are made smaller")
    own_height, own_width = clip.values.shape[1:]
    multiple = TARGETS[target].spatial * downscale
    tall, height_warnings = _fit_side(height, own_height, multiple, "height", target)
    wide, width_warnings = _fit_side(width, own_width, multiple, "width", target)
    chosen, frame_warnings = _fit_frames(frames, clip.frames, TARGETS[target].temporal, target)
    warnings = [*height_warnings, *width_warnings, *frame_warnings]
    if abs(wide / tall / (own_width / own_height) - 1) > SAME_ASPECT:
        warnings.append("The proportions differ from the clip's, so its images were stretched.")
    values = np.clip(resize_clip(clip.values[chosen], tall // downscale, wide // downscale), 0, 1)
    return repeat(values, "f h w -> f h w c", c=3), warnings


def _fit_side(side: int | None, own: int, multiple: int, name: str, target: str) -> tuple[int, list[str]]:
    """Return a side that the model takes, and what was changed. Raises UserError for one it does not take."""
    if side is None:
        fitted = max(multiple, round(own / multiple) * multiple)
        changed = [f"The {name} was changed from {own} to {fitted}, a multiple of {multiple}."]
        return fitted, changed if fitted != own else []
    if side < multiple or side % multiple:
        near = max(multiple, round(side / multiple) * multiple)
        raise UserError(f"the {name} is {side} for '{target}'; take {near}, a multiple of {multiple}")
    return side, []


def _fit_frames(frames: int | None, own: int, temporal: int, target: str) -> tuple[np.ndarray, list[str]]:
    """Return which of the clip's frames to take, and what was changed. Raises UserError for a length not taken."""
    if frames is None:
        kept = (own - 1) // temporal * temporal + 1
        left_out = [f"The last {own - kept} frames were left out: '{target}' takes {temporal}k+1."]
        return np.arange(kept), left_out if kept != own else []
    if frames < 1 or (frames - 1) % temporal:
        near = max(0, round((frames - 1) / temporal)) * temporal + 1
        raise UserError(f"{frames} frames were asked for; '{target}' takes {temporal}k+1: take {near}")
    spread = [f"The clip's {own} frames were spread over {frames}."]
    return indices(own, frames), spread if frames != own else []
