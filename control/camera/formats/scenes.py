"""Scene files of 3D programs, read by their own libraries in a process of its own: USD (usd-core) and FBX (ufbx).

USD is written here as text (.usda), which takes no library. Cameras look along -z with y up in both.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import atomic_path
from ..trajectory import CameraTrajectory
from .common import (
    LARGEST_SCENE,
    METER,
    Format,
    Reading,
    Source,
    array,
    check_frames,
    number,
    positive,
    to_y_up,
    upright,
)

SECONDS = 90
WORKERS = Path(__file__).parent / "workers"


def run(worker: str, path: Path, module: str, library: str, what: str) -> dict[str, Any]:
    """What a script of `workers/` prints for a file. Raises UserError when the library is missing or the file bad."""
    if importlib.util.find_spec(module) is None:
        raise UserError(f"{what} needs the library '{library}', which is not installed: pip install {library}")
    if path.stat().st_size > LARGEST_SCENE:
        raise UserError(f"it is larger than {LARGEST_SCENE >> 20} MiB")
    environment = {**os.environ, "PXR_WORK_THREAD_LIMIT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(WORKERS / f"{worker}.py"), str(path.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{library} did not finish reading it within {SECONDS} s: export the camera alone") from error
    except OSError as error:
        raise UserError(f"the process that reads it cannot be started ({error.strerror})") from error
    try:
        result = json.loads(done.stdout)
    except ValueError as error:
        raise UserError(f"{library} broke off while reading it: it is damaged, or needs too much memory") from error
    if not isinstance(result, dict) or "error" in result:
        raise UserError(str(result.get("error", "no answer") if isinstance(result, dict) else "no answer"))
    return result


def trajectory_of(result: dict[str, Any]) -> CameraTrajectory:
    """The trajectory of what a script printed."""
    matrices = array(result["matrices"], (None, 16), "its camera matrices").reshape(-1, 4, 4)
    check_frames(len(matrices))
    half = [0.5] * len(matrices)
    columns = [result["fx"], result["fy"], result.get("cx", half), result.get("cy", half)]
    intrinsics = array(np.array(columns, np.float64).T, (len(matrices), 4), "its lens")
    notes = result.get("notes", {})
    return CameraTrajectory(
        upright(matrices, result["up"] if result["up"] in ("X", "Y", "Z") else "Y"),
        intrinsics,
        fps=positive(notes.get("fps", result["fps"]), "fps"),
        pixel_aspect=number(notes.get("pixel_aspect", 1.0), "pixel_aspect"),
        unit=str(notes.get("unit", METER))[:100],
    )


def _read_usd(source: Source, reading: Reading) -> CameraTrajectory:
    return trajectory_of(run("usd", source.path, "pxr", "usd-core", "reading USD"))


def _read_fbx(source: Source, reading: Reading) -> CameraTrajectory:
    return trajectory_of(run("fbx", source.path, "ufbx", "ufbx", "reading FBX"))


def _quoted(text: str) -> str:
    return json.dumps(text.replace("\n", " "), ensure_ascii=False)


def _samples(values: list[str], steady: bool) -> str:
    if steady:
        return f" = {values[0]}"
    return (
        ".timeSamples = {\n" + "".join(f"        {frame}: {value},\n" for frame, value in enumerate(values)) + "    }"
    )


def to_usda(trajectory: CameraTrajectory) -> str:
    """The text of a USD file with one camera: a time code per frame, y up, lengths in meters."""
    one = trajectory.frames == 1
    matrices = np.swapaxes(to_y_up(trajectory.c2w), 1, 2)
    transforms = ["( " + ", ".join(f"({', '.join(map(repr, row))})" for row in m) + " )" for m in matrices.tolist()]
    # In tenths of a scene unit: a film of 36 mm, and its height by the image's shape.
    film = 0.36
    fx, fy, cx, cy = trajectory.intrinsics.T
    height = film * fx / fy
    lens = {
        "focalLength": film * fx,
        "horizontalAperture": np.full_like(fx, film),
        "verticalAperture": height,
        "horizontalApertureOffset": (0.5 - cx) * film,
        "verticalApertureOffset": (cy - 0.5) * height,
    }
    lines = [
        "#usda 1.0",
        "(",
        '    defaultPrim = "Camera"',
        "    customLayerData = {",
        "        dictionary fulldit = {",
        f"            double fps = {trajectory.fps!r}",
        f"            double pixel_aspect = {trajectory.pixel_aspect!r}",
        f"            string unit = {_quoted(trajectory.unit)}",
        "        }",
        "    }",
        f"    endTimeCode = {trajectory.frames - 1}",
        f"    framesPerSecond = {trajectory.fps!r}",
        "    metersPerUnit = 1",
        "    startTimeCode = 0",
        f"    timeCodesPerSecond = {trajectory.fps!r}",
        '    upAxis = "Y"',
        ")",
        "",
        'def Camera "Camera"',
        "{",
        "    float2 clippingRange = (0.01, 1000)",
        f"    matrix4d xformOp:transform{_samples(transforms, one)}",
        '    uniform token[] xformOpOrder = ["xformOp:transform"]',
    ]
    for name, values in lens.items():
        steady = bool(np.ptp(values) < 1e-12)
        lines.append(f"    float {name}{_samples([repr(value) for value in values.tolist()], steady)}")
    return "\n".join([*lines, "}", ""])


def _write_usda(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(to_usda(trajectory), encoding="utf-8")


def _looks_usd(source: Source) -> bool:
    head = source.head
    return head[:8] == b"PXR-USDC" or head.lstrip()[:5] == b"#usda" or head[:4] == b"PK\3\4" and b".usd" in head


USD = Format(
    doc="USD camera (.usda is written; .usd, .usdc and .usdz are read too)",
    endings=(".usda", ".usd", ".usdc", ".usdz"),
    carries=frozenset({"poses", "intrinsics", "principal point", "fps", "unit", "pixel_aspect"}),
    looks=_looks_usd,
    read=_read_usd,
    write=_write_usda,
    needs="usd-core",
)
FBX = Format(
    doc="FBX camera (read only)",
    endings=(".fbx",),
    carries=frozenset({"poses", "intrinsics", "fps"}),
    looks=lambda source: source.head[:18] == b"Kaydara FBX Binary" or source.head.lstrip()[:5] == b"; FBX",
    read=_read_fbx,
    needs="ufbx",
)
