"""An image or a clip, seen along a camera path. Shapes: F frames of the clip, N poses, H height, W width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...control.camera.lens import fit_lens
from ...control.camera.trajectory import CameraTrajectory
from ...control.errors import UserError
from ...control.fit import SAME_ASPECT
from ...control.images import resize
from .places import Places
from .surface import Surface, resize_disparity, sharpen, to_disparity
from .views import Camera, Size, View, lens_of_larger
from .workers import work_through


class Rendering(NamedTuple):
    """images (N, H, W, 3), black in holes. holes (N, H, W) bool: what the source does not show. depth (N, H, W) along
    the camera's axis in the path's unit: infinite in the sky, NaN in holes."""

    images: Tensor
    holes: Tensor
    depth: Tensor


@torch.no_grad()
def render_along(
    frames: Tensor,
    depth: Tensor,
    path: CameraTrajectory,
    size: Size | None = None,
    *,
    source_path: CameraTrajectory | None = None,
    linear: bool = True,
    soft_edges: bool = False,
    device: torch.device | None = None,
    step: Callable[[], object] | None = None,
) -> Rendering:
    """Return what a camera on `path` sees of an image, or of a clip with as many frames as the path has poses.

    frames (1 or F, H, W, 3 or more). depth (1 or F, h, w): distances along the camera's axis in the path's unit,
    infinite = sky, NaN or <= 0 = unknown; its proportions are the frames'. size: height and width of the result (None:
    the frames'). Frames larger than that are scaled down until they just cover it; what lies beyond it at first comes
    into view when the camera turns.

    source_path: the camera that took the clip (None: one that stands still where the path begins, with its lens). Both
    begin at the same place. linear: colors between pixels, within surfaces; else the nearest pixel's. soft_edges: the
    depth was estimated, and is blurred where it jumps (see `sharpen`). device: where to compute (None: where the frames
    are, where the result is in any case). step is called after every frame; what it raises ends the work. A frame whose
    camera is the source's own comes out as it is, without holes. Raises UserError for shapes and numbers of frames that
    do not belong together.
    """
    _check(frames, depth, path, source_path)
    own = frames.shape[1], frames.shape[2]
    shown = _shown(own, size := size or own)
    cameras, sources = _cameras(path, source_path, own, size, shown)
    device = device or frames.device
    images = frames.new_zeros(path.frames, *size, 3, dtype=torch.float32)
    result = Rendering(images, images.new_zeros(images.shape[:3], dtype=torch.bool), images.new_empty(images.shape[:3]))

    def source_of(number: int) -> _Source:
        return _Source.of(frames[number], depth[number], shown, soft_edges, device)

    single = source_of(0) if len(frames) == 1 else None

    def render(pose: int) -> None:
        view = View.between(sources[pose], cameras[pose])
        for whole, part in zip(result, (single or source_of(pose)).seen_by(view, size, linear), strict=True):
            whole[pose] = part

    work_through(render, path.frames, device, step)
    return result


@dataclass(frozen=True, eq=False)
class _Source:
    """One frame: its image (H, W, 3) and surface."""

    image: Tensor
    surface: Surface

    @classmethod
    def of(cls, frame: Tensor, depth: Tensor, size: Size, soft_edges: bool, device: torch.device) -> _Source:
        """Return a frame and its depth at a size, on a device."""
        image = frame[..., :3].float()
        if image.shape[:2] != size:
            image = torch.from_numpy(resize(image.cpu().numpy(), *size))
        disparity = to_disparity(depth.to(device))
        # Blurred edges are the fewer pixels wide the smaller the image is; enlarged, they would be wider.
        smaller = min(size, (disparity.shape[0], disparity.shape[1]))
        disparity = resize_disparity(disparity, smaller)
        disparity = resize_disparity(sharpen(disparity) if soft_edges else disparity, size)
        return cls(image.to(device), Surface.of(disparity))

    def seen_by(self, view: View, size: Size, linear: bool) -> Rendering:
        """Return what a target of this view and size sees (H, W, ...)."""
        crop = view.crop(self.surface.size, size)
        if crop is not None:
            image, disparity = self.image[crop], self.surface.disparity[crop]
            return Rendering(image, torch.zeros_like(disparity, dtype=torch.bool), disparity.reciprocal())
        places = Places.seen(self.surface, view, size)
        holes = places.number < 0
        images = places.colors(self.image, self.surface.whole, linear)
        return Rendering(images, holes, places.disparity.reciprocal().masked_fill_(holes, torch.nan))


def _check(frames: Tensor, depth: Tensor, path: CameraTrajectory, source_path: CameraTrajectory | None) -> None:
    if frames.ndim != 4 or frames.shape[-1] < 3 or min(frames.shape) < 1:
        raise UserError(f"the images have shape {tuple(frames.shape)}; (frames, height, width, 3) was expected")
    if depth.ndim != 3 or min(depth.shape) < 1:
        raise UserError(f"the depth has shape {tuple(depth.shape)}; (frames, height, width) was expected")
    count = len(frames)
    if count > 1 and count != path.frames:
        raise UserError(
            f"the clip has {count} frames and the camera path {path.frames} poses: bring one to the other's length, or"
            " give a single image"
        )
    if len(depth) != count:
        raise UserError(f"the depth has {len(depth)} frames, the images {count}: give the depth of every image")
    if source_path is not None and source_path.frames != count:
        raise UserError(
            f"the clip's own camera has {source_path.frames} poses, the clip {count} frames: give one pose for each"
        )
    if source_path is not None and source_path.unit != path.unit:
        raise UserError(
            f"the path is in units of '{path.unit}', the clip's own camera in '{source_path.unit}': bring both to one"
            " unit"
        )
    (height, width), (depth_height, depth_width) = frames.shape[1:3], depth.shape[1:]
    ratio = (depth_width * height) / (depth_height * width)
    if abs(ratio - 1) > max(SAME_ASPECT, 1 / min(depth_height, depth_width)):
        raise UserError(
            f"the depth is {depth_width}x{depth_height} (width x height), the images {width}x{height}: give depth of"
            " the same proportions"
        )


def _shown(own: Size, size: Size) -> Size:
    """Return the size to which images of their `own` are scaled down to cover `size`; never up.

    What is beyond is an even number of pixels, so that the middle is a part of the image as it is.
    """
    scale = max(size[0] / own[0], size[1] / own[1])
    if scale >= 1:
        return own
    height, width = (wanted + 2 * round((side * scale - wanted) / 2) for side, wanted in zip(own, size, strict=True))
    return height, width


def _cameras(
    path: CameraTrajectory, source_path: CameraTrajectory | None, own: Size, size: Size, shown: Size
) -> tuple[list[Camera], list[Camera]]:
    """Return the cameras of all poses and, for each, that of the source; images of the size `own` are `shown` at that
    size, and the path's are of `size`."""
    path = path.relative()
    lenses = fit_lens(path.intrinsics, size[1], size[0])
    cameras = [Camera(c2w, lens, size) for c2w, lens in zip(path.c2w, lenses, strict=True)]
    if source_path is None:
        # The first pose shows the middle of the image, as large as it covers the result.
        scale = max(size[0] / own[0], size[1] / own[1])
        larger = (own[0] * scale, own[1] * scale) if scale >= 1 else (float(shown[0]), float(shown[1]))
        still = Camera(path.c2w[0], lens_of_larger(lenses[0], size, larger), shown)
        return cameras, [still] * len(cameras)
    source_path = source_path.relative()
    own_lenses = fit_lens(source_path.intrinsics, own[1], own[0])
    sources = [Camera(c2w, lens, shown) for c2w, lens in zip(source_path.c2w, own_lenses, strict=True)]
    return cameras, sources * len(cameras) if len(sources) == 1 else sources
