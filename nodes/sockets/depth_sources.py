"""What Extract Depth can take depth from: each source as raw depth, ready for `control.depth.extract`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...control.depth.extract import Raw, shrunk
from ...control.depth.files import open_depth
from ...control.errors import UserError
from ..bridge.depth_anything import model_folders, model_place
from ..folders import depth_sequence
from ..progress import progress, stop_if_canceled
from .arrays import to_images
from .geometry import read_geometry

MOST_PIXELS = 2**26  # of a rendered clip, all frames together


class Found(NamedTuple):
    """Raw depth, the images that it is of (None: not known), the size that the result is to have (None: its own),
    what its estimator keeps for the next chunk, and whether a clip that has its own end ends with it."""

    raw: Raw
    images: np.ndarray | None
    size: tuple[int, int] | None = None
    context: Any = None
    last: bool = False


class Piece(NamedTuple):
    """Whether this is a chunk of a longer clip, and which: from this frame on, so many (0: all); and what its
    estimator kept of the chunk before."""

    chunked: bool = False
    start: int = 0
    count: int = 0
    context: Any = None


def embedded(choice: dict, images: np.ndarray | None, piece: Piece) -> Found:
    """The small estimator that ships with the pack."""
    from ...models.estimators.depth import NOTICE, clip_mean, estimate_depth

    images = _needed(images, "the small estimator")
    # Later chunks of a clip are seen as the first, or their depths would differ by more than what they show.
    mean = piece.context
    if piece.chunked and mean is None:
        mean = clip_mean(images, cancel=stop_if_canceled)
    with progress(len(images)) as step:
        depth = estimate_depth(images, step, stop_if_canceled, mean=mean)
    raw = Raw("depth from the small estimator for the demo", depth, "disparity", absolute=True, warnings=(NOTICE,))
    return Found(raw, images, tuple(images.shape[1:3]), mean)


def depth_anything_v2(choice: dict, images: np.ndarray | None, piece: Piece) -> Found:
    """Depth Anything V2 through transformers."""
    import comfy.model_management as management

    from ...models.estimators.depth_anything import estimate_depth_anything, load_depth_anything
    from ...models.estimators.depth_anything_download import MODELS, download, offer

    images = _needed(images, "Depth Anything V2")
    name = choice["model"]
    published = MODELS.get(name)
    place = model_place(published.folder if published else name)
    if place is None:
        if published is None:
            raise UserError(f"The Depth Anything model '{name}' is gone: press R and choose another.")
        if choice.get("download", "no") != "yes":
            raise offer(published, model_folders()[0], ask=choice.get("download") == "ask")
        place = download(published, model_folders()[0], progress)
    device = management.get_torch_device()
    cuda = getattr(device, "type", str(device)) == "cuda"
    if cuda:
        weights = place if place.is_file() else place / "model.safetensors"
        management.free_memory(weights.stat().st_size + 2**30, device)
    else:
        device = "cpu"
    network = load_depth_anything(place, device)
    try:
        with progress(len(images)) as step:
            depth = estimate_depth_anything(network, images, step, stop_if_canceled, batch=4 if cuda else 1)
    finally:
        network.to("cpu")
        del network
        if cuda:
            management.soft_empty_cache()
    license = f" ({published.license})" if published else ""
    return Found(Raw(f"disparity from Depth Anything V2 {name}{license}", depth, "disparity"), images)


def geometry(choice: dict, images: np.ndarray | None, piece: Piece) -> Found:
    """DA3_GEOMETRY or MOGE_GEOMETRY of core's nodes."""
    given = choice.get("geometry")
    if given is None:
        raise UserError("No geometry is connected: connect Run Depth Anything 3 or Run MoGe Inference.")
    found, name = read_geometry(given, choice.get("confidence", 0.0))
    frames = images
    if frames is None and given.get("image") is not None:
        frames = to_images(given["image"], "the geometry's image")
    raw = Raw(f"depth from {name}", found.depth, "depth", found.sky, absolute=True, warnings=tuple(found.warnings))
    return Found(raw, frames)


def depth_video(choice: dict, images: np.ndarray | None, piece: Piece) -> Found:
    """Depth images of another node."""
    if choice.get("depth") is None:
        raise UserError("No depth video is connected: connect its images to depth, or choose another source.")
    values = to_images(choice["depth"], "the depth video").mean(-1)
    return Found(Raw("a depth video", values, choice.get("kind", "auto")), images)


def files(choice: dict, images: np.ndarray | None, piece: Piece) -> Found:
    """EXR or PNG files of a renderer or a depth camera, in the input folder."""
    path = depth_sequence(choice["files"])
    convention, channel = choice["convention"], choice.get("channel", "").strip() or None
    lens = None
    if convention.startswith("ray"):
        flat = open_depth(path, "metres", channel)
        focal = 0.5 / math.tan(math.radians(choice.get("fov", 50.0)) / 2)
        lens = [focal, focal * flat.width / flat.height, 0.5, 0.5]
    whole = open_depth(path, convention, channel, lens)
    start = choice.get("start", 0) + piece.start
    asked = choice.get("count", 0)
    end = min(len(whole), choice.get("start", 0) + asked) if asked else len(whole)
    if start >= end:
        raise UserError(f"The depth files have {len(whole)} frames; frame {start} was to be the first: start earlier.")
    stop = min(end, start + piece.count) if piece.count else end
    frames = shrunk(whole.part(start, stop), choice.get("longest", 0))
    raw = Raw(
        f"depth files ({len(whole)} in '{choice['files']}', {convention})",
        frames,
        whole.kind,
        absolute=whole.kind == "depth",
        warnings=whole.warnings,
    )
    return Found(raw, images, last=stop == end)


def world(choice: dict, images: np.ndarray | None, piece: Piece) -> Found:
    """The exact depth of a procedural scene."""
    from ...scenes import FAR, render

    frames, width, height = choice["frames"], choice["width"], choice["height"]
    if frames * width * height > MOST_PIXELS:
        raise UserError(
            f"{frames} frames of {width}x{height} are more than a procedural scene is rendered at: at most"
            f" {MOST_PIXELS // (width * height)} of this size"
        )
    clip = render([choice["scene"]], frames, height, width)
    depth = clip.depth[0].numpy()
    depth = np.where(depth >= FAR * 0.999, np.inf, depth).astype(np.float32)
    raw = Raw(f"exact depth of procedural scene {choice['scene']}", depth, "depth", np.isinf(depth), True, True)
    return Found(raw, None)


SOURCES: dict[str, Callable[[dict, np.ndarray | None, Piece], Found]] = {
    "embedded": embedded,
    "depth_anything_v2": depth_anything_v2,
    "geometry": geometry,
    "depth_video": depth_video,
    "files": files,
    "world": world,
}


def _needed(images: np.ndarray | None, what: str) -> np.ndarray:
    if images is None:
        raise UserError(f"No images are connected: {what} looks at the images of a video.")
    return images
