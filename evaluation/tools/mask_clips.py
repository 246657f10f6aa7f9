"""Clips in which following a mask is hard, with exact masks: what `fulldit bench trust` asks of Propagate Mask.

A textured thing moves before a textured ground, both drawn in two dimensions: other, similar and equal colors; things
that turn, grow, bend, pass behind others, leave, come close to their like, jump, blur or darken. What is drawn differs
with the seed; the movements do not.

Colors are 0..1. Shapes: F frames, H height, W width, S side of a sprite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .textured_room import tileable_noise

SPRITE = 320  # pixels of a sprite's side
FRONT, SIMILAR, BEHIND = (
    ((0.75, 0.35, 0.2), (0.95, 0.7, 0.45)),
    ((0.3, 0.45, 0.45), (0.6, 0.7, 0.6)),
    ((0.15, 0.3, 0.45), (0.5, 0.65, 0.75)),
)
Colors = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class HardMask:
    """What moves, and how: all movements are from the first frame to the last.

    way: in image heights, right and down. grows: times as large at the end. turns: degrees. bends: the amplitude of a
    wave through it, in its heights. colors: 'other', 'similar' or 'equal' to the ground's. detail: of the textures, 1
    is rich, 0.15 nearly plain. half: the lower half has other colors, the ground's if 'equal'. post: a bar that it
    passes behind, as wide as so many of its own widths. twin: one like it crosses its way before it. pan: the ground
    moves, in image heights. jumps: in one frame in the middle it moves this far, in image heights. blur: pixels of
    motion blur of a frame 426 wide. darkens: the share of light at the end. noise: levels of 255. size: in image
    heights.
    """

    way: tuple[float, float] = (0.3, 0.0)
    grows: float = 1.0
    turns: float = 0.0
    bends: float = 0.0
    colors: str = "other"
    detail: float = 1.0
    half: str = ""
    post: float = 0.0
    twin: bool = False
    pan: float = 0.0
    jumps: float = 0.0
    blur: float = 0.0
    darkens: float = 1.0
    noise: float = 0.0
    size: float = 0.45


HARD_MASKS: dict[str, HardMask] = {
    "slides": HardMask(),
    "slides and turns": HardMask(turns=40.0),
    "turns over": HardMask(way=(0.1, 0.0), turns=120.0),
    "comes near": HardMask(way=(0.1, 0.1), grows=1.9),
    "goes away": HardMask(way=(0.2, -0.1), grows=0.5),
    "bends": HardMask(bends=0.12),
    "bends and turns": HardMask(bends=0.15, turns=30.0),
    "ground moves": HardMask(pan=0.5),
    "ground moves along": HardMask(way=(0.2, 0.0), pan=-0.4),
    "stays while the ground moves": HardMask(way=(0.0, 0.0), pan=0.6),
    "similar colors": HardMask(colors="similar"),
    "similar colors, plain": HardMask(colors="similar", detail=0.3),
    "equal colors": HardMask(colors="equal"),
    "equal colors, turns": HardMask(colors="equal", turns=40.0),
    "equal colors, little detail": HardMask(colors="equal", detail=0.3),
    "equal colors, nearly plain": HardMask(colors="equal", detail=0.12),
    "equal colors, bends": HardMask(colors="equal", bends=0.12, detail=0.5),
    "equal colors, comes near": HardMask(colors="equal", way=(0.05, 0.05), grows=1.8, detail=0.4),
    "plain": HardMask(detail=0.15),
    "plain, fast": HardMask(way=(1.0, 0.0), detail=0.15),
    "half like the ground": HardMask(half="equal"),
    "half like the ground, turns": HardMask(half="equal", turns=60.0, detail=0.4),
    "half in other colors": HardMask(half="similar"),
    "passes a thin post": HardMask(way=(0.7, 0.0), post=0.25),
    "passes a post": HardMask(way=(0.8, 0.0), post=0.7),
    "is hidden by a wall": HardMask(way=(0.8, 0.0), post=1.8),
    "passes a post of its colors": HardMask(way=(0.8, 0.0), post=0.7, colors="equal"),
    "leaves": HardMask(way=(1.25, 0.0)),
    "leaves, equal colors": HardMask(way=(1.25, 0.0), colors="equal"),
    "half leaves": HardMask(way=(0.75, 0.0)),
    "a twin crosses": HardMask(twin=True),
    "a twin crosses, plain": HardMask(twin=True, detail=0.2),
    "jumps": HardMask(jumps=0.4),
    "jumps far": HardMask(jumps=0.7, detail=0.5),
    "blurred": HardMask(way=(0.9, 0.0), blur=14.0),
    "fast and blurred": HardMask(way=(1.0, 0.3), blur=22.0, turns=90.0),
    "darkens": HardMask(darkens=0.4),
    "grain": HardMask(noise=16.0),
    "small": HardMask(size=0.12, way=(0.4, 0.1)),
    "small, equal colors": HardMask(size=0.15, way=(0.4, 0.1), colors="equal"),
}


def render_mask_clip(
    clip: HardMask, frames: int, height: int, width: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (F, H, W, 3) uint8 of a clip, and where the thing is seen in each, (F, H, W) bool."""
    rng = np.random.default_rng([80, seed])
    ground = _texture(rng, BEHIND, clip.detail, 1024)
    sprite = _sprite(rng, clip)
    twin = _sprite(np.random.default_rng([81, seed]), clip) if clip.twin else None
    post = _texture(rng, BEHIND if clip.colors == "equal" else SIMILAR, clip.detail, 1024)
    images, masks = np.empty((frames, height, width, 3), np.uint8), np.empty((frames, height, width), bool)
    begin = np.array([0.5 * width / height - 0.5 * clip.way[0] - 0.25 * (clip.way[0] > 0.7), 0.5 - 0.5 * clip.way[1]])
    for number, share in enumerate(np.linspace(0, 1, frames)):
        place = begin + share * np.array(clip.way)
        place[0] += clip.jumps * (share > 0.5) - 0.5 * clip.jumps
        image = _crop(ground, clip.pan * share * height, height, width)
        layers = [_place(sprite, clip, place, share, height, width)]
        if twin is not None:
            mirrored = np.array([width / height - place[0] - 0.05, place[1] + 0.12])
            layers.append(_place(twin, clip, mirrored, 0.0, height, width))
        cover = np.zeros((height, width), np.float32)
        for layer_number, layer in enumerate(layers):
            alpha = layer[..., 3:]
            image = image * (1 - alpha) + layer[..., :3] * alpha
            cover = alpha[..., 0] if layer_number == 0 else cover * (1 - alpha[..., 0])
        if clip.post:
            half = int(0.5 * clip.post * 0.8 * clip.size * height)
            bar = slice(max(0, width // 2 - half), width // 2 + half)
            image[:, bar] = _crop(post, 0, height, width)[:, bar]
            cover[:, bar] = 0
        images[number] = _film(image, clip, share, rng)
        masks[number] = cover > 0.5
    return images, masks


def _texture(rng: np.random.Generator, colors: Colors, detail: float, size: int) -> np.ndarray:
    """Return a tileable image (size, size, 3) float32: noise between two colors; detail: how far between."""
    value = np.clip(0.5 + 0.5 * detail * tileable_noise(rng, size), 0, 1)[..., None]
    first, second = np.array(colors)
    image: np.ndarray = (first + (second - first) * value).astype(np.float32)
    return image


def _sprite(rng: np.random.Generator, clip: HardMask) -> np.ndarray:
    """Return the thing (S, S, 4) float32: color and cover, a round outline with bumps."""
    own = {"other": FRONT, "similar": SIMILAR, "equal": BEHIND}
    color = _texture(rng, own[clip.colors], clip.detail, 512)[:SPRITE, :SPRITE]
    if clip.half:
        color[SPRITE // 2 :] = _texture(rng, own[clip.half], clip.detail, 512)[: SPRITE - SPRITE // 2, :SPRITE]
    y, x = (np.mgrid[:SPRITE, :SPRITE] + 0.5) / SPRITE * 2 - 1
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    outline = 0.62 + sum(rng.uniform(0.03, 0.1) * np.sin(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5))
    cover = np.clip((outline - radius) * SPRITE / 4 + 0.5, 0, 1)
    return np.concatenate([color, cover[..., None].astype(np.float32)], 2)


def _place(sprite: np.ndarray, clip: HardMask, place: np.ndarray, share: float, height: int, width: int) -> np.ndarray:
    """Return the sprite in the image (H, W, 4), its middle at `place` (image heights), as it is at a share of time."""
    import cv2

    if clip.bends:
        y, x = np.mgrid[:SPRITE, :SPRITE].astype(np.float32)
        wave = clip.bends * SPRITE * np.sin(2 * np.pi * (y / SPRITE - 1.5 * share)) * min(1.0, 4 * share)
        sprite = cv2.remap(sprite, x + wave.astype(np.float32), y, cv2.INTER_LINEAR)
    scale = clip.size * height / SPRITE * 1.3 * clip.grows**share
    turn = math.radians(clip.turns * share)
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    middle = place * height
    linear = np.array([[cosine, -sine], [sine, cosine]])
    offset = middle - linear @ np.full(2, SPRITE / 2)
    matrix = np.concatenate([linear, offset[:, None]], 1)
    return np.asarray(cv2.warpAffine(sprite, matrix, (width, height), flags=cv2.INTER_AREA))


def _crop(texture: np.ndarray, shift: float, height: int, width: int) -> np.ndarray:
    """Return the part (H, W, 3) of a tileable texture that is seen, moved left by `shift` pixels."""
    import cv2

    x, y = np.meshgrid(np.arange(width, dtype=np.float32) + np.float32(shift), np.arange(height, dtype=np.float32))
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def _film(image: np.ndarray, clip: HardMask, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return an image (H, W, 3) 0..1 as bytes: with its blur, light and grain."""
    import cv2

    if clip.blur:
        length = max(1, round(clip.blur * image.shape[1] / 426))
        image = cv2.blur(image, (length, 1))
    image = image * (1 + (clip.darkens - 1) * share) * 255 + rng.normal(0, clip.noise, image.shape)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)
