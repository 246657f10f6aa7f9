"""glTF 2.0 cameras, as .glb or .gltf, still or animated (section 3.10 "Cameras" and 3.11 "Animations" of the standard).

A camera looks along its node's -z with y up, in a world with y up and lengths in meters; `yfov` is vertical, in
radians. Animations may move the node, its ancestors and, through KHR_animation_pointer, the angle of view. Of several
cameras the first animated one is read, else the first. The key times are the frames when they are evenly spaced
(baked), else the animation is sampled 24 times a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UserError
from ..trajectory import CameraTrajectory
from .common import METER, Format, Reading, Source, array, from_quaternion, number, positive, regular_times, upright
from .gltf_buffers import Gltf, entry
from .gltf_write import write_glb, write_gltf

POINTER = "KHR_animation_pointer"
_USUAL = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}
_DEEPEST = 200


@dataclass(frozen=True)
class Track:
    """An animated property: key times (N,), values (N, components), and for cubic splines tangents in and out."""

    times: np.ndarray
    values: np.ndarray
    kind: str
    tangents: tuple[np.ndarray, np.ndarray] | None = None

    def at(self, times: np.ndarray, turns: bool) -> np.ndarray:
        """The values at `times` (M,): (M, components); `turns`: they are quaternions x y z w."""
        if len(self.times) == 1:
            return np.repeat(self.values, len(times), 0)
        times = np.clip(times, self.times[0], self.times[-1])
        left = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        width = self.times[left + 1] - self.times[left]
        u = np.clip((times - self.times[left]) / np.maximum(width, 1e-12), 0, 1)
        # Times are stored in single precision; a frame that means a key gets the key.
        slack = 4e-7 * (1 + np.abs(times)) / np.maximum(width, 1e-12) + 1e-5
        u = np.where(u < slack, 0.0, np.where(u > 1 - slack, 1.0, u))
        if self.kind == "STEP":
            return self.values[np.where(u == 1, left + 1, left)]
        u, width = u[:, None], width[:, None]
        first, second = self.values[left], self.values[left + 1]
        if self.tangents is not None:
            before, after = self.tangents[1][left], self.tangents[0][left + 1]
            return (
                (1 + 2 * u) * (1 - u) ** 2 * first
                + u * (1 - u) ** 2 * width * before
                + u**2 * (3 - 2 * u) * second
                + u**2 * (u - 1) * width * after
            )
        if not turns:
            return first + (second - first) * u
        return _slerp(first, second, u)


def _slerp(first: np.ndarray, second: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Quaternions on the shortest arc from `first` to `second` (M, 4) at shares `u` (M, 1)."""
    first, second = (q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-12) for q in (first, second))
    dot = (first * second).sum(1, keepdims=True)
    second, dot = np.where(dot < 0, -second, second), np.abs(dot)
    angle = np.arctan2(np.linalg.norm(second - dot * first, axis=1, keepdims=True), dot)
    near = angle < 1e-9
    sine = np.where(near, 1.0, np.sin(angle))
    return np.where(near, first, (np.sin((1 - u) * angle) * first + np.sin(u * angle) * second) / sine)


def read_gltf(source: Source, reading: Reading) -> CameraTrajectory:
    """The trajectory of a glTF file's camera."""
    gltf = Gltf(source)
    tracks = _tracks(gltf)
    chain, camera = _camera(gltf.json, {key[1] for key in tracks if key[0] == "nodes"})
    nodes = [entry(gltf.json, "nodes", node) for node in chain]
    about = _notes(nodes[-1])
    needed = {key: index for key, index in tracks.items() if _belongs(key, chain, nodes[-1]["camera"])}
    loaded = {key: _load(gltf, *place) for key, place in needed.items()}
    keys = np.concatenate([track.times for track in loaded.values()]) if loaded else np.zeros(1)
    fps = positive(about["fps"], "fps") if "fps" in about else None
    times, fps = regular_times(keys, fps)
    matrix = np.eye(4)[None]
    for index, node in zip(chain, nodes, strict=True):
        matrix = matrix @ _local(node, index, loaded, times)
    intrinsics = _intrinsics(camera, nodes[-1]["camera"], loaded, times, reading.aspect)
    return CameraTrajectory(
        upright(np.broadcast_to(matrix, (len(times), 4, 4))),
        intrinsics,
        fps=fps,
        pixel_aspect=positive(about.get("pixel_aspect", 1.0), "pixel_aspect"),
        unit=str(about.get("unit", METER))[:100],
    )


def _notes(node: dict) -> dict:
    """What this pack wrote beside a camera (fps, unit), if it wrote the file."""
    extras = node.get("extras")
    notes = extras.get("fulldit") if isinstance(extras, dict) else None
    return notes if isinstance(notes, dict) else {}


def _belongs(key: tuple, chain: list[int], camera: int) -> bool:
    return key[1] in chain if key[0] == "nodes" else key[1] == camera


def _camera(value: dict, animated: set[int]) -> tuple[list[int], dict]:
    """The camera to read: the numbers of the nodes from the root to it, and its object."""
    nodes = value.get("nodes")
    if not isinstance(nodes, list):
        raise UserError("it has no nodes, so no camera either")
    parents: dict[int, int] = {}
    for index, node in enumerate(nodes):
        children = node.get("children", []) if isinstance(node, dict) else []
        for child in children if isinstance(children, list) else []:
            if isinstance(child, int):
                parents[child] = index
    chains = []
    for index, node in enumerate(nodes):
        if isinstance(node, dict) and "camera" in node:
            chain = [index]
            while chain[-1] in parents:
                chain.append(parents[chain[-1]])
                if len(chain) > _DEEPEST:
                    raise UserError(f"node {index} is its own ancestor, or lies deeper than {_DEEPEST} nodes")
            chains.append(chain[::-1])
            if len(chains) > 1000:
                break
    if not chains:
        raise UserError("it has no camera: export it with cameras")
    chain = next((chain for chain in chains if animated & set(chain)), chains[0])
    camera = entry(value, "cameras", nodes[chain[-1]]["camera"])
    if camera.get("type", "perspective") != "perspective":
        raise UserError("its camera is orthographic; a perspective camera was expected")
    return chain, camera


def _tracks(gltf: Gltf) -> dict[tuple[str, int, str], tuple[dict, Any, str]]:
    """What is animated: ('nodes' or 'cameras', number, property) -> animation, sampler's number, a name for errors."""
    found: dict[tuple[str, int, str], tuple[dict, Any, str]] = {}
    animations = gltf.json.get("animations", [])
    for place, animation in enumerate(animations if isinstance(animations, list) else []):
        channels = animation.get("channels") if isinstance(animation, dict) else None
        for channel in channels if isinstance(channels, list) else []:
            target = channel.get("target") if isinstance(channel, dict) else None
            key = _target(target) if isinstance(target, dict) else None
            # Of several animations of the same thing (takes) the first counts.
            if key is not None and key not in found:
                found[key] = animation, channel.get("sampler"), f"the {key[2]} in animation {place}"
    return found


def _target(target: dict) -> tuple[str, int, str] | None:
    path, node = str(target.get("path")), target.get("node")
    if path in _USUAL and isinstance(node, int):
        return "nodes", node, path
    extension = target.get("extensions", {})
    pointer = extension.get(POINTER) if isinstance(extension, dict) else None
    parts = str(pointer.get("pointer", "")).split("/") if isinstance(pointer, dict) else []
    if path != "pointer" or len(parts) < 4 or not (parts[2].isdigit() and len(parts[2]) < 10):
        return None
    if parts[1] == "nodes" and len(parts) == 4 and parts[3] in _USUAL:
        return "nodes", int(parts[2]), parts[3]
    if parts[1] == "cameras" and parts[3:] in (["perspective", "yfov"], ["perspective", "aspectRatio"]):
        return "cameras", int(parts[2]), parts[4]
    return None


def _load(gltf: Gltf, animation: dict, sampler: Any, what: str) -> Track:
    sampler = entry(animation, "samplers", sampler)
    times = gltf.numbers(sampler.get("input"), f"the key times of {what}")[:, 0]
    values = gltf.numbers(sampler.get("output"), what)
    kind = sampler.get("interpolation", "LINEAR")
    if kind not in ("LINEAR", "STEP", "CUBICSPLINE"):
        raise UserError(f"{what} is interpolated by '{str(kind)[:20]}'; LINEAR, STEP or CUBICSPLINE was expected")
    each = 3 if kind == "CUBICSPLINE" else 1
    if not len(times) or len(values) != each * len(times):
        raise UserError(f"{what} has {len(times)} key times and {len(values)} values")
    if (np.diff(times) <= 0).any():
        raise UserError(f"the key times of {what} do not increase")
    if each == 3:
        return Track(times, values[1::3], kind, (values[0::3], values[2::3]))
    return Track(times, values, kind)


def _value(node: dict, index: int, name: str, loaded: dict, times: np.ndarray) -> np.ndarray:
    """A property of a node at `times`: (F, 3), or (F, 4) for rotations."""
    width, track = len(_USUAL[name]), loaded.get(("nodes", index, name))
    if track is None:
        still = array(node.get(name, _USUAL[name]), (width,), f"the {name} of node {index}")
        return np.repeat(still[None], len(times), 0)
    if track.values.shape[1] != width:
        raise UserError(f"the animated {name} of node {index} has {track.values.shape[1]} components, not {width}")
    return track.at(times, turns=name == "rotation")


def _local(node: dict, index: int, loaded: dict, times: np.ndarray) -> np.ndarray:
    """The node's own matrix (F, 4, 4), or (1, 4, 4) when it stands still."""
    if not any(key[:2] == ("nodes", index) for key in loaded):
        times = times[:1]
        if "matrix" in node:
            # Column by column, as OpenGL has it.
            return array(node["matrix"], (16,), f"the matrix of node {index}").reshape(1, 4, 4).swapaxes(1, 2)
    shift = _value(node, index, "translation", loaded, times)
    turn = _value(node, index, "rotation", loaded, times)
    size = _value(node, index, "scale", loaded, times)
    matrix = np.zeros((len(times), 4, 4))
    turned = from_quaternion(turn[:, [3, 0, 1, 2]], f"the rotation of node {index}")
    matrix[:, :3, :3] = turned * size[:, None]
    matrix[:, :3, 3] = shift
    matrix[:, 3, 3] = 1
    return matrix


def _intrinsics(camera: dict, index: int, loaded: dict, times: np.ndarray, aspect: float) -> np.ndarray:
    """fx fy cx cy (F, 4) normalized."""
    lens = camera.get("perspective")
    if not isinstance(lens, dict):
        raise UserError(f"camera {index} has no 'perspective'")
    values = []
    for name, usual in (("yfov", None), ("aspectRatio", aspect)):
        track = loaded.get(("cameras", index, name))
        if track is not None:
            values.append(track.at(times, turns=False)[:, 0])
        else:
            values.append(np.full(len(times), number(lens.get(name, usual), f"{name} of camera {index}")))
    yfov, ratio = values
    if not ((yfov > 1e-3) & (yfov < math.pi - 1e-3)).all():
        raise UserError(f"'yfov' of camera {index} is {yfov[0]:g}; an angle of view in radians, below pi, was expected")
    if not ((ratio > 1e-3) & (ratio < 1e3)).all():
        raise UserError(f"'aspectRatio' of camera {index} is {ratio[0]:g}; width / height was expected")
    fy = 0.5 / np.tan(yfov / 2)
    half = np.full(len(times), 0.5)
    return np.stack([fy / ratio, fy, half, half], 1)


def _looks(source: Source) -> bool:
    asset = source.object.get("asset")
    return source.head[:4] == b"glTF" or isinstance(asset, dict) and "version" in asset


GLTF = Format(
    doc="glTF 2.0 camera, still or animated, as one .glb file",
    endings=(".glb",),
    carries=frozenset({"poses", "intrinsics", "fps", "unit", "pixel_aspect"}),
    looks=_looks,
    read=read_gltf,
    write=write_glb,
)
GLTF_JSON = Format(
    doc="glTF 2.0 camera as .gltf JSON, its numbers inside or beside it",
    endings=(".gltf",),
    carries=GLTF.carries,
    looks=_looks,
    read=read_gltf,
    write=write_gltf,
)
