"""Reads the camera of an FBX file with ufbx; see the package's docstring.

Prints matrices (F, 16) camera-to-world row by row in meters (world y up, camera along -z with y up), fx and fy (F),
normalized, fps, the names of all cameras and the place of this one. Written around the faults of ufbx 0.0.5, see
`keep_alive`, `items` and `animated_properties`.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from limits import Refused, frame_count, print_answer

Matrix = list[list[float]]
Keys = list[tuple[float, float]]
T = TypeVar("T")
_KEPT_ALIVE: list[object] = []
MAX_CAMERAS, MAX_DEPTH = 100, 1000


def keep_alive(wrapper: T) -> T:
    """Return the wrapper, never to be freed: wrappers of this library may free what they point to with them."""
    _KEPT_ALIVE.append(wrapper)
    return wrapper


def items(values: Any) -> list[Any]:
    """Return the entries of one of ufbx's lists, by index: its iterators run over their end."""
    keep_alive(values)
    return [keep_alive(values[index]) for index in range(len(values))]


def transform_matrix(transform: Any) -> Matrix:
    """Return the matrix (4 rows) of a translation, rotation and scale."""
    x, y, z, w = (getattr(transform.rotation, name) for name in "xyzw")
    a, b, c = (getattr(transform.scale, name) for name in "xyz")
    t = transform.translation
    return [
        [a * (1 - 2 * (y * y + z * z)), b * 2 * (x * y - z * w), c * 2 * (x * z + y * w), t.x],
        [a * 2 * (x * y + z * w), b * (1 - 2 * (x * x + z * z)), c * 2 * (y * z - x * w), t.y],
        [a * 2 * (x * z - y * w), b * 2 * (y * z + x * w), c * (1 - 2 * (x * x + y * y)), t.z],
        [0.0, 0.0, 0.0, 1.0],
    ]


def multiply(first: Matrix, second: Matrix) -> Matrix:
    """Return the product of two 4x4 matrices."""
    return [[sum(row[k] * second[k][j] for k in range(4)) for j in range(4)] for row in first]


def animated_properties(scene: Any, anim: Any, element: int, fps: float) -> dict[str, Keys]:
    """Return the animated properties of an element: name -> its keys as (time, value).

    Taken from a baked animation, since reading an AnimProp of this library ends the process sooner or later.
    """
    import ufbx

    result = {}
    bake = keep_alive(ufbx.bake_anim(scene, anim, resample_rate=fps))
    for entry in items(bake.elements):
        if entry.element_id == element:
            for prop in items(entry.props):
                result[str(prop.name)] = [(float(key.time), float(key.value.x)) for key in items(prop.keys)]
    return result


def value_at(keys: Keys, time: float) -> float:
    """Return the value of keys at a time, on straight lines between them."""
    for (t0, v0), (t1, v1) in zip(keys, keys[1:], strict=False):
        if time <= t1 + 1e-9:
            share = min(1.0, max(0.0, (time - t0) / (t1 - t0) if t1 > t0 else 1.0))
            return v0 + (v1 - v0) * share
    return keys[-1][1]


def focal_lengths(
    scene: Any, anim: Any, camera: Any, times: list[float], fps: float
) -> tuple[list[float], list[float]]:
    """Return fx and fy at every time, normalized by the image's width and height."""
    import ufbx

    if camera.projection_mode == ufbx.ProjectionMode.ORTHOGRAPHIC:
        raise Refused("its camera is orthographic; a perspective camera was expected")
    angle = camera.field_of_view_deg
    if not (0.01 < angle.x < 179.9 and 0.01 < angle.y < 179.9):
        raise Refused("its camera has no usable field of view")
    fx, fy = (0.5 / math.tan(math.radians(side) / 2) for side in (angle.x, angle.y))
    keys = animated_properties(scene, anim, camera.element_id, fps) if len(times) > 1 else {}
    lengths, angles = keys.get("FocalLength"), keys.get("FieldOfView")
    if lengths and camera.focal_length_mm > 0:
        scales = [value_at(lengths, time) / camera.focal_length_mm for time in times]
    elif angles and camera.aperture_mode != ufbx.ApertureMode.FOCAL_LENGTH:
        side = angle.y if camera.aperture_mode == ufbx.ApertureMode.VERTICAL else angle.x
        start = math.tan(math.radians(side) / 2)
        scales = [start / math.tan(math.radians(value_at(angles, time)) / 2) for time in times]
    else:
        scales = [1.0] * len(times)
    return [fx * scale for scale in scales], [fy * scale for scale in scales]


def world_matrices(anim: Any, camera: Any, times: list[float]) -> Matrix:
    """Return the camera-to-world matrices (F, 16) of a camera at every time."""
    import ufbx

    chain: list[Any] = []
    node = camera.instances[0]
    while node is not None and len(chain) < MAX_DEPTH:
        chain.append(node)
        node = node.parent
    matrices = []
    for time in times:
        matrix = transform_matrix(ufbx.evaluate_transform(anim, chain[0], time))
        for node in chain[1:]:
            matrix = multiply(transform_matrix(ufbx.evaluate_transform(anim, node, time)), matrix)
        matrices.append([value for row in matrix for value in row])
    return matrices


def read(path: str, place: str) -> dict[str, Any]:
    """Return the answer for one file: of the camera at a place, or the first that moves or zooms, or the first.

    Raises Refused for a file without a camera.
    """
    import ufbx

    axes = ufbx.axes_right_handed_y_up
    scene = keep_alive(
        ufbx.load_file(
            path,
            ignore_geometry=True,
            ignore_embedded=True,
            load_external_files=False,
            target_axes=axes,
            target_camera_axes=axes,
            target_unit_meters=1.0,
        )
    )
    cameras = [camera for camera in items(scene.cameras) if len(camera.instances)]
    if not cameras:
        raise Refused("it has no camera: export it with cameras")
    anim, fps = scene.anim, scene.settings.frames_per_second or 24.0
    count = frame_count(max(0.0, anim.time_end - anim.time_begin), fps)
    times = [anim.time_begin + number / fps for number in range(count)]
    still = None
    cameras = cameras[:MAX_CAMERAS]
    names = [str(keep_alive(keep_alive(camera.instances)[0]).name) for camera in cameras]
    for number, camera in enumerate(cameras):
        if place and int(place) != number:
            continue
        matrices = world_matrices(anim, camera, times)
        fx, fy = focal_lengths(scene, anim, camera, times, fps)
        answer = {"matrices": matrices, "fx": fx, "fy": fy, "fps": fps, "up": "Y", "cameras": names, "place": number}
        if any(matrix != matrices[0] for matrix in matrices) or any(value != fx[0] for value in fx):
            return answer
        still = still or {**answer, "matrices": matrices[:1], "fx": fx[:1], "fy": fy[:1]}
    assert still is not None, "there is at least one camera"
    return still


if __name__ == "__main__":
    print_answer(read)
