"""Reads the camera of a USD file with usd-core; see the package's docstring.

Prints matrices (F, 16) camera-to-world row by row in meters (camera along -z with y up), which axis of the world is up,
fx, fy, cx and cy (F), normalized, fps, the names of all cameras and the place of this one, and what this pack noted.
Lens and film are compared with each other and never taken for millimeters: programs differ in their unit.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from limits import Refused, frame_count, print_answer

MAX_LAYERS, MAX_CAMERAS = 200, 100


def check_layers(root: Any) -> None:
    """Raise Refused for a layer that refers to files outside its own folder: composing the stage would open them."""
    from pxr import Sdf

    queue, visited = [root], set()
    while queue:
        layer = queue.pop()
        if layer.identifier in visited:
            continue
        visited.add(layer.identifier)
        if len(visited) > MAX_LAYERS:
            raise Refused(f"it is made of more than {MAX_LAYERS} files")
        for name in layer.GetCompositionAssetDependencies():
            parts = name.replace("\\", "/").split("/")
            if ":" in name or ".." in parts or name.startswith(("/", "\\", "~")):
                raise Refused(f"it refers to '{name[:80]}', which is not a file beside it: flatten it on export")
            dependency = Sdf.Layer.FindOrOpen(layer.ComputeAbsolutePath(name))
            if dependency is not None:
                queue.append(dependency)


def sample_times(stage: Any, prim: Any) -> list[float]:
    """Return the time codes at which to sample the camera: the stage's range, or that of its own samples."""
    from pxr import UsdGeom

    samples: set[float] = set()
    for name in ("focalLength", "horizontalAperture", "verticalAperture"):
        samples.update(prim.GetAttribute(name).GetTimeSamples())
    while prim and not prim.IsPseudoRoot():
        xform = UsdGeom.Xformable(prim)
        if xform:
            samples.update(xform.GetTimeSamples())
        prim = prim.GetParent()
    if len(samples) < 2:
        return [min(samples)] if samples else [stage.GetStartTimeCode()]
    start, end = min(samples), max(samples)
    if stage.HasAuthoredTimeCodeRange() and stage.GetStartTimeCode() < stage.GetEndTimeCode():
        start, end = stage.GetStartTimeCode(), stage.GetEndTimeCode()
    step = 1.0
    if stage.HasMetadata("framesPerSecond") and stage.GetFramesPerSecond() > 0:
        step = stage.GetTimeCodesPerSecond() / stage.GetFramesPerSecond()
    return [start + number * step for number in range(frame_count(end - start, 1 / step))]


def read(path: str, place: str) -> dict[str, Any]:
    """Return the answer for one file and camera. Raises Refused for a file without a usable camera."""
    with tempfile.TemporaryDirectory() as folder:
        return read_stage(with_known_extension(path, folder), place)


def with_known_extension(path: str, folder: str) -> str:
    """Return a path whose extension the library knows: the file itself, or a copy in `folder`."""
    path = os.path.abspath(path)
    if path.lower().endswith((".usd", ".usda", ".usdc", ".usdz")):
        return path
    with open(path, "rb") as file:
        is_package = file.read(2) == b"PK"
    return shutil.copyfile(path, os.path.join(folder, "camera.usdz" if is_package else "camera.usd"))


def read_stage(path: str, place: str) -> dict[str, Any]:
    """Return the answer for a file with a known extension: of the camera at a place, or the first animated one."""
    from pxr import Sdf, Usd, UsdGeom

    root = Sdf.Layer.FindOrOpen(path)
    if root is None:
        raise Refused("the library cannot open it: it is truncated or damaged")
    check_layers(root)
    stage = Usd.Stage.Open(root, Usd.Stage.LoadNone)
    cameras = [prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Camera)]
    if not cameras:
        raise Refused("it has no camera: export it with cameras")
    cameras = cameras[:MAX_CAMERAS]
    best = cameras[int(place)] if place else max(cameras, key=lambda prim: len(sample_times(stage, prim)) > 1)
    scale = UsdGeom.GetStageMetersPerUnit(stage)
    samples = [camera_sample(UsdGeom.Camera(best), time, scale) for time in sample_times(stage, best)]
    rate = stage.GetFramesPerSecond() if stage.HasMetadata("framesPerSecond") else stage.GetTimeCodesPerSecond()
    notes = root.customLayerData.get("fulldit", {})
    return {
        "matrices": [matrix for matrix, _ in samples],
        **{name: [lens[name] for _, lens in samples] for name in ("fx", "fy", "cx", "cy")},
        "up": str(UsdGeom.GetStageUpAxis(stage)),
        "fps": float(rate),
        "cameras": [str(prim.GetName()) for prim in cameras],
        "place": cameras.index(best),
        "notes": {key: notes[key] for key in ("fps", "unit", "pixel_aspect") if key in notes},
    }


def camera_sample(camera: Any, time: float, meters_per_unit: float) -> tuple[list[float], dict[str, float]]:
    """Return the camera-to-world matrix (16,) and intrinsics at a time code. Raises Refused for an unusable lens."""
    from pxr import Usd

    lens = camera.GetCamera(Usd.TimeCode(time))
    width, height, focal = lens.horizontalAperture, lens.verticalAperture, lens.focalLength
    if str(lens.projection).endswith("Orthographic"):
        raise Refused("its camera is orthographic; a perspective camera was expected")
    if not (width > 0 and height > 0 and focal > 0):
        raise Refused(f"its camera has a lens of {focal:g} before a film of {width:g} x {height:g}")
    matrix = lens.transform
    # USD's matrices act on rows.
    rows = [[float(matrix[j][i]) for j in range(4)] for i in range(4)]
    for row in rows[:3]:
        row[3] *= meters_per_unit
    intrinsics = {
        "fx": focal / width,
        "fy": focal / height,
        "cx": 0.5 - lens.horizontalApertureOffset / width,
        "cy": 0.5 + lens.verticalApertureOffset / height,
    }
    return [value for row in rows for value in row], intrinsics


if __name__ == "__main__":
    print_answer(read)
