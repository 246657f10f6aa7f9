"""Extract Depth's work: from a chosen source to a finished clip, chunk after chunk under a Meta Batch Manager."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...control.camera import CameraTrajectory
from ...control.depth.extract import Extracted, Span, extract
from ...control.depth.stabilize import Stabilizing
from ...control.errors import UserError
from ..progress import progress
from . import meta_batch as batches
from .depth_sources import SOURCES, Piece


def extract_depth(
    source: dict[str, Any],
    span: dict[str, Any],
    *,
    stabilize: bool = True,
    images: np.ndarray | None = None,
    camera: CameraTrajectory | None = None,
    fill: bool = True,
    meta_batch: Any = None,
    node: str = "",
) -> Extracted:
    """source, span: what the node's dynamic inputs hold, the choice under their own names 'source' and 'range'.

    images (F, H, W, 3): the video. node: its id, under which a Meta Batch Manager's state is kept. Raises UserError for
    an unknown source, and as the source and `control.depth.extract` do.
    """
    name = source.get("source")
    if name not in SOURCES:
        raise UserError(f"the depth source '{name}' is unknown: choose one of {', '.join(SOURCES)}")
    if meta_batch is not None and name == "world":
        raise UserError("A procedural scene is no video that comes in pieces: take meta_batch away.")
    state, piece = None, Piece()
    if meta_batch is not None:
        state, context = batches.recall(meta_batch, node) or (None, None)
        count = int(meta_batch.frames_per_batch) if images is None else len(images)
        piece = Piece(True, 0 if state is None else state.frames, count, context)
    found = SOURCES[name](source, images, piece)
    made = extract(
        found.raw,
        Span(span["range"], **{key: value for key, value in span.items() if key != "range"}),
        images=found.images,
        stabilizing=Stabilizing() if stabilize else None,
        camera=camera,
        fill=fill,
        size=found.size,
        chunked=piece.chunked,
        state=state,
        progress=progress,
    )
    if meta_batch is not None:
        batches.keep(meta_batch, node, (made.state, found.context))
        if found.last:
            batches.ended(meta_batch)
    return made
