"""Agisoft Metashape's cameras as XML: in each chunk the sensors (lenses) and the cameras, one per photo.

`transform` is camera-to-world, row by row, in OpenCV axes; a photo that was not aligned has none. `f` is in pixels,
`cx` and `cy` count from the middle of the image. The frames are the photos in the order of their labels. Where the
whole chunk lies in the world is left out: a path is relative to its first camera.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np

from ...errors import UserError
from ...frame_order import natural_sort_key
from ..even_times import MAX_FRAMES
from ..trajectory import CameraTrajectory
from .choice import choose
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .frame_names import spread_by_names
from .lens import check_projection, default_intrinsics, distortion_notes
from .mirror import mirrored
from .source import Source
from .values import check_frames, excerpt

# About ten for a photo; a tag takes many times its text in memory.
MAX_TAGS = 10 * MAX_FRAMES
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2", "b1", "b2")


def _matches(source: Source) -> bool:
    return not source.is_binary and source.head_text.lstrip()[:9].startswith(("<?xml", "<document"))


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    # An entity may be made to grow to gigabytes; Metashape writes none.
    if "<!" in source.text.replace("<!--", ""):
        raise UserError("its XML declares a document type or entities, which no camera file does")
    if source.text.count("<") > MAX_TAGS:
        raise UserError(f"its XML has more than {MAX_TAGS} tags: export the cameras without points and markers")
    try:
        root = ElementTree.fromstring(source.text.partition("?>")[2] if source.text.startswith("<?") else source.text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"its XML is broken or truncated ({error})") from error
    chunks = [chunk for chunk in root.iter("chunk") if chunk.find(".//camera/transform") is not None]
    if not chunks:
        raise UserError("its XML has no camera with a transform: export the aligned cameras of Metashape")
    names = [chunk.get("label") or f"chunk {number}" for number, chunk in enumerate(chunks, 1)]
    place, notes = choose(names, options.camera, "chunks")
    return _of_chunk(chunks[place], options, notes)


def _of_chunk(chunk: ElementTree.Element, options: ReadOptions, notes: tuple[str, ...]) -> CameraTrajectory:
    """Return the path through the aligned photos of a chunk, sorted by their labels."""
    cameras = [camera for camera in chunk.iter("camera") if camera.find("transform") is not None]
    check_frames(len(cameras))
    cameras.sort(key=lambda camera: natural_sort_key(camera.get("label", "")))
    labels = [camera.get("label", "") for camera in cameras]
    matrices = [
        _numbers(camera.findtext("transform"), 16, f"the transform of the camera {excerpt(label)}")
        for camera, label in zip(cameras, labels, strict=True)
    ]
    sensors = {sensor.get("id", ""): sensor for sensor in chunk.iter("sensor")}
    used = list(dict.fromkeys(camera.get("sensor_id", "") for camera in cameras))
    lenses = {key: _lens(sensors[key], options.aspect) if key in sensors else None for key in used}
    default = default_intrinsics(options.aspect)
    intrinsics = [(lenses[camera.get("sensor_id", "")] or (default, ()))[0] for camera in cameras]
    distortion = distortion_notes(value for lens in lenses.values() if lens for value in lens[1])
    c2w = mirrored(np.array(matrices).reshape(-1, 4, 4), options.mirror)
    path = CameraTrajectory(c2w, np.stack(intrinsics), unit=UNKNOWN_UNIT, notes=(*notes, *distortion))
    return spread_by_names(path, labels)


def _lens(sensor: ElementTree.Element, aspect: float) -> tuple[np.ndarray, tuple[float, ...]]:
    """Return fx fy cx cy (4,), normalized, and the distortion of a sensor; the default lens without a calibration."""
    check_projection(sensor.get("type"))
    # An adjusted calibration stands beside the one that was given at first.
    calibrations = sorted(sensor.findall("calibration"), key=lambda found: found.get("class") == "adjusted")
    if not calibrations:
        return default_intrinsics(aspect), ()
    calibration = calibrations[-1]
    check_projection(calibration.get("type"))
    resolution = calibration.find("resolution")
    resolution = sensor.find("resolution") if resolution is None else resolution
    size = {} if resolution is None else resolution.attrib
    width, height = (_number(size.get(side), f"the {side} of a sensor") for side in ("width", "height"))
    values = {
        name: _number(calibration.findtext(name, "0"), f"'{name}' of a sensor")
        for name in ("f", "cx", "cy", *_DISTORTION)
    }
    if not (width > 0 and height > 0 and values["f"] > 0):
        raise UserError(f"a sensor has a focal length of {values['f']:g} pixels in {width:g} x {height:g}")
    intrinsics = [values["f"] / width, values["f"] / height, 0.5 + values["cx"] / width, 0.5 + values["cy"] / height]
    return np.array(intrinsics), tuple(values[name] for name in _DISTORTION)


def _number(text: str | None, name: str) -> float:
    return _numbers(text, 1, name)[0]


def _numbers(text: str | None, count: int, name: str) -> list[float]:
    """Return so many finite numbers of a text. Raise UserError for anything else."""
    try:
        values = [float(word) for word in (text or "").split()]
    except ValueError as error:
        raise UserError(f"{name} is {excerpt(text or '')}; numbers were expected") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(f"{name} is {excerpt(text or '')}; {count} finite numbers were expected")
    return values


METASHAPE = Format(
    doc="Agisoft Metashape's cameras as XML",
    extensions=(".xml",),
    preserves=frozenset({"poses", "intrinsics", "principal point"}),
    matches=_matches,
    read=_read,
    several=True,
)
