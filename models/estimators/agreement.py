"""What was asked of a video and what came out, condition by condition, beside what the estimators could see at best.

The embedded estimators (`judge.py`) know nothing but the procedural world. For other videos a user connects what other
tools found in the finished video: a camera path, depth, masks. Those have no floor that is known, so their figures
stand beside what a video that ignores the condition would get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...control.camera.trajectory import CameraTrajectory
from ...control.conditions import CameraCondition, Condition, Conditions, DepthCondition, IdentityCondition
from ...control.depth.align import fit_scale_shift
from ...control.errors import UserError
from ...control.identity import Identity
from ...control.images import resize_clip
from . import metrics
from .agreement_report import AgreementReport, Figure, Found, Judged, make_figure
from .judge import Judge, Measured
from .layers import SIZE

FLOOR_FRAMES = 17  # the length of the clips of which the embedded estimators' floors are
EMBEDDED, CONNECTED = "embedded estimators", "connected estimate"
FAR_LARGER = 2.0  # a longer side so many times that of the embedded model is footage that its estimators do not know
UNKNOWN_WORLD = (
    "The embedded estimators have seen nothing but the procedural world: of other footage their figures say little. "
    "Connect what other tools find in the video (Camera from Video, Extract Depth, masks) instead."
)
NO_FLOOR = "How well the connected estimate sees is not known: run the same tool on a video whose answer you know."


def report_agreement(
    clip: np.ndarray, conditions: Conditions, judge: Judge | None, found: Found | None = None
) -> AgreementReport:
    """Return how far a finished clip (F, H, W, 3), 0..1, is from its conditions.

    judge: the embedded estimators, or None to use what was `found` alone. What was found goes before the judge. Raises
    UserError for a clip of another length than the conditions' video.
    """
    found = found or Found()
    frames, height, width = clip.shape[:3]
    if frames != conditions.video.frames:
        raise UserError(
            f"the video has {frames} frames, but its conditions are for {conditions.video.frames}: connect the video "
            f"that was made from these conditions"
        )
    notes = ["Whether the video shows what the prompt says is not judged."] if conditions.items else []
    if not conditions.items:
        notes = ["No condition is present, so there is nothing to compare the video with."]
    usable = judge if judge is not None and Judge.fits(frames, height, width) else None
    if judge is not None and usable is None:
        notes.append(
            f"The embedded estimators look at images of about 3:2 and at 2 frames or more, so they cannot judge "
            f"{frames} frames of {width}x{height}."
        )
    look = None if usable is None else _Look(usable, clip, conditions)
    judged = tuple(_judge(condition, look, found, conditions) for condition in conditions.items)
    if usable is not None and any(one.source == EMBEDDED for one in judged) and is_foreign(height, width):
        notes.append(UNKNOWN_WORLD)
    return AgreementReport(frames, height, width, judged, tuple(notes))


def is_foreign(height: int, width: int) -> bool:
    """Return whether a video is so large that it cannot be of the embedded model."""
    return max(height, width) > FAR_LARGER * max(SIZE)


@dataclass
class _Look:
    """The embedded estimators' look at one clip, taken once."""

    judge: Judge
    clip: np.ndarray
    conditions: Conditions
    _measured: Measured | None = None

    @property
    def measured(self) -> Measured:
        if self._measured is None:
            self._measured = self.judge.measure(self.clip, self.conditions)
        return self._measured

    def figure(self, name: str, label: str, unit: str, factor: float = 1.0) -> Figure | None:
        """Return a figure of the judge beside its floor and what another scene's condition gets; None if it has none.

        factor: from the judge's sum over the frames to the unit; floors are of clips of FLOOR_FRAMES frames.
        """
        value = self.measured.values.get(name)
        if value is None:
            return None
        about, frames = self.judge.estimators.about, len(self.clip)
        summed = name in ("rot_err", "trans_err", "cam_mc")
        here, there = (factor / frames, factor / FLOOR_FRAMES) if summed else (factor, factor)
        best, ignored = (about.get(kind, {}).get(name) for kind in ("floor", "mismatch"))
        return make_figure(
            name,
            label,
            value * here,
            unit,
            None if best is None else best * there,
            None if ignored is None else ignored * there,
        )


def _judge(condition: Condition, look: _Look | None, found: Found, conditions: Conditions) -> Judged:
    if not condition.active:
        return Judged(condition.name, None, cannot=(f"The strength of the {condition.name} is 0: it asks nothing.",))
    if isinstance(condition, CameraCondition):
        return _judge_camera(condition, look, found)
    if isinstance(condition, DepthCondition):
        return _judge_depth(condition, look, found)
    if isinstance(condition, IdentityCondition):
        return _judge_identity(condition, look, found)
    return Judged(condition.name, None, cannot=(f"Nothing here can say how the {condition.name} was followed.",))


def _judge_camera(condition: CameraCondition, look: _Look | None, found: Found) -> Judged:
    asked = condition.trajectory
    if found.camera is not None:
        path = found.camera
        if path.frames != asked.frames:
            raise UserError(
                f"the connected camera has {path.frames} poses, the video {asked.frames} frames: estimate it from the "
                f"finished video"
            )
        scaled, scale = _aligned(path, asked)
        errors, still = (
            metrics.camera_errors(c2w, asked.c2w) for c2w in (scaled.c2w, metrics.static_path(asked.frames))
        )
        figures = [
            make_figure(
                "rot_err", "rotation", _degrees(errors, asked), "degrees on average", None, _degrees(still, asked)
            ),
        ]
        moved = still["trans_err"] / asked.frames
        if moved > 1e-4:
            value = errors["trans_err"] / asked.frames
            figures.append(make_figure("trans_err", "position", value, "subject distances on average", None, moved))
        cannot = [NO_FLOOR]
        if scale is not None:
            cannot.append(f"Lengths of an estimate have no unit: the connected path was multiplied by {scale:.3g}.")
        return Judged("camera", CONNECTED, _kept(figures), tuple(cannot), asked, scaled)
    if look is None:
        return Judged("camera", None, cannot=("The camera is not judged: connect Camera from Video.",), asked=asked)
    c2w, failed = look.judge.camera_path(look.clip, asked)
    degrees = 180 / np.pi
    looked = [
        look.figure("rot_err", "rotation", "degrees on average", degrees),
        look.figure("trans_err", "position", "subject distances on average"),
    ]
    said = ("The camera of the video could not be estimated: it counts as one that stands still.",) if failed else ()
    seen = asked.replace(c2w=c2w, intrinsics=np.repeat(asked.intrinsics[:1], asked.frames, 0))
    return Judged("camera", EMBEDDED, _kept(looked), said, asked, seen)


def _aligned(path: CameraTrajectory, asked: CameraTrajectory) -> tuple[CameraTrajectory, float | None]:
    """Return a path relative to its first frame in the unit of `asked`, and the factor for that; None if none is known.

    The factor is that of least squares, and never negative.
    """
    path = path.relative()
    ours, theirs = path.c2w[:, :, 3], asked.relative().c2w[:, :, 3]
    length = float((ours * ours).sum())
    if length < 1e-9 or float((theirs * theirs).sum()) < 1e-9:
        return path, None
    scale = max(0.0, float((ours * theirs).sum()) / length)
    return path.scaled(scale), scale


def _degrees(errors: Mapping[str, float], asked: CameraTrajectory) -> float:
    return float(np.degrees(errors["rot_err"]) / asked.frames)


def _judge_depth(condition: DepthCondition, look: _Look | None, found: Found) -> Judged:
    asked = condition.clip.values
    if found.depth is not None:
        if found.depth.frames != len(asked):
            raise UserError(
                f"the connected depth has {found.depth.frames} frames, the video {len(asked)}: extract it from the "
                f"finished video"
            )
        seen = resize_clip(found.depth.values, *asked.shape[1:])
        scale, shift, _ = fit_scale_shift(seen, asked, robust=False)
        seen = np.clip(max(scale, 0.0) * seen + (shift if scale > 0 else float(asked.mean())), 0, 1)
        flat = metrics.depth_mae(np.full_like(asked, asked.mean()), asked)
        figures = [make_figure("depth_mae", "depth", metrics.depth_mae(seen, asked), "of 255", None, flat)]
        return Judged("depth", CONNECTED, _kept(figures), (NO_FLOOR,), asked, seen.astype(np.float32))
    if look is None:
        return Judged("depth", None, cannot=("The depth is not judged: connect Extract Depth.",), asked=asked)
    seen = look.judge.perceive(look.clip)[0]
    said = ("The video shows nothing whose depth could be estimated.",) if "depth" in look.measured.failed else ()
    return Judged("depth", EMBEDDED, _kept([look.figure("depth_mae", "depth", "of 255")]), said, asked, seen)


def _judge_identity(condition: IdentityCondition, look: _Look | None, found: Found) -> Judged:
    tracked = {at: one for at, one in enumerate(condition.identities) if one.mask_video is not None}
    cannot = [
        f"Where identity '{one.name}' is was not asked, so it is not judged."
        for at, one in enumerate(condition.identities)
        if at not in tracked
    ]
    beyond = [at + 1 for at in found.masks if at >= len(condition.identities)]
    if beyond:
        raise UserError(
            f"masks of identity {beyond[0]} are connected, but the conditions have {len(condition.identities)}: "
            f"connect the masks in the order of the identities"
        )
    asked = _union([one.mask_video for one in tracked.values()])
    if found.masks:
        figures = [_mask_figure(tracked[at], mask) for at, mask in found.masks.items() if at in tracked]
        missing = [one.name for at, one in tracked.items() if at not in found.masks]
        cannot += [f"No masks of identity '{name}' are connected, so it is not judged." for name in missing]
        cannot.append("How much an identity looks like its reference is not judged from masks.")
        seen = _union([mask for at, mask in found.masks.items() if at in tracked])
        return Judged("identity", CONNECTED, _kept(figures), tuple(cannot), asked, seen)
    if look is None:
        cannot.append("The identities are not judged: connect masks of the finished video (SAM 3, Propagate Masks).")
        return Judged("identity", None, cannot=tuple(cannot), asked=asked)
    if not tracked:
        return Judged("identity", None, cannot=tuple(cannot))
    figures_of_judge = [look.figure("mask_iou", "place (IoU)", "")]
    if len(tracked) > 1:
        figures_of_judge.append(look.figure("identity_accuracy", "looks like its own reference", ""))
    else:
        cannot.append(
            "Whether a single identity looks like its reference is not said: one look may be right by chance."
        )
    seen = look.judge.perceive(look.clip)[1].astype(np.float32)
    return Judged("identity", EMBEDDED, _kept(figures_of_judge), tuple(cannot), asked, seen)


def _mask_figure(identity: Identity, mask: np.ndarray) -> Figure:
    asked = identity.mask_video
    assert asked is not None  # only tracked identities come here
    if len(mask) != len(asked):
        raise UserError(
            f"the connected masks of identity '{identity.name}' are {len(mask)}, the video has {len(asked)} frames: "
            f"make them from the finished video"
        )
    seen, wanted = resize_clip(mask, *asked.shape[1:]) > 0.5, asked > 0.5
    whole = (seen | wanted).sum()
    value = float((seen & wanted).sum() / whole) if whole else 1.0
    return make_figure("mask_iou", f"place of {identity.name} (IoU)", value, "", None, 0.0)


def _union(masks: list[np.ndarray | None]) -> np.ndarray | None:
    known = [mask for mask in masks if mask is not None]
    if not known:
        return None
    height, width = known[0].shape[1:]
    union: np.ndarray = np.max([resize_clip(mask, height, width) for mask in known], axis=0)
    return union.clip(0, 1)


def _kept(figures: list[Figure | None] | list[Figure]) -> tuple[Figure, ...]:
    return tuple(figure for figure in figures if figure is not None)
