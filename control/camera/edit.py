"""Transforms of a camera path: functions from a path to a new path.

Unless stated otherwise a result lies in the world of the (first) path. Lengths are in the path's unit, angles in
degrees, times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from einops import rearrange
from numpy.typing import ArrayLike

from ..errors import UserError
from . import rotations
from .easing import apply_easing
from .shake import handheld_curves, scale_to_maximum
from .trajectory import CameraTrajectory, compose, invert, make_poses


def reverse(path: CameraTrajectory) -> CameraTrajectory:
    """Return the path played backwards: the last frame comes first."""
    return path.replace(c2w=path.c2w[::-1], intrinsics=path.intrinsics[::-1])


def mirror(path: CameraTrajectory) -> CameraTrajectory:
    """Return the path with left and right exchanged, as seen by the first camera: a pan left becomes a pan right."""
    flip = np.array([-1.0, 1.0, 1.0])
    c2w = path.relative().c2w * flip[:, None] * np.append(flip, 1.0)
    intrinsics = path.intrinsics * (1, 1, -1, 1) + (0, 0, 1, 0)
    return path.replace(c2w=compose(path.c2w[:1], c2w), intrinsics=intrinsics)


def concatenate(paths: Sequence[CameraTrajectory], continuous: bool = True) -> CameraTrajectory:
    """Return the paths one after another.

    continuous: every path starts at the pose and with the lens at which the one before it ended. The frame that both
    share is kept once, so two paths of 17 frames make one of 33. Otherwise the poses stay as they are and all frames
    are kept: a cut. A path with another fps than the first is resampled to it and keeps its duration.
    Raises UserError for no paths or pixels of different shape.
    """
    if not paths:
        raise UserError("no camera path was given to join; at least one was expected")
    first = paths[0]
    c2w, intrinsics = [first.c2w], [first.intrinsics]
    for number, path in enumerate(paths[1:], 2):
        if abs(path.pixel_aspect - first.pixel_aspect) > 1e-6:
            raise UserError(
                f"camera path {number} has pixels of aspect {path.pixel_aspect:g}, the first of {first.pixel_aspect:g}:"
                " paths of one clip need the same"
            )
        if path.fps != first.fps:
            path = path.resample(fps=first.fps)
        if not continuous:
            c2w.append(path.c2w)
            intrinsics.append(path.intrinsics)
        # A path of one frame adds nothing: its only frame is the last one so far.
        elif path.frames > 1:
            c2w.append(path.absolute(c2w[-1][-1]).c2w[1:])
            intrinsics.append(_continue_lens(path.intrinsics, intrinsics[-1][-1])[1:])
    return first.replace(c2w=np.concatenate(c2w), intrinsics=np.concatenate(intrinsics))


def _continue_lens(intrinsics: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return intrinsics (F, 4) continued from `last` (4,): focal lengths as ratios, the principal point as a shift."""
    focal = intrinsics[:, :2] / intrinsics[:1, :2] * last[:2]
    return np.concatenate([focal, intrinsics[:, 2:] - intrinsics[:1, 2:] + last[2:]], 1)


def compose_movements(path: CameraTrajectory, extra: CameraTrajectory) -> CameraTrajectory:
    """Return `path` with the movement of `extra` on top, performed in the frame of its camera: pose = path @ extra.

    extra counts relative to its first frame, and is spread over the frames of `path` where its length differs. Zooms
    multiply: the focal length is multiplied by extra's ratio to its first. A still `extra` changes nothing.
    """
    if extra.frames != path.frames:
        extra = extra.resample(path.frames)
    intrinsics = path.intrinsics.copy()
    intrinsics[:, :2] *= extra.intrinsics[:, :2] / extra.intrinsics[:1, :2]
    intrinsics[:, 2:] += extra.intrinsics[:, 2:] - extra.intrinsics[:1, 2:]
    return path.replace(c2w=compose(path.c2w, extra.relative().c2w), intrinsics=intrinsics)


def scale_movement(
    path: CameraTrajectory, distance: float = 1.0, turn: float = 1.0, zoom: float = 1.0
) -> CameraTrajectory:
    """Return more or less of the same movement, counted from the first frame, which stays.

    distance multiplies the translation, turn the rotation (also beyond half a turn), and zoom is the power of the ratio
    of focal lengths: 0 takes the zoom away, -1 makes a zoom in a zoom out. Raises UserError for NaN and infinity.
    """
    for name, factor in (("distance", distance), ("turn", turn), ("zoom", zoom)):
        if not np.isfinite(factor):
            raise UserError(f"the {name} of a camera path cannot be scaled by {factor}; a number was expected")
    relative = path.relative().c2w
    rotation = relative[:, :, :3]
    if turn != 1:
        rotation = rotations.from_rotvec(_unwrap_rotvecs(rotations.to_rotvec(rotation)) * turn)
    c2w = make_poses(rotation, relative[:, :, 3] * distance)
    intrinsics = path.intrinsics.copy()
    intrinsics[:, :2] = intrinsics[:1, :2] * (intrinsics[:, :2] / intrinsics[:1, :2]) ** zoom
    return path.replace(c2w=compose(path.c2w[:1], c2w), intrinsics=intrinsics)


def _unwrap_rotvecs(vectors: np.ndarray) -> np.ndarray:
    """Return rotation vectors (F, 3) with whole turns added, so that each is the nearest to the one before it."""
    result = vectors.copy()
    for n in range(1, len(vectors)):
        angle = float(np.linalg.norm(vectors[n]))
        before = result[n - 1]
        length = np.linalg.norm(before)
        # Without a rotation any axis would do: the one before it is continued.
        if angle < 1e-9:
            axis, angle = (before / length if length > 1e-9 else np.zeros(3)), 0.0
        else:
            axis = vectors[n] / angle
        whole_turns = np.round((axis @ before - angle) / (2 * np.pi))
        result[n] = axis * (angle + 2 * np.pi * whole_turns)
    return result


def look_at(path: CameraTrajectory, target: ArrayLike = (0.0, 0.0, 1.0), keep_roll: bool = False) -> CameraTrajectory:
    """Return the same positions, every camera rotated so that `target` is in the center of its view.

    target: a point (3,), or one per frame (F, 3), as the first camera sees it: x right, y down, z forward, so that
    (0, 0, 1) is the subject of the presets. keep_roll: a frame keeps its own roll; otherwise the image is upright,
    as the first camera's is. Raises UserError for a camera at the target.
    """
    points = np.asarray(target, np.float64)
    if points.shape not in ((3,), (path.frames, 3)) or not np.isfinite(points).all():
        raise UserError(
            f"the target to look at has shape {points.shape}; three numbers were expected, or three for each of the"
            f" {path.frames} frames"
        )
    relative = path.relative().c2w
    forward = points - relative[:, :, 3]
    at_target = np.linalg.norm(forward, axis=1) < 1e-9
    if at_target.any():
        raise UserError(
            f"the camera of frame {int(at_target.argmax())} is at the target it should look at: move one of them"
        )
    down = relative[:, :, 1] if keep_roll else (0.0, 1.0, 0.0)
    c2w = make_poses(rotations.look_at_rotation(forward, down), relative[:, :, 3])
    return path.replace(c2w=compose(path.c2w[:1], c2w))


def smooth(path: CameraTrajectory, seconds: float) -> CameraTrajectory:
    """Return the path low-pass filtered: what is shorter than about `seconds` evens out; both ends stay exactly.

    A Gaussian as wide as a moving average over `seconds` (deviation seconds / sqrt(12)), on positions, on rotations (a
    mean on the rotations themselves) and on the lens. Beyond its ends the path is continued by its point reflection.
    Raises UserError for a negative time.
    """
    if not (np.isfinite(seconds) and seconds >= 0):
        raise UserError(f"a camera path cannot be smoothed over {seconds} seconds; 0 or more was expected")
    sigma = seconds * path.fps / np.sqrt(12)
    radius = min(int(np.ceil(4 * sigma)), path.frames - 1)
    if radius < 1 or sigma < 1e-3:
        return path
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    values = np.concatenate([path.c2w[:, :, 3], np.log(path.intrinsics[:, :2]), path.intrinsics[:, 2:]], 1)
    values = _filter_values(values, weights)
    intrinsics = np.concatenate([np.exp(values[:, 3:5]), values[:, 5:]], 1)
    return path.replace(
        c2w=make_poses(_filter_rotations(path.c2w[:, :, :3], weights), values[:, :3]), intrinsics=intrinsics
    )


def _filter_values(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return values (F, D) convolved with `weights` (2 R + 1,), R < F, continued at both ends by point reflection."""
    radius = len(weights) // 2
    before, after = 2 * values[:1] - values[radius:0:-1], 2 * values[-1:] - values[-2 : -radius - 2 : -1]
    padded = np.concatenate([before, values, after])
    mean: np.ndarray = np.sum([w * padded[k : k + len(values)] for k, w in enumerate(weights)], axis=0)
    return mean


def _filter_rotations(matrices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted means of rotations (F, 3, 3) around each frame; see `_filter_values`."""
    radius = len(weights) // 2
    inverse = rearrange(matrices, "f i j -> f j i")
    before = matrices[:1] @ inverse[radius:0:-1] @ matrices[:1]
    after = matrices[-1:] @ inverse[-2 : -radius - 2 : -1] @ matrices[-1:]
    padded, mean = np.concatenate([before, matrices, after]), matrices
    # The rotations from the mean to all others cancel; three steps leave less than rounding on camera paths.
    for _ in range(3):
        to_mean = rearrange(mean, "f i j -> f j i")
        steps = [w * rotations.to_rotvec(to_mean @ padded[k : k + len(mean)]) for k, w in enumerate(weights)]
        mean = mean @ rotations.from_rotvec(np.sum(steps, axis=0))
    return mean


def ease(path: CameraTrajectory, name: str) -> CameraTrajectory:
    """Return the path with its speed spread by the curve `name` (easing.EASINGS), on top of its own timing.

    First and last frame stay. Where a `back` curve overshoots an end, the path is continued by its point reflection.
    Raises UserError for an unknown name.
    """
    times = apply_easing(np.linspace(0, 1, path.frames) if path.frames > 1 else np.zeros(1), name)
    inside = path.at(times)
    c2w, intrinsics = inside.c2w.copy(), inside.intrinsics.copy()
    for end, beyond in ((0, times < 0), (-1, times > 1)):
        if beyond.any():
            reflected = path.at(-times[beyond] if end == 0 else 2 - times[beyond])
            pivot, lens = path.c2w[end][None], path.intrinsics[end]
            c2w[beyond] = compose(pivot, compose(invert(reflected.c2w), pivot))
            # Positions on the straight continuation: the product above would also turn the path around the camera.
            c2w[beyond, :, 3] = 2 * pivot[:, :, 3] - reflected.c2w[:, :, 3]
            intrinsics[beyond, :2] = lens[:2] ** 2 / reflected.intrinsics[:, :2]
            intrinsics[beyond, 2:] = 2 * lens[2:] - reflected.intrinsics[:, 2:]
    return path.replace(c2w=c2w, intrinsics=intrinsics)


def add_handheld_shake(
    path: CameraTrajectory, degrees: float = 0.5, distance: float = 0.01, seed: int = 0, hertz: float = 1.0
) -> CameraTrajectory:
    """Return the path as if the camera were held by hand: small smooth shakes in the camera's own frame.

    degrees: the largest rotation, distance: the largest translation, both reached once in the clip (distance in the
    path's unit, so 0.01 is a hundredth of the distance to the subject). hertz: 1 as a hand shakes, 2 twice as fast. The
    same seed gives the same shake. Raises UserError for sizes below 0 and a rate that is not positive.
    """
    for name, value in (("degrees", degrees), ("distance", distance)):
        if not (np.isfinite(value) and value >= 0):
            raise UserError(f"{value} was given as {name} of a camera shake; 0 or more was expected")
    if not (np.isfinite(hertz) and hertz > 0):
        raise UserError(f"{hertz} hertz were given for a camera shake; a positive number was expected")
    curves = handheld_curves(path.times(), seed, hertz)
    rotation = rotations.from_rotvec(scale_to_maximum(curves[:, :3], float(np.radians(degrees))))
    return path.replace(c2w=compose(path.c2w, make_poses(rotation, scale_to_maximum(curves[:, 3:], distance))))


def with_lens(
    path: CameraTrajectory,
    fov: float | None = None,
    focal_mm: float | None = None,
    sensor_mm: float = 36.0,
    keep_zoom: bool = True,
) -> CameraTrajectory:
    """Return the path filmed through another lens.

    fov: horizontal field of view in degrees; or focal_mm: focal length in millimeters, with the width of the sensor
    (36 mm is full frame, 24.89 mm Super 35). keep_zoom: the first frame gets the lens, and a zoom of the path goes on
    from there; otherwise all frames get it. The aspect of the image stays. Raises UserError unless exactly one of fov
    and focal_mm is given, within reason.
    """
    focal = _focal_length(fov, focal_mm, sensor_mm)
    start = path.intrinsics[:1, :2] if keep_zoom else path.intrinsics[:, :2]
    intrinsics = path.intrinsics.copy()
    # The height's focal length follows the width's: pixels keep their shape.
    intrinsics[:, :2] *= focal / start[:, :1]
    return path.replace(intrinsics=intrinsics)


def _focal_length(fov: float | None, focal_mm: float | None, sensor_mm: float) -> float:
    """Return fx in image widths; parameters and errors as in `with_lens`."""
    if (fov is None) == (focal_mm is None):
        raise UserError("a lens is given either by its field of view or by its focal length: give exactly one of them")
    if fov is not None:
        if not 1 <= fov <= 170:
            raise UserError(f"a field of view of {fov} degrees was given; 1 to 170 was expected")
        return float(0.5 / np.tan(np.radians(fov) / 2))
    if focal_mm is None or not (np.isfinite(focal_mm) and focal_mm > 0 and np.isfinite(sensor_mm) and sensor_mm > 0):
        raise UserError(
            f"a focal length of {focal_mm} mm on a sensor {sensor_mm} mm wide was given; positive numbers were expected"
        )
    return focal_mm / sensor_mm


def dolly_zoom(path: CameraTrajectory, subject_distance: float = 1.0) -> CameraTrajectory:
    """Return the path with a focal length that keeps the size of the subject (the Vertigo effect).

    The background grows or shrinks instead; the path's own zoom is replaced. The subject is `subject_distance` ahead of
    the first camera; its distance is measured along each view axis. Raises UserError for a distance of 0 or less and
    where the camera passes the subject.
    """
    if not (np.isfinite(subject_distance) and subject_distance > 0):
        raise UserError(
            f"the subject of a dolly zoom is at a distance of {subject_distance}; a positive one was expected"
        )
    w2c = path.relative().w2c()
    depth = w2c[:, 2, 2] * subject_distance + w2c[:, 2, 3]
    passed = depth < 1e-3 * subject_distance
    if passed.any():
        raise UserError(
            f"the camera reaches or passes the subject of the dolly zoom in frame {int(passed.argmax())}: move less or"
            " put the subject farther away"
        )
    intrinsics = path.intrinsics.copy()
    intrinsics[:, :2] = path.intrinsics[:1, :2] * (depth / depth[0])[:, None]
    return path.replace(intrinsics=intrinsics)
