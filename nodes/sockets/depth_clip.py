"""Extract Depth's work: from a chosen source to a finished clip, chunk after chunk under a Meta Batch Manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...control.camera import CameraTrajectory
from ...control.depth.chunks import DepthState
from ...control.depth.extract import Chunk, DepthRange, ExtractedDepth, extract
from ...control.depth.stabilize import StabilizerOptions
from ..progress import progress
from .arrays import to_images
from .depth_sources import SOURCES, SourceChunk, SourceDepth
from .meta_batch import MetaBatchManager, end_clip, load_state, store_state
from .types import DynamicChoice, ImageTensor


class ClipState(NamedTuple):
    """The state of a clip between its chunks: the depth's, and the source's context."""

    depth: DepthState
    context: Any  # each source's own


def extract_depth(
    source: DynamicChoice,
    span: DynamicChoice,
    *,
    stabilize: bool = True,
    images: ImageTensor | None = None,
    camera: CameraTrajectory | None = None,
    fill: bool = True,
    meta_batch: MetaBatchManager | None = None,
    node_id: str = "",
) -> ExtractedDepth:
    """Return the depth of a source as a normalized clip, or of the next chunk of it under a Meta Batch Manager.

    source, span: the node's dynamic inputs, with the choice under 'source' and 'range'. images: the video. node_id: the
    key of the node's state beside the manager. Raises UserError for an unknown source, and as the source and
    `control.depth.extract` do.
    """
    read_source, inputs = _source(source)
    video = None if images is None else to_images(images, "the video")
    state, chunk = (None, None) if meta_batch is None else _next_chunk(meta_batch, node_id, video)
    depth = read_source(video, chunk, **inputs)
    result = extract(
        depth.raw,
        DepthRange(span["range"], **{key: value for key, value in span.items() if key != "range"}),
        images=depth.images,
        stabilizing=StabilizerOptions() if stabilize else None,
        camera=camera,
        fill=fill,
        size=depth.size,
        chunk=None if chunk is None else Chunk(),
        state=state,
        progress=progress,
    )
    if meta_batch is not None:
        store_state(meta_batch, node_id, ClipState(result.state, depth.context))
        if depth.is_last:
            end_clip(meta_batch)
    return result


def _source(choice: DynamicChoice) -> tuple[Callable[..., SourceDepth], dict[str, Any]]:
    """Return the function of the chosen source, and its inputs."""
    return SOURCES[choice["source"]], {key: value for key, value in choice.items() if key != "source"}


def _next_chunk(
    manager: MetaBatchManager, node_id: str, images: np.ndarray | None
) -> tuple[DepthState | None, SourceChunk]:
    """Return the state after the chunks before (None for the first), and the chunk of this run."""
    stored: ClipState | None = load_state(manager, node_id)
    frames = int(manager.frames_per_batch) if images is None else len(images)
    if stored is None:
        return None, SourceChunk(0, frames)
    return stored.depth, SourceChunk(stored.depth.frames, frames, stored.context)
