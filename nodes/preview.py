"""Preview Conditions: what is asked, as images."""

from __future__ import annotations

import numpy as np
from comfy_api.latest import io

from ..control.conditions import Conditions
from .sockets import types
from .sockets.arrays import to_tensor


class FullDiTPreview(io.ComfyNode):
    """Camera path, references, who is where, depth and source video, as one sheet or frame by frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTPreview",
            display_name="Preview Conditions (FullDiT)",
            category="FullDiT",
            description=(
                "What is asked, as images: the camera from above, the references, who is where, the depth, the source "
                "video."
            ),
            search_aliases=["contact sheet", "show conditions"],
            inputs=[
                types.Conditions.Input("conditions", tooltip="From Conditions."),
                io.Combo.Input(
                    "layout",
                    options=["sheet", "frames"],
                    default="sheet",
                    tooltip="sheet: one image, a row per condition. frames: one per frame, side by side.",
                ),
                io.Int.Input(
                    "height",
                    default=96,
                    min=32,
                    max=512,
                    step=16,
                    tooltip="Height of one cell in pixels.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="For Preview Image or Video Combine.")],
        )

    @classmethod
    def execute(cls, conditions: Conditions, layout: str, height: int) -> io.NodeOutput:
        from ..control.errors import UserError
        from ..control.images import resize_clip
        from ..view.sheet import condition_frames, contact_sheet

        width = max(16, round(height * conditions.video.aspect))
        rows = condition_frames(conditions, height, width)
        if not rows:
            raise UserError("There is nothing to show: connect a camera, an identity, depth or a video to Conditions.")
        if layout == "sheet":
            return io.NodeOutput(to_tensor(contact_sheet(rows, height=height)[None]))
        cells = [np.clip(resize_clip(clip, height, width), 0, 1) for _, clip in rows]
        return io.NodeOutput(to_tensor(np.concatenate(cells, axis=2)))
