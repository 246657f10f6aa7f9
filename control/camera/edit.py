"""What can be done to a camera path: functions from a path to a path, which leave the given one alone.

Unless said otherwise a result lies in the world of the (first) path given. Lengths are in the path's unit, angles in
degrees, times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from . import rotations
from .easing import eased
from .trajectory import CameraTrajectory, invert
from .trajectory import compose as product


def reverse(path: CameraTrajectory) -> CameraTrajectory:
    """The same path backwards: the last frame comes first."""
    return path.replace(c2w=path.c2w[::-1], intrinsics=path.intrinsics[::-1])


def mirror(path: CameraTrajectory) -> CameraTrajectory:
    """Left and right exchanged, as seen by the first camera: a pan to the left becomes one to the right."""
    flip = np.array([-1.0, 1.0, 1.0])
    c2w = path.relative().c2w * flip[:, None] * np.append(flip, 1.0)
    intrinsics = path.intrinsics * (1, 1, -1, 1) + (0, 0, 1, 0)
    return path.replace(c2w=product(path.c2w[:1], c2w), intrinsics=intrinsics)


def concatenate(paths: Sequence[CameraTrajectory], continuous: bool = True) -> CameraTrajectory:
    """The paths one after another.

    continuous: every path starts at the pose and with the lens at which the one before it ended. The frame that both
    have in common is kept once, so two paths of 17 frames make one of 33. Otherwise the poses stay as they are and all
    frames are kept: a cut. A path with another fps than the first is resampled to it and keeps its duration.
    Raises UserError for no paths or pixels of different shape.
    """
    if not paths:
        raise UserError("no camera path was given to join; at least one was expected")
    first = paths[0]
    c2w, lens = [first.c2w], [first.intrinsics]
    for number, path in enumerate(paths[1:], 2):
        if abs(path.pixel_aspect - first.pixel_aspect) > 1e-6:
            raise UserError(
                f"camera path {number} has pixels of aspect {path.pixel_aspect:g}, the first of {first.pixel_aspect:g}:"
                " paths of one clip need the same"
            )
        if path.fps != first.fps:
            path = path.resample(fps=first.fps)
        if continuous:
            c2w.append(path.absolute(c2w[-1][-1]).c2w[1:])
            lens.append(_follow(path.intrinsics, lens[-1][-1])[1:])
            # A path of one frame adds nothing, and the next one starts where the last frame is.
            if not len(c2w[-1]):
                c2w.pop(), lens.pop()
        else:
            c2w.append(path.c2w)
            lens.append(path.intrinsics)
    return first.replace(c2w=np.concatenate(c2w), intrinsics=np.concatenate(lens))


def compose(path: CameraTrajectory, extra: CameraTrajectory) -> CameraTrajectory:
    """`path` with the movement of `extra` on top, performed in the frame of its camera: pose = path @ extra.

    extra counts relative to its first frame, and is spread over the frames of `path` where its length differs. Zooms
    multiply: the focal length follows extra's, as a ratio to its first. Composing with the identity changes nothing.
    """
    if extra.frames != path.frames:
        extra = extra.resample(path.frames)
    intrinsics = path.intrinsics.copy()
    intrinsics[:, :2] *= extra.intrinsics[:, :2] / extra.intrinsics[:1, :2]
    intrinsics[:, 2:] += extra.intrinsics[:, 2:] - extra.intrinsics[:1, 2:]
    return path.replace(c2w=product(path.c2w, extra.relative().c2w), intrinsics=intrinsics)


def scale_movement(
    path: CameraTrajectory, distance: float = 1.0, turn: float = 1.0, zoom: float = 1.0
) -> CameraTrajectory:
    """More or less of the same movement, counted from the first frame, which stays.

    distance multiplies how far the camera moves, turn how far it turns (also beyond half a turn), and zoom is the
    power of the ratio of focal lengths: 0 takes the zoom away, -1 makes a zoom in a zoom out.
    """
    for name, factor in (("distance", distance), ("turn", turn), ("zoom", zoom)):
        if not np.isfinite(factor):
            raise UserError(f"the {name} of a camera path cannot be scaled by {factor}; a number was expected")
    relative = path.relative().c2w
    vectors = _unwrapped(rotations.to_vector(relative[:, :, :3]))
    turned = relative[:, :, :3] if turn == 1 else rotations.from_vector(vectors * turn)
    c2w = np.concatenate([turned, relative[:, :, 3:] * distance], 2)
    intrinsics = path.intrinsics.copy()
    intrinsics[:, :2] = intrinsics[:1, :2] * (intrinsics[:, :2] / intrinsics[:1, :2]) ** zoom
    return path.replace(c2w=product(path.c2w[:1], c2w), intrinsics=intrinsics)


def look_at(
    path: CameraTrajectory, target: Sequence[float] | np.ndarray = (0.0, 0.0, 1.0), keep_roll: bool = False
) -> CameraTrajectory:
    """The same positions, every camera turned so that `target` is in the center of its view.

    target: a point (3,), or one per frame (F, 3), as the first camera sees it: x right, y down, z forward, so that
    (0, 0, 1) is the subject of the presets. keep_roll: a frame keeps its own roll; otherwise the image is upright,
    as the first camera's is. Raises UserError where the camera stands at the target.
    """
    points = np.asarray(target, np.float64)
    if points.shape not in ((3,), (path.frames, 3)) or not np.isfinite(points).all():
        raise UserError(
            f"the target to look at has shape {points.shape}; three numbers were expected, or three for each of the"
            f" {path.frames} frames"
        )
    relative = path.relative().c2w
    forward = points - relative[:, :, 3]
    near = np.linalg.norm(forward, axis=1) < 1e-9
    if near.any():
        raise UserError(
            f"the camera of frame {int(near.argmax())} stands at the point it is to look at: move one of them"
        )
    down = relative[:, :, 1] if keep_roll else (0.0, 1.0, 0.0)
    c2w = np.concatenate([rotations.looking(forward, down), relative[:, :, 3:]], 2)
    return path.replace(c2w=product(path.c2w[:1], c2w))


def smooth(path: CameraTrajectory, seconds: float) -> CameraTrajectory:
    """Evens out what is shorter than about `seconds`; the first and the last frame stay exactly.

    A Gaussian as wide as a moving average over `seconds` (deviation seconds / sqrt(12)), on positions, on turns (a mean
    on the rotations themselves) and on the lens. Beyond its ends the path is continued by its point reflection.
    """
    if not (np.isfinite(seconds) and seconds >= 0):
        raise UserError(f"a camera path cannot be smoothed over {seconds} seconds; 0 or more was expected")
    sigma = seconds * path.fps / np.sqrt(12)
    reach = min(int(np.ceil(4 * sigma)), path.frames - 1)
    if reach < 1 or sigma < 1e-3:
        return path
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    values = np.concatenate([path.c2w[:, :, 3], np.log(path.intrinsics[:, :2]), path.intrinsics[:, 2:]], 1)
    before, after = 2 * values[:1] - values[reach:0:-1], 2 * values[-1:] - values[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, values, after])
    values = sum(w * padded[k : k + path.frames] for k, w in enumerate(weights))
    turns = path.c2w[:, :, :3]
    before = turns[:1] @ np.swapaxes(turns[reach:0:-1], 1, 2) @ turns[:1]
    after = turns[-1:] @ np.swapaxes(turns[-2 : -reach - 2 : -1], 1, 2) @ turns[-1:]
    padded, mean = np.concatenate([before, turns, after]), turns
    # The mean of rotations is where the turns to them cancel; three steps leave less than rounding on camera paths.
    for _ in range(3):
        back = np.swapaxes(mean, 1, 2)
        step = sum(w * rotations.to_vector(back @ padded[k : k + path.frames]) for k, w in enumerate(weights))
        mean = mean @ rotations.from_vector(step)
    intrinsics = np.concatenate([np.exp(values[:, 3:5]), values[:, 5:]], 1)
    return path.replace(c2w=np.concatenate([mean, values[:, :3, None]], 2), intrinsics=intrinsics)


def ease(path: CameraTrajectory, name: str) -> CameraTrajectory:
    """The same way with its speed spread by the curve `name` (easing.EASES): the path's own timing is eased once more.

    First and last frame stay. Where a `back` curve runs beyond an end, the path is continued by its point reflection.
    """
    times = eased(np.linspace(0, 1, path.frames) if path.frames > 1 else np.zeros(1), name)
    inside = path.at(times)
    c2w, intrinsics = inside.c2w.copy(), inside.intrinsics.copy()
    for end, outside in ((0, times < 0), (-1, times > 1)):
        if outside.any():
            reflected = path.at(-times[outside] if end == 0 else 2 - times[outside])
            pivot, lens = path.c2w[end][None], path.intrinsics[end]
            c2w[outside] = product(pivot, product(invert(reflected.c2w), pivot))
            # Positions on the straight continuation: the product above would also turn the way around the camera.
            c2w[outside, :, 3] = 2 * pivot[:, :, 3] - reflected.c2w[:, :, 3]
            intrinsics[outside, :2] = lens[:2] ** 2 / reflected.intrinsics[:, :2]
            intrinsics[outside, 2:] = 2 * lens[2:] - reflected.intrinsics[:, 2:]
    return path.replace(c2w=c2w, intrinsics=intrinsics)


def shake(
    path: CameraTrajectory, degrees: float = 0.5, distance: float = 0.01, seed: int = 0, hertz: float = 1.0
) -> CameraTrajectory:
    """A hand that holds the camera: small smooth sways in the camera's own frame, the same for the same seed.

    degrees: the largest turn, distance: the largest shift, both reached once in the clip (distance in the path's unit,
    so 0.01 is a hundredth of the distance to the subject). hertz: 1 sways as a hand does, 2 twice as fast.
    """
    for what, value in (("degrees", degrees), ("distance", distance)):
        if not (np.isfinite(value) and value >= 0):
            raise UserError(f"{value} was given as {what} of a camera shake; 0 or more was expected")
    if not (np.isfinite(hertz) and hertz > 0):
        raise UserError(f"{hertz} hertz were given for a camera shake; a positive number was expected")
    wave = sway(path.times(), seed, hertz)
    turn, shift = (_to_size(part, size) for part, size in ((wave[:, :3], np.radians(degrees)), (wave[:, 3:], distance)))
    extra = np.concatenate([rotations.from_vector(turn), shift[..., None]], 2)
    return path.replace(c2w=product(path.c2w, extra))


def sway(times: np.ndarray, seed: int = 0, hertz: float = 1.0) -> np.ndarray:
    """A hand's sway (F, 6) at `times` in seconds: three turns and three shifts, 0 at the first time, of size about 1.

    Sums of four slow sines each, between 0.3 and 2 Hz times `hertz`, slow ones larger; a hand rolls half as much.
    Raises UserError for a negative seed.
    """
    if seed < 0:
        raise UserError(f"the seed of a camera shake is {seed}; 0 or more was expected")
    random = np.random.default_rng(seed)
    rates = random.uniform(0.3, 2.0, (6, 4))
    phase = random.uniform(0, 2 * np.pi, (6, 4))
    wave = np.sin(2 * np.pi * hertz * rates * np.asarray(times)[:, None, None] + phase) / rates
    return (wave - wave[:1]).sum(-1) * (1, 1, 0.5, 1, 1, 1)


def with_lens(
    path: CameraTrajectory,
    fov: float | None = None,
    focal_mm: float | None = None,
    sensor_mm: float = 36.0,
    keep_zoom: bool = True,
) -> CameraTrajectory:
    """The path filmed through another lens: a horizontal field of view in degrees, or a focal length in millimeters
    with the width of the sensor (36 mm is full frame, 24.89 mm Super 35).

    keep_zoom: the first frame gets the lens, and a zoom of the path goes on from there; otherwise all frames get it.
    The shape of the image stays. Raises UserError unless exactly one of fov and focal_mm is given, within reason.
    """
    if (fov is None) == (focal_mm is None):
        raise UserError("a lens is given either by its field of view or by its focal length: give exactly one of them")
    if fov is not None:
        if not 1 <= fov <= 170:
            raise UserError(f"a field of view of {fov} degrees was given; 1 to 170 was expected")
        focal = 0.5 / np.tan(np.radians(fov) / 2)
    else:
        if not (np.isfinite(focal_mm) and focal_mm > 0 and np.isfinite(sensor_mm) and sensor_mm > 0):
            raise UserError(
                f"a focal length of {focal_mm} mm on a sensor {sensor_mm} mm wide was given; positive numbers expected"
            )
        focal = focal_mm / sensor_mm
    start = path.intrinsics[:1, :2] if keep_zoom else path.intrinsics[:, :2]
    intrinsics = path.intrinsics.copy()
    # The height's focal length follows the width's: pixels keep their shape.
    intrinsics[:, :2] *= focal / start[:, :1]
    return path.replace(intrinsics=intrinsics)


def dolly_zoom(path: CameraTrajectory, subject_distance: float = 1.0) -> CameraTrajectory:
    """The focal length follows the distance to the subject, so that it keeps its size while the background grows or
    shrinks (the Vertigo effect). The path's own zoom is replaced.

    The subject stands `subject_distance` ahead of the first camera; its distance is measured along each view axis.
    Raises UserError for a distance of 0 or less and where the camera passes the subject.
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


def _follow(intrinsics: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Intrinsics (F, 4) carried on from `end` (4,): focal lengths as ratios, the center as a shift."""
    focal = intrinsics[:, :2] / intrinsics[:1, :2] * end[:2]
    return np.concatenate([focal, intrinsics[:, 2:] - intrinsics[:1, 2:] + end[2:]], 1)


def _unwrapped(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors (F, 3) of a movement, each the one nearest to the one before it of those that mean the same."""
    result = vectors.copy()
    for n in range(1, len(vectors)):
        angle = np.linalg.norm(vectors[n])
        # At no turn at all any axis would do: the one before it shows the way.
        guide = result[n - 1]
        length = np.linalg.norm(guide)
        if angle < 1e-9:
            axis, angle = (guide / length, 0.0) if length > 1e-9 else (np.zeros(3), 0.0)
        else:
            axis = vectors[n] / angle
        whole = np.round((axis @ guide - angle) / (2 * np.pi))
        result[n] = axis * (angle + 2 * np.pi * whole)
    return result


def _to_size(wave: np.ndarray, size: float) -> np.ndarray:
    """The wave (F, 3) scaled so that its largest length is `size`."""
    most = np.linalg.norm(wave, axis=1).max()
    return wave * (size / most if most > 0 else 0.0)
