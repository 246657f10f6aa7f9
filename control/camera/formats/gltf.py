"""glTF 2.0 cameras, as .glb or .gltf, still or animated (section 3.10 "Cameras" and 3.11 "Animations" of the standard).

A camera looks along its node's -z with y up, in a world with y up and lengths in meters; `yfov` is vertical, in
radians. Animations may move the node, its ancestors and, through KHR_animation_pointer, the field of view. Of several
cameras the first animated one is read, else the first, unless another is asked for. The key times are the frames when
they are evenly spaced (baked), else the animation is sampled 24 times a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import rearrange

from ...errors import UserError
from ...files import JsonObject
from .. import rotations
from ..cubic_curves import cubic_hermite
from ..trajectory import CameraTrajectory
from .axes import c2w_from_opengl
from .choice import choose
from .format import METER, Format, ReadOptions
from .gltf_buffers import Gltf, entry
from .gltf_write import write_glb, write_gltf
from .mirror import mirrored
from .source import Source
from .timing import sampling_times
from .values import number, number_array, positive_number

POINTER = "KHR_animation_pointer"
_NODE_DEFAULTS = {"translation": (0.0, 0.0, 0.0), "rotation": (0.0, 0.0, 0.0, 1.0), "scale": (1.0, 1.0, 1.0)}
_MAX_DEPTH, _MAX_CAMERAS = 200, 1000

# What is animated: 'nodes' or 'cameras', the number there, and the name of the property.
PropertyKey = tuple[str, int, str]


@dataclass(frozen=True)
class Channel:
    """An animation of a property, not yet loaded: its animation, the number of its sampler, a name for errors."""

    animation: JsonObject
    sampler: Any
    name: str


@dataclass(frozen=True)
class Curve:
    """An animated property: key times (N,), values (N, components), and for cubic splines tangents in and out."""

    times: np.ndarray
    values: np.ndarray
    kind: str
    tangents: tuple[np.ndarray, np.ndarray] | None = None

    def at(self, times: np.ndarray, is_rotation: bool) -> np.ndarray:
        """Return the values (M, components) at `times` (M,); is_rotation: they are quaternions x y z w."""
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
            values: np.ndarray = self.values[np.where(u == 1, left + 1, left)]
            return values
        u, width = u[:, None], width[:, None]
        first, second = self.values[left], self.values[left + 1]
        if self.tangents is not None:
            arriving, leaving = self.tangents
            return cubic_hermite(u, first, second, width * leaving[left], width * arriving[left + 1])
        return _slerp(first, second, u) if is_rotation else first + (second - first) * u


def _slerp(first: np.ndarray, second: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return quaternions on the shortest arc from `first` to `second` (M, 4) at shares `u` (M, 1)."""
    first, second = (q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-12) for q in (first, second))
    dot = (first * second).sum(1, keepdims=True)
    second, dot = np.where(dot < 0, -second, second), np.abs(dot)
    angle = np.arctan2(np.linalg.norm(second - dot * first, axis=1, keepdims=True), dot)
    same = angle < 1e-9
    sine = np.where(same, 1.0, np.sin(angle))
    return np.where(same, first, (np.sin((1 - u) * angle) * first + np.sin(u * angle) * second) / sine)


def read_gltf(source: Source, options: ReadOptions) -> CameraTrajectory:
    """Return the trajectory of a glTF file's camera. Raises UserError for a file without one, and for broken ones."""
    gltf = Gltf(source)
    channels = _channels(gltf)
    moving = {key[1] for key in channels if key[0] == "nodes"}
    chain, said = _node_chain(gltf.json, moving, options.camera)
    nodes = [entry(gltf.json, "nodes", node) for node in chain]
    camera_number = nodes[-1]["camera"]
    camera = entry(gltf.json, "cameras", camera_number)
    wanted = {("nodes", node) for node in chain} | {("cameras", camera_number)}
    curves = {key: _load(gltf, channel) for key, channel in channels.items() if key[:2] in wanted}
    notes = _notes(nodes[-1])
    key_times = np.concatenate([curve.times for curve in curves.values()]) if curves else np.zeros(1)
    times, fps = sampling_times(key_times, positive_number(notes["fps"], "fps") if "fps" in notes else None)
    matrix = np.eye(4)[None]
    for index, node in zip(chain, nodes, strict=True):
        matrix = matrix @ _node_matrix(node, index, curves, times)
    return CameraTrajectory(
        mirrored(c2w_from_opengl(np.broadcast_to(matrix, (len(times), 4, 4))), options.mirror),
        _intrinsics(camera, camera_number, curves, times, options.aspect),
        fps=fps,
        pixel_aspect=positive_number(notes.get("pixel_aspect", 1.0), "pixel_aspect"),
        unit=str(notes.get("unit", METER))[:100],
        notes=said,
    )


def _notes(node: JsonObject) -> JsonObject:
    """Return what this pack wrote beside a camera (fps, unit), if it wrote the file."""
    extras = node.get("extras")
    notes = extras.get("fulldit") if isinstance(extras, dict) else None
    return notes if isinstance(notes, dict) else {}


def _node_chain(value: JsonObject, animated: set[int], camera: str) -> tuple[list[int], tuple[str, ...]]:
    """Return the numbers of the nodes from the root to a camera, and what to say.

    camera: its name or number; empty for the first camera that moves, else the first.

    Raises UserError for a file without a camera, and for nodes that are their own ancestors.
    """
    nodes = value.get("nodes")
    if not isinstance(nodes, list):
        raise UserError("it has no nodes, so no camera either")
    parents = _parents(nodes)
    with_camera = [index for index, node in enumerate(nodes) if isinstance(node, dict) and "camera" in node]
    if not with_camera:
        raise UserError("it has no camera: export it with cameras")
    chains = []
    for index in with_camera[:_MAX_CAMERAS]:
        chain = [index]
        while chain[-1] in parents:
            chain.append(parents[chain[-1]])
            if len(chain) > _MAX_DEPTH:
                raise UserError(f"node {index} is its own ancestor, or lies deeper than {_MAX_DEPTH} nodes")
        chains.append(chain[::-1])
    first = next((place for place, chain in enumerate(chains) if animated & set(chain)), 0)
    names = [str(nodes[chain[-1]].get("name") or f"camera {place}") for place, chain in enumerate(chains, 1)]
    place, said = choose(names, camera, default=first)
    return chains[place], said


def _parents(nodes: list[Any]) -> dict[int, int]:
    """Return the number of each node's parent."""
    parents = {}
    for index, node in enumerate(nodes):
        children = node.get("children", []) if isinstance(node, dict) else []
        for child in children if isinstance(children, list) else []:
            if isinstance(child, int):
                parents[child] = index
    return parents


def _channels(gltf: Gltf) -> dict[PropertyKey, Channel]:
    """Return what is animated, by property; of several animations of one property (takes) the first."""
    result: dict[PropertyKey, Channel] = {}
    animations = gltf.json.get("animations", [])
    for index, animation in enumerate(animations if isinstance(animations, list) else []):
        channels = animation.get("channels") if isinstance(animation, dict) else None
        for channel in channels if isinstance(channels, list) else []:
            target = channel.get("target") if isinstance(channel, dict) else None
            key = _target_key(target) if isinstance(target, dict) else None
            if key is not None and key not in result:
                result[key] = Channel(animation, channel.get("sampler"), f"the {key[2]} in animation {index}")
    return result


def _target_key(target: JsonObject) -> PropertyKey | None:
    """Return the property that a channel animates; None for those that do not concern a camera."""
    path, node = str(target.get("path")), target.get("node")
    if path in _NODE_DEFAULTS and isinstance(node, int):
        return "nodes", node, path
    extension = target.get("extensions", {})
    pointer = extension.get(POINTER) if isinstance(extension, dict) else None
    parts = str(pointer.get("pointer", "")).split("/") if isinstance(pointer, dict) else []
    if path != "pointer" or len(parts) < 4 or not (parts[2].isdigit() and len(parts[2]) < 10):
        return None
    if parts[1] == "nodes" and len(parts) == 4 and parts[3] in _NODE_DEFAULTS:
        return "nodes", int(parts[2]), parts[3]
    if parts[1] == "cameras" and parts[3:] in (["perspective", "yfov"], ["perspective", "aspectRatio"]):
        return "cameras", int(parts[2]), parts[4]
    return None


def _load(gltf: Gltf, channel: Channel) -> Curve:
    """Return the curve of a channel. Raise UserError for key times and values that do not fit."""
    name = channel.name
    sampler = entry(channel.animation, "samplers", channel.sampler)
    times = gltf.numbers(sampler.get("input"), f"the key times of {name}")[:, 0]
    values = gltf.numbers(sampler.get("output"), name)
    kind = sampler.get("interpolation", "LINEAR")
    if kind not in ("LINEAR", "STEP", "CUBICSPLINE"):
        raise UserError(f"{name} is interpolated by '{str(kind)[:20]}'; LINEAR, STEP or CUBICSPLINE was expected")
    values_per_key = 3 if kind == "CUBICSPLINE" else 1
    if not len(times) or len(values) != values_per_key * len(times):
        raise UserError(f"{name} has {len(times)} key times and {len(values)} values")
    if (np.diff(times) <= 0).any():
        raise UserError(f"the key times of {name} do not increase")
    if kind == "CUBICSPLINE":
        return Curve(times, values[1::3], kind, (values[0::3], values[2::3]))
    return Curve(times, values, kind)


def _node_property(
    node: JsonObject, index: int, name: str, curves: dict[PropertyKey, Curve], times: np.ndarray
) -> np.ndarray:
    """Return a property of a node at `times`: (F, 3), or (F, 4) for rotations."""
    width, curve = len(_NODE_DEFAULTS[name]), curves.get(("nodes", index, name))
    if curve is None:
        still = number_array(node.get(name, _NODE_DEFAULTS[name]), (width,), f"the {name} of node {index}")
        return np.repeat(still[None], len(times), 0)
    if curve.values.shape[1] != width:
        raise UserError(f"the animated {name} of node {index} has {curve.values.shape[1]} components, not {width}")
    return curve.at(times, is_rotation=name == "rotation")


def _node_matrix(node: JsonObject, index: int, curves: dict[PropertyKey, Curve], times: np.ndarray) -> np.ndarray:
    """Return the node's own matrix (F, 4, 4), or (1, 4, 4) when it is still."""
    if not any(key[:2] == ("nodes", index) for key in curves):
        times = times[:1]
        if "matrix" in node:
            # Column by column, as OpenGL has it.
            flat = number_array(node["matrix"], (16,), f"the matrix of node {index}")
            return rearrange(flat, "(f column row) -> f row column", column=4, row=4)
    translation = _node_property(node, index, "translation", curves, times)
    xyzw = _node_property(node, index, "rotation", curves, times)
    scale = _node_property(node, index, "scale", curves, times)
    matrix = np.zeros((len(times), 4, 4))
    rotation = rotations.from_quaternion(xyzw[:, [3, 0, 1, 2]], f"the rotation of node {index}")
    matrix[:, :3, :3] = rotation * scale[:, None]
    matrix[:, :3, 3] = translation
    matrix[:, 3, 3] = 1
    return matrix


def _intrinsics(
    camera: JsonObject, index: int, curves: dict[PropertyKey, Curve], times: np.ndarray, aspect: float
) -> np.ndarray:
    """Return fx fy cx cy (F, 4), normalized, of camera `index`; aspect: where the camera states none."""
    if camera.get("type", "perspective") != "perspective":
        raise UserError("its camera is orthographic; a perspective camera was expected")
    lens = camera.get("perspective")
    if not isinstance(lens, dict):
        raise UserError(f"camera {index} has no 'perspective'")

    def values(name: str, default: float | None) -> np.ndarray:
        curve = curves.get(("cameras", index, name))
        if curve is not None:
            return curve.at(times, is_rotation=False)[:, 0]
        return np.full(len(times), number(lens.get(name, default), f"{name} of camera {index}"))

    yfov, ratio = values("yfov", None), values("aspectRatio", aspect)
    if not ((yfov > 1e-3) & (yfov < math.pi - 1e-3)).all():
        raise UserError(f"'yfov' of camera {index} is {yfov[0]:g}; a field of view in radians, below pi, was expected")
    if not ((ratio > 1e-3) & (ratio < 1e3)).all():
        raise UserError(f"'aspectRatio' of camera {index} is {ratio[0]:g}; width / height was expected")
    fy = 0.5 / np.tan(yfov / 2)
    half = np.full(len(times), 0.5)
    return np.stack([fy / ratio, fy, half, half], 1)


def _matches(source: Source) -> bool:
    asset = source.json_object.get("asset")
    return source.head[:4] == b"glTF" or isinstance(asset, dict) and "version" in asset


GLTF = Format(
    doc="glTF 2.0 camera, still or animated, as one .glb file",
    extensions=(".glb",),
    preserves=frozenset({"poses", "intrinsics", "fps", "unit", "pixel_aspect"}),
    matches=_matches,
    read=read_gltf,
    write=write_glb,
    several=True,
)
GLTF_JSON = Format(
    doc="glTF 2.0 camera as .gltf JSON, its numbers inside or beside it",
    extensions=(".gltf",),
    preserves=GLTF.preserves,
    matches=_matches,
    read=read_gltf,
    write=write_gltf,
    several=True,
)
