"""Write a path as an animated glTF 2.0 camera: one node, a key per frame, the zoom through KHR_animation_pointer."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ...files import atomic_path, write_json
from .. import rotations
from ..trajectory import CameraTrajectory
from .common import to_y_up
from .gltf_buffers import BIN_CHUNK, JSON_CHUNK


def _document(trajectory: CameraTrajectory) -> tuple[dict[str, Any], bytes]:
    """The JSON without a place for its buffer, and the buffer."""
    matrix = to_y_up(trajectory.c2w)
    turn = rotations.to_quaternion(matrix[:, :3, :3])[:, [1, 2, 3, 0]]
    # Neighbors on the same side, so that programs that do not take the shortest arc do not spin.
    for frame in range(1, len(turn)):
        if turn[frame] @ turn[frame - 1] < 0:
            turn[frame] = -turn[frame]
    yfov = 2 * np.arctan(0.5 / trajectory.intrinsics[:, 1])
    ratio = trajectory.intrinsics[:, 1] / trajectory.intrinsics[:, 0]
    notes = {"fps": trajectory.fps, "unit": trajectory.unit, "pixel_aspect": trajectory.pixel_aspect}
    node = {
        "name": "Camera",
        "camera": 0,
        "translation": matrix[0, :3, 3].tolist(),
        "rotation": turn[0].tolist(),
        "extras": {"fulldit": notes},
    }
    lens = {"yfov": float(yfov[0]), "aspectRatio": float(ratio[0]), "znear": 0.01, "zfar": 1000.0}
    value: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "ComfyUI-FullDiT"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "cameras": [{"type": "perspective", "name": "Camera", "perspective": lens}],
    }
    if trajectory.frames == 1:
        return value, b""
    targets: list[tuple[dict, np.ndarray]] = [
        ({"node": 0, "path": "translation"}, matrix[:, :3, 3]),
        ({"node": 0, "path": "rotation"}, turn),
    ]
    for name, values in (("yfov", yfov), ("aspectRatio", ratio)):
        if np.ptp(values) > 1e-9:
            pointer = {"pointer": f"/cameras/0/perspective/{name}"}
            targets.append(({"path": "pointer", "extensions": {"KHR_animation_pointer": pointer}}, values[:, None]))
    if len(targets) > 2:
        value["extensionsUsed"] = ["KHR_animation_pointer"]
    times = (np.arange(trajectory.frames) / trajectory.fps)[:, None]
    columns = [times, *(values for _, values in targets)]
    data = b"".join(column.astype("<f4").tobytes() for column in columns)
    starts = np.cumsum([0, *(column.size * 4 for column in columns)]).tolist()
    value["bufferViews"] = [
        {"buffer": 0, "byteOffset": start, "byteLength": column.size * 4}
        for start, column in zip(starts, columns, strict=False)
    ]
    kinds = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
    value["accessors"] = [
        {"bufferView": number, "componentType": 5126, "count": len(column), "type": kinds[column.shape[1]]}
        for number, column in enumerate(columns)
    ]
    value["accessors"][0].update(min=[0.0], max=[float(np.float32(times[-1, 0]))])
    samplers = [{"input": 0, "output": number + 1, "interpolation": "LINEAR"} for number in range(len(targets))]
    channels = [{"sampler": number, "target": target} for number, (target, _) in enumerate(targets)]
    value["animations"] = [{"name": "Camera", "channels": channels, "samplers": samplers}]
    return value, data


def write_glb(trajectory: CameraTrajectory, path: Path) -> None:
    """Write one binary file; single precision."""
    value, data = _document(trajectory)
    if data:
        value["buffers"] = [{"byteLength": len(data)}]
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
    if data:
        chunks += struct.pack("<II", len(data), BIN_CHUNK) + data
    with atomic_path(path) as temporary:
        temporary.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def write_gltf(trajectory: CameraTrajectory, path: Path) -> None:
    """Write one JSON file with its numbers inside; single precision."""
    value, data = _document(trajectory)
    if data:
        uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
        value["buffers"] = [{"byteLength": len(data), "uri": uri}]
    write_json(path, value)
