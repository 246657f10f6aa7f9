"""How many frames of a camera path are rendered per second, against plain numpy that does a part of the same work.

A rendered scene and its exact depth, along a preset. The variants take turns at the whole path, so that a busy machine
slows all of them down; figures are medians of the rounds, compared as ratios in the same run. The peers are a splat of
one point per pixel, sorted by distance, which leaves cracks, and `control.depth.geometry`, which carries depth alone.

    python benchmarks/rendering.py [--width 832] [--height 480] [--frames 81] [--rounds 3] [--threads 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.lens import fit_lens
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import compose, invert
from comfyui_fulldit.control.depth.geometry import carry
from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.models.rendering import render_along
from comfyui_fulldit.scenes import FAR, WorldOptions, render

SCENE, MOVEMENT = 1_000_000_003, "orbit_right"


def scene(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return an image (1, H, W, 3) and its depth (1, H, W), whose median is 1."""
    clip = render([SCENE], 1, height, width, options=WorldOptions(moving=0.0))
    depth = clip.depth[0, 0]
    depth = torch.where(depth >= FAR * 0.999, torch.inf, depth / depth.median())
    return clip.video[0, :, 0].permute(1, 2, 0)[None].contiguous(), depth[None]


def splat_points(image: np.ndarray, depth: np.ndarray, path: CameraTrajectory, frame: int) -> np.ndarray:
    """Return the image (H, W, 3) of a frame by numpy: each pixel a point, the nearest drawn last; cracks stay."""
    height, width = depth.shape
    fx, fy, cx, cy = fit_lens(path.intrinsics, width, height)[frame]
    step = compose(invert(path.c2w[frame]), path.c2w[0])
    v, u = np.mgrid[:height, :width].astype(np.float32) + 0.5
    ray = np.stack([(u / width - cx) / fx, (v / height - cy) / fy, np.ones_like(u)], -1)
    x, y, z = np.moveaxis(ray @ step[:, :3].T + step[:, 3] / depth[..., None], -1, 0)
    x, y = (x / z * fx + cx) * width, (y / z * fy + cy) * height
    seen = (z > 1e-6) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    order = np.argsort(-(z * depth)[seen], kind="stable")
    place = (y[seen].astype(int) * width + x[seen].astype(int))[order]
    result = np.zeros((height * width, 3), np.float32)
    result[place] = image[seen][order]
    return result.reshape(height, width, 3)


def measure(height: int, width: int, frames: int, rounds: int) -> dict[str, Any]:
    """Return frames per second of every variant, and its ratio to the splat of points."""
    image, depth = scene(height, width)
    path = preset(MOVEMENT, frames=frames, aspect=width / height)
    pixels, distances = image[0].numpy(), depth[0].numpy().clip(max=1e6)
    disparity = 1 / distances.astype(np.float64)
    clip, clip_depth = image.expand(frames, -1, -1, -1), depth.expand(frames, -1, -1)
    variants: dict[str, Callable[[], object]] = {
        "numpy, points": lambda: [splat_points(pixels, distances, path, frame) for frame in range(frames)],
        "numpy, depth alone": lambda: [carry(disparity, path, 0, frame) for frame in range(frames)],
        "image": lambda: render_along(image, depth, path),
        "image, nearest pixel": lambda: render_along(image, depth, path, linear=False),
        "clip": lambda: render_along(clip, clip_depth, path),
        "clip, soft edges": lambda: render_along(clip, clip_depth, path, soft_edges=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    fps = {name: frames / statistics.median(values) for name, values in seconds.items()}
    return {
        "size": f"{width}x{height}, {frames} frames along {MOVEMENT}",
        "frames_per_second": {name: round(value, 2) for name, value in fps.items()},
        "ratio_to_points": {name: round(value / fps["numpy, points"], 3) for name, value in fps.items()},
        "machine": f"{platform.machine()}, cpu, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=832)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = measure(args.height, args.width, args.frames, args.rounds)
    if args.json:
        write_json(args.json, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
