"""Agreement Report: what was asked of a finished video, and what came out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.conditions import Conditions
from ..control.depth import DepthClip
from ..control.identity.slots import MOST_IDENTITIES
from . import inputs
from .page.messages import image_and_text
from .sockets import types
from .sockets.arrays import to_images, to_masks, to_tensor

AUTO, EMBEDDED, CONNECTED = "auto", "embedded", "connected"


class FullDiTAgreementReport(io.ComfyNode):
    """How far a finished video is from its conditions, condition by condition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        template = io.Mask.Input(
            "mask", optional=True, tooltip="Where the identity is in the finished video, one mask per frame."
        )
        return io.Schema(
            node_id="FullDiTAgreementReport",
            display_name="Agreement Report (FullDiT)",
            category="FullDiT",
            description=(
                "After generation: what was asked and what came out, for each condition, beside what the estimators "
                "can see at best and what a video gets that ignores the condition. It says what it cannot judge."
            ),
            search_aliases=["evaluate", "metrics", "measure", "camera error", "check result", "quality"],
            inputs=[
                io.Image.Input("images", tooltip="The finished video, one image per frame, from VAE Decode."),
                types.Conditions.Input("conditions", tooltip="The conditions that it was made from."),
                io.Combo.Input(
                    "estimators",
                    options=[AUTO, EMBEDDED, CONNECTED],
                    default=AUTO,
                    tooltip=(
                        "embedded: the small estimators of this pack, which know the embedded model's world alone. "
                        "connected: only what is connected below. auto: embedded for videos of the embedded model's "
                        "size."
                    ),
                ),
                types.Camera.Input(
                    "camera",
                    optional=True,
                    tooltip="The camera path of the finished video, from Camera from Video. Its unit does not matter.",
                ),
                types.Depth.Input(
                    "depth", optional=True, tooltip="The depth of the finished video, from Extract Depth."
                ),
                io.Autogrow.Input(
                    "masks",
                    template=io.Autogrow.TemplatePrefix(template, prefix="mask", min=1, max=MOST_IDENTITIES),
                    optional=True,
                    tooltip="Masks of the identities in the finished video, in the order of the identities.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="What was asked and what came out, and the figures."),
                io.String.Output(display_name="report", tooltip="The same in sentences."),
                io.String.Output(display_name="json", tooltip="Every figure as JSON, for other programs."),
            ],
            is_output_node=True,
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        images: types.ImageTensor,
        conditions: Conditions,
        estimators: str = AUTO,
        camera: CameraTrajectory | None = None,
        depth: DepthClip | None = None,
        masks: Mapping[str, types.MaskTensor | None] | None = None,
        **beyond: object,
    ) -> io.NodeOutput:
        inputs.refuse_beyond(beyond, "Agreement Report", f"masks of up to {MOST_IDENTITIES} identities")
        from ..models.estimators.agreement import is_foreign, report_agreement
        from ..models.estimators.agreement_report import Found
        from ..models.estimators.judge import Judge
        from ..view.agreement_sheet import draw_agreement

        clip = to_images(images, "the finished video")
        embedded = estimators == EMBEDDED or (estimators == AUTO and not is_foreign(*clip.shape[1:3]))
        found = Found(
            camera,
            depth,
            {_number(name): to_masks(mask, name) for name, mask in (masks or {}).items() if mask is not None},
        )
        result = report_agreement(clip, conditions, Judge.load() if embedded else None, found)
        image, text = draw_agreement(clip, result.pairs(), result.gauges()), "\n".join(result.lines())
        shown = image_and_text(image, text, cls)
        return io.NodeOutput(to_tensor(image[None]), text, json.dumps(result.to_json(), indent=2), ui=shown)


def _number(name: str) -> int:
    """Return the place of an identity, counted from 0, of the name of its socket."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else 0
