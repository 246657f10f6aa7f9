"""Compare Conditions: the same clip with each condition taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
from comfy_api.latest import io

from ..control.conditions import Conditions
from ..view.comparison import draw_comparison
from ..view.sheet import condition_frames, contact_sheet
from .page.messages import image_and_text
from .progress import teller
from .sampler import sampling_inputs, sampling_options
from .sockets import types
from .sockets.arrays import to_images, to_tensor


class FullDiTCompare(io.ComfyNode):
    """What each condition does, seen side by side."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCompare",
            display_name="Compare Conditions (FullDiT)",
            category="FullDiT",
            description=(
                "Makes the same clip with each condition taken away, and with none: what every condition does, side "
                "by side. A clip whose conditions and settings did not change is not made again."
            ),
            search_aliases=["ablation", "A/B", "XY plot", "without camera", "grid", "compare"],
            inputs=[
                *(entry for entry in sampling_inputs() if entry.id != "preview"),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip=(
                        "The video of all conditions, from VAE Decode, if it was made with the same settings: it is "
                        "then not made again."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output(display_name="sheet", tooltip="One image: what was asked, and a row for each clip."),
                io.Image.Output(display_name="video", tooltip="The clips side by side, for Video Combine."),
                io.String.Output(display_name="report", tooltip="Which clips were made, and which were kept."),
            ],
            hidden=[io.Hidden.unique_id],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        model: types.HostModel,
        clip: types.HostClip,
        vae: types.HostVae,
        conditions: Conditions,
        prompt: str,
        negative: str = "",
        images: types.ImageTensor | None = None,
        **sampling: Any,
    ) -> io.NodeOutput:
        from .drivers.compare import compare

        made = None if images is None else to_images(images, "the video of all conditions")
        # Without the host's preview of a clip that is being made, which would stay in the place of the sheet.
        options = sampling_options(**sampling, preview=False)
        result = compare(model, clip, vae, conditions, prompt, negative, options, made, teller(cls))
        video = conditions.video
        sheet = contact_sheet([*condition_frames(conditions, video.height, video.width), *result.clips.items()])
        beside = np.stack(list(draw_comparison(result.clips)))
        report = "\n".join(result.report)
        shown = image_and_text(sheet, report, cls)
        return io.NodeOutput(to_tensor(sheet[None]), to_tensor(beside), report, ui=shown)
