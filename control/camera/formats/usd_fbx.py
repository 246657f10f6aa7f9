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

import numpy as np
from einops import rearrange

from ...errors import UserError
from ...files import JsonObject, atomic_path
from ..trajectory import CameraTrajectory
from .axes import c2w_from_opengl, c2w_to_opengl
from .choice import choose
from .format import METER, Format, ReadOptions
from .mirror import mirrored
from .source import MAX_SCENE_BYTES, Source
from .values import check_frames, number, number_array, positive_number

TIMEOUT_SECONDS = 90
WORKERS = Path(__file__).parent / "workers"


def _run_worker(worker: str, path: Path, module: str, library: str, place: str = "") -> JsonObject:
    """Return the JSON object that a script of `workers/` prints for a file and the camera at a place ('' = any).

    Raises UserError where the library is missing and where it cannot read the file.
    """
    if importlib.util.find_spec(module) is None:
        raise UserError(
            f"reading {worker.upper()} needs the library '{library}', which is not installed: pip install {library}"
        )
    if path.stat().st_size > MAX_SCENE_BYTES:
        raise UserError(f"it is larger than {MAX_SCENE_BYTES >> 20} MiB")
    environment = {**os.environ, "PXR_WORK_THREAD_LIMIT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(WORKERS / f"{worker}.py"), str(path.resolve()), place]
    try:
        process = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"{library} did not finish reading it within {TIMEOUT_SECONDS} s: export the camera alone"
        ) from error
    except OSError as error:
        raise UserError(f"the process that reads it cannot be started ({error.strerror})") from error
    try:
        result = json.loads(process.stdout)
    except ValueError as error:
        raise UserError(f"{library} broke off while reading it: it is damaged, or needs too much memory") from error
    if not isinstance(result, dict) or "error" in result:
        raise UserError(str(result.get("error", "no answer") if isinstance(result, dict) else "no answer"))
    return result


def _read(source: Source, options: ReadOptions, worker: str, module: str, library: str) -> CameraTrajectory:
    """Return the trajectory of one camera of a scene, which a script of `workers/` reads."""
    result = _run_worker(worker, source.path, module, library)
    names = [str(name) for name in result["cameras"]]
    place, said = choose(names, options.camera, default=result["place"])
    if place != result["place"]:
        result = _run_worker(worker, source.path, module, library, str(place))
    return _to_trajectory(result, options).replace(notes=said)


def _to_trajectory(result: JsonObject, options: ReadOptions) -> CameraTrajectory:
    """Return the trajectory of what a script printed."""
    flat = number_array(result["matrices"], (None, 16), "its camera matrices")
    check_frames(len(flat))
    half = [0.5] * len(flat)
    columns = [result["fx"], result["fy"], result.get("cx", half), result.get("cy", half)]
    intrinsics = number_array(np.array(columns, np.float64).T, (len(flat), 4), "its lens")
    notes = result.get("notes", {})
    matrices = rearrange(flat, "f (i j) -> f i j", i=4)
    return CameraTrajectory(
        mirrored(c2w_from_opengl(matrices, result["up"] if result["up"] in ("X", "Y", "Z") else "Y"), options.mirror),
        intrinsics,
        fps=positive_number(notes.get("fps", result["fps"]), "fps"),
        pixel_aspect=number(notes.get("pixel_aspect", 1.0), "pixel_aspect"),
        unit=str(notes.get("unit", METER))[:100],
    )


def _quoted(text: str) -> str:
    return json.dumps(text.replace("\n", " "), ensure_ascii=False)


def _attribute_value(values: list[str], is_constant: bool) -> str:
    """Return the right side of an attribute: its first value, or one time sample per frame."""
    if is_constant:
        return f" = {values[0]}"
    samples = "".join(f"        {frame}: {value},\n" for frame, value in enumerate(values))
    return f".timeSamples = {{\n{samples}    }}"


def to_usda(trajectory: CameraTrajectory) -> str:
    """Return the text of a USD file with one camera: a time code per frame, y up, lengths in meters."""
    matrices = np.swapaxes(c2w_to_opengl(trajectory.c2w), 1, 2).tolist()
    transforms = ["( " + ", ".join(f"({', '.join(map(repr, row))})" for row in m) + " )" for m in matrices]
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
        f"    matrix4d xformOp:transform{_attribute_value(transforms, trajectory.frames == 1)}",
        '    uniform token[] xformOpOrder = ["xformOp:transform"]',
    ]
    for name, values in _usd_lens(trajectory.intrinsics).items():
        is_constant = bool(np.ptp(values) < 1e-12)
        lines.append(f"    float {name}{_attribute_value([repr(value) for value in values.tolist()], is_constant)}")
    return "\n".join([*lines, "}", ""])


def _usd_lens(intrinsics: np.ndarray) -> dict[str, np.ndarray]:
    """Return USD's attributes (F,) of a lens, in tenths of a scene unit, for a film 36 mm wide."""
    film = 0.36
    fx, fy, cx, cy = intrinsics.T
    film_height = film * fx / fy
    return {
        "focalLength": film * fx,
        "horizontalAperture": np.full_like(fx, film),
        "verticalAperture": film_height,
        "horizontalApertureOffset": (0.5 - cx) * film,
        "verticalApertureOffset": (cy - 0.5) * film_height,
    }


def _write_usda(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(to_usda(trajectory), encoding="utf-8")


def _is_usd(source: Source) -> bool:
    head = source.head
    return head[:8] == b"PXR-USDC" or head.lstrip()[:5] == b"#usda" or head[:4] == b"PK\3\4" and b".usd" in head


USD = Format(
    doc="USD camera (.usda is written; .usd, .usdc and .usdz are read too)",
    extensions=(".usda", ".usd", ".usdc", ".usdz"),
    preserves=frozenset({"poses", "intrinsics", "principal point", "fps", "unit", "pixel_aspect"}),
    matches=_is_usd,
    read=lambda source, options: _read(source, options, "usd", "pxr", "usd-core"),
    write=_write_usda,
    requires="usd-core",
    several=True,
)
FBX = Format(
    doc="FBX camera (read only)",
    extensions=(".fbx",),
    preserves=frozenset({"poses", "intrinsics", "fps"}),
    matches=lambda source: source.head[:18] == b"Kaydara FBX Binary" or source.head.lstrip()[:5] == b"; FBX",
    read=lambda source, options: _read(source, options, "fbx", "ufbx", "ufbx"),
    requires="ufbx",
    several=True,
)
