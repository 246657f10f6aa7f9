"""A textured room by a second renderer: OpenGL (moderngl), rasterized, filtered, multisampled.

It shares nothing with the procedural world's ray tracer, not even how a camera projects: poses and intrinsics become a
projection matrix. A room with crates and slabs in it, every face covered with noise of many scales. Nothing moves but
the movers that a caller adds; the walls may be blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...control.errors import UserError

_VERTEX = """
#version 330
uniform mat4 clip_from_world;
in vec3 position; in vec2 uv; in float layer;
out vec3 uvw;
void main() { gl_Position = clip_from_world * vec4(position, 1.0); uvw = vec3(uv, layer); }
"""
_FRAGMENT = """
#version 330
uniform sampler2DArray images;
in vec3 uvw; out vec4 color;
void main() { color = uvw.z < 0.0 ? vec4(vec3(0.6 - 0.02 * uvw.z), 1.0) : vec4(texture(images, uvw).rgb, 1.0); }
"""
SIZE, LAYERS = 512, 12
NEAR, FAR = 0.05, 60.0


@dataclass(frozen=True, eq=False)
class Mover:
    """A crate from corner `low` to corner `high` (3,) that is at `offsets` (F, 3) of it in the frames of a clip."""

    low: np.ndarray
    high: np.ndarray
    offsets: np.ndarray


def tileable_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return tileable noise (size, size) of all scales, 1/f, in -1..1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((size, size))) / frequency
    value = np.fft.ifft2(spectrum * (frequency < 0.35)).real
    noise: np.ndarray = np.clip(value / value.std() / 2.2, -1, 1)
    return noise


def noise_texture(rng: np.random.Generator, size: int = SIZE) -> np.ndarray:
    """Return a tileable image (size, size, 3) uint8: noise between two colors."""
    value = tileable_noise(rng, size)
    first, second = rng.uniform(0.15, 0.9, (2, 3))
    color = first + (second - first) * (value[..., None] + 1) / 2
    image: np.ndarray = (np.clip(color + 0.15 * value[..., None], 0, 1) * 255).round().astype(np.uint8)
    return image


def box(low: np.ndarray, high: np.ndarray, tile: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles of a box: positions (36, 3) and texture coordinates (36, 2), a tile per `tile` units."""
    positions, uvs = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (low, high):
            corners = np.zeros((4, 3))
            corners[:, axis] = side[axis]
            corners[:, u] = [low[u], high[u], high[u], low[u]]
            corners[:, v] = [low[v], low[v], high[v], high[v]]
            order = [0, 1, 2, 0, 2, 3]
            positions.append(corners[order])
            uvs.append(corners[order][:, [u, v]] / tile + 0.37 * axis)
    return np.concatenate(positions), np.concatenate(uvs)


def room(seed: int, blank: bool = False) -> np.ndarray:
    """Return vertices (N, 6) float32 of the room `seed`: position, texture coordinates, texture number.

    blank: the walls are plain, each in a gray of its own (a negative texture number). The camera starts near the
    origin; the far wall is about seven units ahead, the crates between two and six.
    """
    rng = np.random.default_rng([77, seed])
    boxes = [(np.array([-5.0, -2.5, -3.5]), np.array([5.0, 2.0, 7.0]), 3.0)]
    for k in range(7):
        center = np.array([-3.0 + k + rng.uniform(-0.3, 0.3), 0.0, rng.uniform(2.6, 6.0)])
        half = rng.uniform(0.25, 0.6, 3)
        center[1] = 2.0 - half[1] if k % 2 else rng.uniform(-1.2, 1.2)
        boxes.append((center - half, center + half, 1.2))
    rows = []
    for number, (low, high, tile) in enumerate(boxes):
        position, uv = box(low, high, tile)
        face = np.repeat(np.arange(6), 6)
        layer = -1 - 2 * face if blank and number == 0 else (number + face) % LAYERS
        rows.append(np.concatenate([position, uv, layer[:, None]], 1))
    return np.concatenate(rows).astype(np.float32)


def _crate(mover: Mover, number: int) -> np.ndarray:
    """Return the vertices (36, 6) float32 of a mover, as `room` does."""
    position, uv = box(mover.low, mover.high, 1.2)
    layer = (number + np.repeat(np.arange(6), 6)) % LAYERS
    return np.concatenate([position, uv, layer[:, None]], 1).astype(np.float32)


def projection(intrinsics: np.ndarray) -> np.ndarray:
    """Return the matrix (4, 4) from camera (x right, y down, z forward) to OpenGL's clip space, for fx fy cx cy."""
    fx, fy, cx, cy = intrinsics
    depth = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
    return np.array([[2 * fx, 0, 2 * cx - 1, 0], [0, -2 * fy, 1 - 2 * cy, 0], [0, 0, depth[0], depth[1]], [0, 0, 1, 0]])


def render_room(
    c2w: np.ndarray,
    intrinsics: np.ndarray,
    height: int,
    width: int,
    seed: int = 0,
    blank: bool = False,
    movers: Sequence[Mover] = (),
) -> np.ndarray:
    """Return frames (F, H, W, 3) uint8 of the room `seed` from poses c2w (F, 3, 4) with intrinsics (F, 4).

    blank: with plain walls. movers: what moves by itself in it. Raises UserError where moderngl is not installed or
    finds no OpenGL (EGL; a software driver is enough).
    """
    try:
        import moderngl
    except ImportError as error:
        raise UserError("the textured room needs the library 'moderngl': pip install moderngl") from error
    try:
        context: Any = moderngl.create_standalone_context(backend="egl")  # type: ignore[arg-type]  # its types are wrong
    except Exception as error:  # moderngl raises bare Exceptions here
        raise UserError(
            f"the textured room needs OpenGL through EGL, which this machine does not have ({error})"
        ) from error
    with context:
        meshes = [(room(seed, blank), np.zeros((len(c2w), 3)))]
        meshes += [(_crate(mover, 3 + number), mover.offsets) for number, mover in enumerate(movers)]
        return _render(context, c2w, intrinsics, height, width, seed, meshes)


def _render(
    context: Any,
    c2w: np.ndarray,
    intrinsics: np.ndarray,
    height: int,
    width: int,
    seed: int,
    meshes: Sequence[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Return the frames of meshes (vertices and offsets (F, 3)), drawn in a moderngl context."""
    import moderngl

    rng = np.random.default_rng([78, seed])
    images = np.stack([noise_texture(rng) for _ in range(LAYERS)])
    texture = context.texture_array((SIZE, SIZE, LAYERS), 3, images.tobytes())
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    texture.anisotropy = 8.0
    program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
    arrays = [
        context.vertex_array(program, context.buffer(vertices.tobytes()), "position", "uv", "layer")
        for vertices, _ in meshes
    ]
    multisampled = context.framebuffer(
        context.renderbuffer((width, height), 3, samples=4), context.depth_renderbuffer((width, height), samples=4)
    )
    single = context.framebuffer(context.renderbuffer((width, height), 3))
    context.enable(moderngl.DEPTH_TEST)
    texture.use(0)
    frames = np.empty((len(c2w), height, width, 3), np.uint8)
    for number, (pose, lens) in enumerate(zip(c2w, intrinsics, strict=True)):
        w2c = np.eye(4)
        w2c[:3, :3] = pose[:, :3].T
        w2c[:3, 3] = -pose[:, :3].T @ pose[:, 3]
        multisampled.use()
        multisampled.clear()
        for array, (_, offsets) in zip(arrays, meshes, strict=True):
            moved = np.eye(4)
            moved[:3, 3] = offsets[number]
            program["clip_from_world"].write((projection(lens) @ w2c @ moved).T.astype(np.float32).tobytes())
            array.render(moderngl.TRIANGLES)
        context.copy_framebuffer(single, multisampled)
        # OpenGL's first row is the lowest.
        rows = np.frombuffer(single.read(components=3, alignment=1), np.uint8).reshape(height, width, 3)
        frames[number] = rows[::-1]
    return frames
