"""JSON of the NeRF programs: `transforms.json` and nerfstudio's camera paths.

`transforms.json` (nerfstudio, instant-ngp, Blender's synthetic scenes): camera-to-world in OpenGL axes (x right, y up,
z backward) and focal lengths in pixels, for all frames or per frame, or one field of view in radians
(https://docs.nerf.studio/quickstart/data_conventions.html). The frames are sorted by their file names.
A camera path (nerfstudio's viewer, `ns-render camera-path`): 16 numbers per frame in the same axes, `fov` is vertical.
The image is as wide and high as it is rendered; `aspect` is the viewer's, and `render_time` that of the scene.
"""

from __future__ import annotations

import math

import numpy as np
from einops import rearrange

from ...errors import UserError
from ...files import JsonObject, write_json
from ...frame_order import natural_sort_key
from ..even_times import spread_by_numbers
from ..trajectory import CameraTrajectory
from .axes import flip_camera_yz, to_4x4
from .choice import choose_folder
from .format import DEFAULT_FPS, UNKNOWN_UNIT, Format, ReadOptions
from .frame_names import spread_by_names
from .lens import check_projection, default_intrinsics, distortion_notes, nominal_size
from .mirror import mirrored, unscaled
from .values import frame_objects, frame_values, number, number_array, positive_number

_LENS_KEYS = {"fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y"}
_DISTORTION_KEYS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
# Rendered sizes are whole pixels: an aspect so near to theirs is the exact one.
_ROUNDING = 2e-3


def from_transforms(value: JsonObject, options: ReadOptions) -> CameraTrajectory:
    """Return the trajectory of a `transforms.json` object.

    Raises UserError for missing or broken fields.
    """
    frames, chosen = _of_one_camera(_sorted_by_name(frame_objects(value)), options.camera)
    matrices = [m[:3] if isinstance(m, list) else m for m in frame_values(frames, "transform_matrix")]
    c2w = flip_camera_yz(number_array(matrices, (None, 3, 4), "its transforms (transform_matrix)"))
    c2w, scaled = unscaled(mirrored(c2w, options.mirror))
    notes = (*chosen, *scaled, *_check_lenses([value, *frames]))
    if any(_LENS_KEYS & set(frame) for frame in frames):
        intrinsics = np.stack([_intrinsics({**value, **frame}, options.aspect) for frame in frames])
    else:
        intrinsics = _intrinsics(value, options.aspect)
    fps = positive_number(value.get("fps", DEFAULT_FPS), "fps")
    path = CameraTrajectory(c2w, intrinsics, fps=fps, unit=UNKNOWN_UNIT, notes=notes)
    if all("time" in frame for frame in frames):
        times = number_array([frame["time"] for frame in frames], (None,), "the times of its frames")
        if (np.diff(times) > 0).any():
            # Of a clip whose length is not stated: only how the times lie to each other counts.
            return spread_by_numbers(path, times / max(float(np.median(np.abs(np.diff(times)))), 1e-9))
    return spread_by_names(path, [str(frame.get("file_path", "")) for frame in frames])


def _check_lenses(holders: list[JsonObject]) -> tuple[str, ...]:
    """Return what to say about the lenses of a file and its frames. Raise UserError for those of no pinhole camera."""
    for holder in holders:
        check_projection(holder.get("camera_model"))
        if holder.get("is_fisheye") is True:
            check_projection("is_fisheye")
    values = (holder.get(key) for holder in holders for key in _DISTORTION_KEYS)
    return distortion_notes(value for value in values if isinstance(value, (int, float)))


def _sorted_by_name(frames: list[JsonObject]) -> list[JsonObject]:
    """Return the frames sorted by their file names; as they are where names are missing or repeated."""
    names = [frame.get("file_path") for frame in frames]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        return frames
    return sorted(frames, key=lambda frame: natural_sort_key(frame["file_path"]))


def _of_one_camera(frames: list[JsonObject], camera: str) -> tuple[list[JsonObject], tuple[str, ...]]:
    """Return the frames of one camera of a rig, whose cameras have a folder of images each, and what to say."""
    names = [str(frame.get("file_path", "")) for frame in frames]
    places, notes = choose_folder(names, camera)
    return [frames[place] for place in places], notes


def _intrinsics(value: JsonObject, aspect: float) -> np.ndarray:
    """Return fx fy cx cy (4,), normalized, of the fields of a frame or of the file."""
    known = {key: positive_number(value[key], key) for key in ("fl_x", "fl_y", "w", "h") if value.get(key) is not None}
    # Without a size the principal point is taken to be the middle.
    width = known.get("w") or 2 * positive_number(value.get("cx", aspect / 2), "cx")
    height = known.get("h") or 2 * positive_number(value.get("cy", width / aspect / 2), "cy")
    if "fl_x" in known:
        fx, fy = known["fl_x"] / width, known.get("fl_y", known["fl_x"]) / height
    elif value.get("camera_angle_x") is not None:
        fx = 0.5 / math.tan(_angle(value, "camera_angle_x") / 2)
        fy = fx * width / height
        if value.get("camera_angle_y") is not None:
            fy = 0.5 / math.tan(_angle(value, "camera_angle_y") / 2)
    else:
        fx, fy = default_intrinsics(width / height)[:2]
    cx, cy = number(value.get("cx", width / 2), "cx"), number(value.get("cy", height / 2), "cy")
    return np.array([fx, fy, cx / width, cy / height])


def _angle(value: JsonObject, key: str) -> float:
    angle = positive_number(value[key], key)
    if not 1e-3 < angle < 3.13:
        raise UserError(f"'{key}' is {angle:g}; a field of view in radians, below pi, was expected")
    return angle


def to_transforms(trajectory: CameraTrajectory) -> JsonObject:
    """Return the `transforms.json` object of a trajectory; nerfstudio looks for the images under images/."""
    width, height = nominal_size(trajectory)
    pixels = trajectory.intrinsics * (width, height, width, height)
    keys = ("fl_x", "fl_y", "cx", "cy")
    is_constant = bool((pixels == pixels[0]).all())
    frames = []
    for frame, (matrix, values) in enumerate(zip(flip_camera_yz(to_4x4(trajectory.c2w)), pixels.tolist(), strict=True)):
        lens = {} if is_constant else dict(zip(keys, values, strict=True))
        frames.append({"file_path": f"images/frame_{frame + 1:05d}.png", **lens, "transform_matrix": matrix.tolist()})
    shared_lens = dict(zip(keys, pixels[0].tolist(), strict=True)) if is_constant else {}
    return {
        "camera_model": "PINHOLE",
        "w": width,
        "h": height,
        **shared_lens,
        "fps": trajectory.fps,
        "frames": frames,
    }


def from_camera_path(value: JsonObject, mirror: str = "none") -> CameraTrajectory:
    """Return the trajectory of a nerfstudio camera path. Raises UserError for missing or broken fields."""
    frames = frame_objects(value, "camera_path")
    flat = number_array(frame_values(frames, "camera_to_world"), (None, 16), "its camera_to_world")
    c2w = mirrored(flip_camera_yz(rearrange(flat, "f (i j) -> f i j", i=4)), mirror)
    check_projection(value.get("camera_type"))
    rendered = None
    if value.get("render_width") is not None and value.get("render_height") is not None:
        width = positive_number(value["render_width"], "render_width")
        rendered = width / positive_number(value["render_height"], "render_height")
    intrinsics = []
    for index, frame in enumerate(frames):
        aspect = positive_number(frame.get("aspect", 1.0), f"aspect of frame {index}")
        if rendered is not None and not abs(aspect / rendered - 1) < _ROUNDING:
            aspect = rendered
        fov = positive_number(frame.get("fov", 50.0), f"fov of frame {index}")
        if not 0.1 < fov < 179:
            raise UserError(f"'fov' of frame {index} is {fov:g}; degrees below 179 were expected")
        fy = 0.5 / math.tan(math.radians(fov) / 2)
        intrinsics.append([fy / aspect, fy, 0.5, 0.5])
    fps = positive_number(value.get("fps", DEFAULT_FPS), "fps")
    return CameraTrajectory(c2w, np.array(intrinsics), fps=fps, unit=UNKNOWN_UNIT)


def to_camera_path(trajectory: CameraTrajectory) -> JsonObject:
    """Return the nerfstudio camera path of a trajectory; its principal point is the middle of the image."""
    width, height = nominal_size(trajectory)
    frames = []
    matrices = flip_camera_yz(to_4x4(trajectory.c2w))
    for matrix, (fx, fy) in zip(matrices, trajectory.intrinsics[:, :2].tolist(), strict=True):
        fov = math.degrees(2 * math.atan(0.5 / fy))
        frames.append({"camera_to_world": matrix.ravel().tolist(), "fov": fov, "aspect": fy / fx})
    return {
        "camera_type": "perspective",
        "render_width": width,
        "render_height": height,
        "fps": trajectory.fps,
        "seconds": trajectory.frames / trajectory.fps,
        "camera_path": frames,
        "is_cycle": False,
    }


def is_transforms(value: JsonObject) -> bool:
    """Return whether a JSON object looks like a `transforms.json`."""
    frames = value.get("frames")
    return isinstance(frames, list) and any(isinstance(f, dict) and "transform_matrix" in f for f in frames[:3])


TRANSFORMS = Format(
    doc="transforms.json of nerfstudio, instant-ngp and Blender's NeRF exporters",
    extensions=(".json",),
    preserves=frozenset({"poses", "intrinsics", "principal point", "fps"}),
    matches=lambda source: is_transforms(source.json_object),
    read=lambda source, options: from_transforms(source.json_object, options),
    write=lambda trajectory, path: write_json(path, to_transforms(trajectory)),
    several=True,
)
CAMERA_PATH = Format(
    doc="nerfstudio's camera path JSON",
    extensions=(".json",),
    preserves=frozenset({"poses", "intrinsics", "fps"}),
    matches=lambda source: "camera_path" in source.json_object,
    read=lambda source, options: from_camera_path(source.json_object, options.mirror),
    write=lambda trajectory, path: write_json(path, to_camera_path(trajectory)),
)
