"""Write a path as an animated glTF 2.0 camera: one node, a key per frame, the zoom through KHR_animation_pointer."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np

from ...files import JsonObject, atomic_path, write_json
from .. import rotations
from ..trajectory import CameraTrajectory
from .axes import c2w_to_opengl
from .gltf_buffers import BIN_CHUNK, JSON_CHUNK

_FLOAT = 5126
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}

# The target of an animation channel, and its values (F, components).
Channel = tuple[JsonObject, np.ndarray]


def _document(trajectory: CameraTrajectory) -> tuple[JsonObject, bytes]:
    """Return the JSON without a reference to its buffer, and the buffer."""
    matrix = c2w_to_opengl(trajectory.c2w)
    translation, xyzw = matrix[:, :3, 3], _continuous_quaternions(matrix[:, :3, :3])
    yfov = 2 * np.arctan(0.5 / trajectory.intrinsics[:, 1])
    ratio = trajectory.intrinsics[:, 1] / trajectory.intrinsics[:, 0]
    notes = {"fps": trajectory.fps, "unit": trajectory.unit, "pixel_aspect": trajectory.pixel_aspect}
    node = {
        "name": "Camera",
        "camera": 0,
        "translation": translation[0].tolist(),
        "rotation": xyzw[0].tolist(),
        "extras": {"fulldit": notes},
    }
    lens = {"yfov": float(yfov[0]), "aspectRatio": float(ratio[0]), "znear": 0.01, "zfar": 1000.0}
    document: JsonObject = {
        "asset": {"version": "2.0", "generator": "ComfyUI-FullDiT"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "cameras": [{"type": "perspective", "name": "Camera", "perspective": lens}],
    }
    if trajectory.frames == 1:
        return document, b""
    channels: list[Channel] = [
        ({"node": 0, "path": "translation"}, translation),
        ({"node": 0, "path": "rotation"}, xyzw),
    ]
    for name, values in (("yfov", yfov), ("aspectRatio", ratio)):
        if np.ptp(values) > 1e-9:
            pointer = {"pointer": f"/cameras/0/perspective/{name}"}
            channels.append(({"path": "pointer", "extensions": {"KHR_animation_pointer": pointer}}, values[:, None]))
    if len(channels) > 2:
        document["extensionsUsed"] = ["KHR_animation_pointer"]
    animation, data = _animation(trajectory.times(), channels)
    return {**document, **animation}, data


def _continuous_quaternions(matrices: np.ndarray) -> np.ndarray:
    """Return quaternions (F, 4) x y z w without sign flips, for programs that do not take the shortest arc."""
    xyzw = rotations.to_quaternion(matrices)[:, [1, 2, 3, 0]]
    for frame in range(1, len(xyzw)):
        if xyzw[frame] @ xyzw[frame - 1] < 0:
            xyzw[frame] = -xyzw[frame]
    return xyzw


def _animation(times: np.ndarray, channels: list[Channel]) -> tuple[JsonObject, bytes]:
    """Return the glTF entries of an animation with keys at `times` (F,), and its buffer in single precision."""
    columns = [times[:, None], *(values for _, values in channels)]
    data = b"".join(column.astype("<f4").tobytes() for column in columns)
    starts = np.cumsum([0, *(column.size * 4 for column in columns)]).tolist()
    accessors: list[JsonObject] = [
        {"bufferView": number, "componentType": _FLOAT, "count": len(column), "type": _TYPES[column.shape[1]]}
        for number, column in enumerate(columns)
    ]
    accessors[0].update(min=[0.0], max=[float(np.float32(times[-1]))])
    entries = {
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": column.size * 4}
            for start, column in zip(starts, columns, strict=False)
        ],
        "accessors": accessors,
        "animations": [
            {
                "name": "Camera",
                "channels": [{"sampler": number, "target": target} for number, (target, _) in enumerate(channels)],
                "samplers": [
                    {"input": 0, "output": number + 1, "interpolation": "LINEAR"} for number in range(len(channels))
                ],
            }
        ],
    }
    return entries, data


def write_glb(trajectory: CameraTrajectory, path: Path) -> None:
    """Write one binary file; single precision."""
    document, data = _document(trajectory)
    if data:
        document["buffers"] = [{"byteLength": len(data)}]
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
    if data:
        chunks += struct.pack("<II", len(data), BIN_CHUNK) + data
    with atomic_path(path) as temporary:
        temporary.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def write_gltf(trajectory: CameraTrajectory, path: Path) -> None:
    """Write one JSON file with its numbers inside; single precision."""
    document, data = _document(trajectory)
    if data:
        uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
        document["buffers"] = [{"byteLength": len(data), "uri": uri}]
    write_json(path, document)
