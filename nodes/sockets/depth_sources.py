"""The sources of Extract Depth, each as a function that returns raw depth for `control.depth.extract`.

A source takes the images of the video (F, H, W, 3) or None, the chunk of the clip or None for the whole clip, and the
inputs that the page shows for it, under their ids. Each raises UserError for inputs that it cannot use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...control.depth.colormaps import Colormap, decode, decode_images
from ...control.depth.extract import RawDepth, shrink_frames
from ...control.depth.files import open_depth
from ...control.errors import UserError
from ..bridge.depth_anything import estimate_disparity, find_or_download
from ..folders import depth_sequence
from ..progress import progress, stop_if_canceled
from .arrays import to_images
from .geometry import read_geometry
from .types import ImageTensor, TensorDict

if TYPE_CHECKING:
    from torch import Tensor

MAX_RENDERED_PIXELS = 2**26  # of a procedural scene, all frames together


@dataclass(frozen=True)
class SourceChunk:
    """A chunk of a longer clip: its first frame, its length in frames (0: to the end), and the `context` that the
    source returned with the chunk before, None for the first."""

    start: int
    max_frames: int
    context: Any = None  # each source's own


@dataclass(frozen=True, eq=False)
class SourceDepth:
    """raw: the depth. images: those that it is of, or None. size: (height, width) that the result gets, or None for the
    depth's own. context: for the next chunk. is_last: whether the source has no frames after these."""

    raw: RawDepth
    images: np.ndarray | None
    size: tuple[int, int] | None = None
    context: Any = None
    is_last: bool = False


def from_shipped_estimator(images: np.ndarray | None, chunk: SourceChunk | None) -> SourceDepth:
    """Estimate depth with the small network that ships with the pack."""
    from ...models.estimators.depth import NOTICE, clip_mean, estimate_depth

    images = _connected(images, "the small estimator")
    # Every chunk is seen with the mean of the first in view, or their depths would differ by more than what they show.
    mean: Tensor | None = None
    if chunk is not None:
        mean = clip_mean(images, cancel=stop_if_canceled) if chunk.context is None else chunk.context
    with progress(len(images)) as step:
        depth = estimate_depth(images, step, stop_if_canceled, mean=mean)
    raw = RawDepth("depth from the small estimator for the demo", depth, "disparity", absolute=True, warnings=(NOTICE,))
    return SourceDepth(raw, images, images.shape[1:3], mean)


def from_depth_anything(
    images: np.ndarray | None, chunk: SourceChunk | None, *, model: str, download: str = "no"
) -> SourceDepth:
    """Estimate depth with Depth Anything V2 through transformers."""
    images = _connected(images, "Depth Anything V2")
    path, license = find_or_download(model, download)
    disparity = estimate_disparity(path, images)
    says = f"disparity from Depth Anything V2 {model}{f' ({license})' if license else ''}"
    return SourceDepth(RawDepth(says, disparity, "disparity"), images)


def from_geometry(
    images: np.ndarray | None, chunk: SourceChunk | None, *, geometry: TensorDict | None = None, confidence: float = 0.0
) -> SourceDepth:
    """Take the depth of core's DA3_GEOMETRY or MOGE_GEOMETRY; without images, the geometry's own are used."""
    if geometry is None:
        raise UserError("No geometry is connected: connect Run Depth Anything 3 or Run MoGe Inference.")
    read, model = read_geometry(geometry, confidence)
    if images is None and geometry.get("image") is not None:
        images = to_images(geometry["image"], "the geometry's image")
    says, warnings = f"depth from {model}", tuple(read.warnings)
    return SourceDepth(RawDepth(says, read.depth, "depth", read.sky, absolute=True, warnings=warnings), images)


def from_depth_video(
    images: np.ndarray | None, chunk: SourceChunk | None, *, depth: ImageTensor | None = None, kind: str = "auto"
) -> SourceDepth:
    """Take the depth images of another node."""
    if depth is None:
        raise UserError("No depth video is connected: connect its images to depth, or choose another source.")
    shown = to_images(depth, "the depth video")
    colormap: Colormap | None = None if chunk is None else chunk.context
    warnings: list[str] = []
    if colormap is not None:  # later chunks are read as the first, whose colors may be more
        values = decode(shown, colormap)
    else:
        values, colormap, warnings = decode_images(shown, kind, "the depth video")
    return SourceDepth(RawDepth("a depth video", values, kind, warnings=tuple(warnings)), images, context=colormap)


def from_files(
    images: np.ndarray | None,
    chunk: SourceChunk | None,
    *,
    files: str,
    convention: str,
    channel: str = "",
    fov: float = 50.0,
    start: int = 0,
    count: int = 0,
    longest: int = 0,
    per_meter: float = 0.0,
) -> SourceDepth:
    """Read the EXR, PNG, PGM or PFM files of a renderer or a depth camera from the input folder.

    fov: horizontal, in degrees, for distances along rays. start, count: the files that are taken (0: all from `start`
    on). longest: the longer side in pixels that frames are reduced to; 0 keeps them. per_meter: steps of the files'
    numbers per meter; 0 leaves that to the convention.
    """
    path, channel_name = depth_sequence(files), channel.strip() or None
    lens = None
    if convention.startswith("ray"):
        planar = open_depth(path, "metres", channel_name)
        focal = 0.5 / math.tan(math.radians(fov) / 2)
        lens = np.array([focal, focal * planar.width / planar.height, 0.5, 0.5])
    sequence = open_depth(path, convention, channel_name, lens, per_meter or None)
    end = min(len(sequence), start + count) if count else len(sequence)
    first, stop = start, end
    if chunk is not None:
        first = start + chunk.start
        stop = min(end, first + chunk.max_frames) if chunk.max_frames else end
    if first >= end:
        raise UserError(
            f"The depth files have {len(sequence)} frames; frame {first} was to be the first: start earlier."
        )
    frames = shrink_frames(sequence.part(first, stop), longest)
    raw = RawDepth(
        f"depth files ({len(sequence)} in '{files}', {convention})",
        frames,
        sequence.kind,
        absolute=sequence.kind == "depth",
        warnings=sequence.warnings,
    )
    return SourceDepth(raw, images, is_last=stop == end)


def from_scene(
    images: np.ndarray | None, chunk: SourceChunk | None, *, scene: int, frames: int, width: int, height: int
) -> SourceDepth:
    """Render the exact depth of a procedural scene; the images of the video are not its own and are left out."""
    from ...scenes import FAR, render

    if chunk is not None:
        raise UserError("A procedural scene is not a video that comes in pieces: take meta_batch away.")
    if frames * width * height > MAX_RENDERED_PIXELS:
        raise UserError(
            f"{frames} frames of {width}x{height} are more than a procedural scene is rendered at: at most"
            f" {MAX_RENDERED_PIXELS // (width * height)} of this size."
        )
    depth = render([scene], frames, height, width).depth[0].numpy()
    depth = np.where(depth >= FAR * 0.999, np.inf, depth).astype(np.float32)
    says = f"exact depth of procedural scene {scene}"
    return SourceDepth(RawDepth(says, depth, "depth", np.isinf(depth), exact=True, absolute=True), None)


SOURCES: dict[str, Callable[..., SourceDepth]] = {
    "embedded": from_shipped_estimator,
    "depth_anything_v2": from_depth_anything,
    "geometry": from_geometry,
    "depth_video": from_depth_video,
    "files": from_files,
    "world": from_scene,
}


def _connected(images: np.ndarray | None, consumer: str) -> np.ndarray:
    if images is None:
        raise UserError(f"No images are connected: {consumer} looks at the images of a video.")
    return images
