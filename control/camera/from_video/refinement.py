"""A fit made exact by measuring patches in place (photometric.py), and carried from its keyframes to all frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...progress import Step
from .. import rotations
from . import bundle_adjustment as ba
from .grouping import median_by_index
from .motion_fits import MotionFit, free_camera_parameters
from .photometric import remeasure
from .problem import Problem, observations

# Distance of samples and robust scale of each round, in pixels of an image 672 wide, from coarse to fine.
SCHEDULE = ((2.5, 1.0), (2.5, 0.5), *[(1.5, 0.1)] * 7)
# The rounds for the frames between keyframes.
_FINE_SCHEDULE = SCHEDULE[-2:]
# A patch within so many pixels of its prediction supports the fit; so few patches are not worth a round.
_SUPPORT_ERROR, _MIN_SHARE_MEASURED = 0.3, 0.3
# Patches that say how far a point is off.
_MIN_VIEWS = 4


def refine(problem: Problem, fit: MotionFit, step: Step = lambda: None) -> MotionFit:
    """Return the fit adjusted to patches measured where it predicts them. step: called after each round."""
    cameras = np.flatnonzero(fit.registered)
    images = [problem.images[k] for k in fit.frames[cameras]]
    part = fit.bundle.select(fit.registered[fit.bundle.camera_index])
    part = replace(
        part,
        rotation=part.rotation[cameras],
        translation=part.translation[cameras],
        focal=part.focal[cameras],
        camera_index=np.searchsorted(cameras, part.camera_index),
    )
    free = free_camera_parameters(fit.kind, len(cameras), problem.focal_known)
    support, point_errors = 0, np.full(len(part.points), np.nan)
    for distance, scale in SCHEDULE:
        measured = remeasure(part, images, distance * problem.pixel, problem.pixel)
        if len(measured.observed) < _MIN_SHARE_MEASURED * len(part.observed):
            break
        measured = ba.adjust(measured, free, scale * problem.pixel, rounds=8)
        errors = np.linalg.norm(measured.residuals(), axis=1) / problem.pixel
        support = int((errors < _SUPPORT_ERROR).sum())
        views = np.bincount(measured.point_index, minlength=len(part.points))
        point_errors = median_by_index(errors, measured.point_index, len(part.points))
        point_errors = np.where(views >= _MIN_VIEWS, point_errors, np.nan)
        part = replace(
            part,
            rotation=measured.rotation,
            translation=measured.translation,
            focal=measured.focal,
            points=measured.points,
        )
        step()
    bundle = replace(fit.bundle.copy(), points=part.points)
    bundle.rotation[cameras], bundle.translation[cameras] = part.rotation, part.translation
    bundle.focal[cameras] = part.focal
    return replace(fit, bundle=bundle, support=support, point_errors=point_errors)


def extend_to_all_frames(problem: Problem, fit: MotionFit) -> MotionFit:
    """Return the fit with a pose for every frame: interpolated between the keyframes, then fitted to the points."""
    frames = np.arange(problem.frames)
    seen = observations(problem, frames, fit.tracks)
    rotation, translation, focal = _interpolated_cameras(fit, frames)
    bundle = ba.Bundle(
        rotation,
        translation,
        focal,
        fit.bundle.points,
        seen.camera_index,
        seen.point_index,
        seen.xy,
        seen.weights(),
    )
    is_keyframe = np.isin(frames, fit.frames[fit.registered])
    if fit.kind != "static" and not is_keyframe.all():
        free = (True, fit.kind == "moving", fit.kind == "zooming")
        bundle = ba.replace_cameras(bundle, ba.resect(bundle, free, problem.pixel), ~is_keyframe)
        for distance, scale in _FINE_SCHEDULE:
            measured = remeasure(bundle, problem.images, distance * problem.pixel, problem.pixel, is_keyframe)
            resected = ba.resect(measured, free, scale * problem.pixel)
            bundle = ba.replace_cameras(bundle, resected, ~is_keyframe)
    return MotionFit(fit.kind, frames, fit.tracks, bundle, np.ones(len(frames), bool))


def _interpolated_cameras(fit: MotionFit, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return world-to-camera rotation (F,3,3), translation (F,3) and focal (F,) between the registered frames."""
    keyframes = fit.frames[fit.registered]
    rotation = fit.bundle.rotation[fit.registered]
    rotation = rotations.slerp(keyframes, rotation, np.clip(frames, keyframes[0], keyframes[-1]))
    center = -np.einsum("kji,kj->ki", fit.bundle.rotation, fit.bundle.translation)[fit.registered]
    center = np.stack([np.interp(frames, keyframes, column) for column in center.T], 1)
    focal = np.exp(np.interp(frames, keyframes, np.log(fit.bundle.focal[fit.registered])))
    return rotation, -np.einsum("fij,fj->fi", rotation, center), focal
