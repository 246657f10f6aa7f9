"""Reads the camera of a USD file with usd-core; see the package's docstring.

Prints matrices (F, 16) camera-to-world row by row in meters (camera along -z with y up), which axis of the world is up,
fx, fy, cx and cy (F), normalized, fps, and what this pack noted in the file. Lens and film are compared with one
another and never taken for millimeters: programs differ in their unit.
"""

from __future__ import annotations

import os
import shutil
import tempfile

from limits import Refused, answer, frames

MOST_LAYERS = 200


def check_layers(root) -> None:
    """Refuses a file that wants other files from anywhere but its own folder: composing would open them."""
    from pxr import Sdf

    waiting, seen = [root], set()
    while waiting:
        layer = waiting.pop()
        if layer.identifier in seen:
            continue
        seen.add(layer.identifier)
        if len(seen) > MOST_LAYERS:
            raise Refused(f"it is made of more than {MOST_LAYERS} files")
        for name in layer.GetCompositionAssetDependencies():
            parts = name.replace("\\", "/").split("/")
            if ":" in name or ".." in parts or name.startswith(("/", "\\", "~")):
                raise Refused(f"it refers to '{name[:80]}', which is not a file beside it: flatten it on export")
            found = Sdf.Layer.FindOrOpen(layer.ComputeAbsolutePath(name))
            if found is not None:
                waiting.append(found)


def times_of(stage, prim) -> list[float]:
    """The time codes at which the camera is sampled: the stage's range, or that of its own samples."""
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
    count = frames(end - start, 1 / step)
    return [start + number * step for number in range(count)]


def read(path: str) -> dict:
    """The answer for one file."""
    with tempfile.TemporaryDirectory() as folder:
        return _read(named(path, folder))


def named(path: str, folder: str) -> str:
    """A path whose ending the library knows: the file itself, or a copy in `folder`."""
    path = os.path.abspath(path)
    if path.lower().endswith((".usd", ".usda", ".usdc", ".usdz")):
        return path
    with open(path, "rb") as file:
        packed = file.read(2) == b"PK"
    return shutil.copyfile(path, os.path.join(folder, "camera.usdz" if packed else "camera.usd"))


def _read(path: str) -> dict:
    from pxr import Sdf, Usd, UsdGeom

    root = Sdf.Layer.FindOrOpen(path)
    if root is None:
        raise Refused("the library cannot open it: it is truncated or damaged")
    check_layers(root)
    stage = Usd.Stage.Open(root, Usd.Stage.LoadNone)
    cameras = []
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Camera):
            cameras.append(prim)
    if not cameras:
        raise Refused("it has no camera: export it with cameras")
    best = max(cameras[:100], key=lambda prim: len(times_of(stage, prim)) > 1)
    times = times_of(stage, best)
    scale = UsdGeom.GetStageMetersPerUnit(stage)
    camera = UsdGeom.Camera(best)
    result: dict = {"matrices": [], "fx": [], "fy": [], "cx": [], "cy": [], "up": str(UsdGeom.GetStageUpAxis(stage))}
    for time in times:
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
            row[3] *= scale
        result["matrices"].append(sum(rows, []))
        result["fx"].append(focal / width)
        result["fy"].append(focal / height)
        result["cx"].append(0.5 - lens.horizontalApertureOffset / width)
        result["cy"].append(0.5 + lens.verticalApertureOffset / height)
    rate = stage.GetFramesPerSecond() if stage.HasMetadata("framesPerSecond") else stage.GetTimeCodesPerSecond()
    result["fps"] = float(rate)
    notes = root.customLayerData.get("fulldit", {})
    result["notes"] = {key: notes[key] for key in ("fps", "unit", "pixel_aspect") if key in notes}
    return result


if __name__ == "__main__":
    answer(read)
