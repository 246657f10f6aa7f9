"""Apply Conditions: for stock samplers, the conditions as part of the conditioning, and an empty latent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..control.conditions import Conditions
from .sockets import types

if TYPE_CHECKING:
    from .bridge.conditioning import Conditioning


class FullDiTApply(io.ComfyNode):
    """Conditions into CONDITIONING for KSampler and every other core sampler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTApply",
            display_name="Apply Conditions (FullDiT)",
            category="FullDiT",
            description=(
                "For KSampler and ComfyUI's other samplers: puts the conditions into positive and negative, and makes "
                "the empty latent. Such samplers run two passes per step. Where a model has more (Bernini-R, Phantom), "
                "FullDiT Sampler runs them all."
            ),
            search_aliases=["FullDiT conditioning", "KSampler"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip=(
                        "From Load FullDiT or Load Video Model. The MODEL of another loader works too, if "
                        "docs/models.md of this pack lists the model."
                    ),
                ),
                io.Vae.Input("vae", tooltip="The VAE of the model; another one is refused."),
                io.Conditioning.Input("positive", tooltip="What the video shows. From CLIP Text Encode."),
                io.Conditioning.Input(
                    "negative",
                    tooltip=(
                        "What it should not show. For FullDiT an empty text is best; for public models docs/models.md "
                        "has the authors' text."
                    ),
                ),
                types.Conditions.Input("conditions", tooltip="From Conditions."),
                io.Boolean.Input(
                    "leave_out",
                    default=False,
                    optional=True,
                    tooltip=(
                        "Off: a condition that the model cannot take stops the run. On: the run goes on without "
                        "it, and the report says so."
                    ),
                ),
                io.ClipVisionOutput.Input(
                    "clip_vision",
                    optional=True,
                    tooltip=(
                        "For Wan Fun 2.1 only: the start image, seen by CLIP Vision Encode with clip_vision_h. "
                        "Without it the model sees none."
                    ),
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler: with the conditions."),
                io.Conditioning.Output(
                    display_name="negative", tooltip="For the sampler: with what the model's authors put there."
                ),
                io.Latent.Output(
                    display_name="latent", tooltip="For the sampler: empty, in the size that Conditions states."
                ),
                io.Model.Output(
                    display_name="model",
                    tooltip="Connect this one to the sampler: it has the schedule and patches that the model needs.",
                ),
                io.Int.Output(
                    display_name="trim_latent",
                    tooltip="For Trim Video Latent behind the sampler. 0: nothing to cut, and no such node is needed.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="What became of each condition, and what to connect. The node shows it too.",
                ),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(
        cls,
        model: types.HostModel,
        vae: types.HostVae,
        positive: Conditioning,
        negative: Conditioning,
        conditions: Conditions,
        leave_out: bool = False,
        clip_vision: types.HostClipVision | None = None,
    ) -> io.NodeOutput:
        from .drivers.run import apply

        applied = apply(model, vae, positive, negative, conditions, leave_out, clip_vision)
        return io.NodeOutput(
            applied.positive,
            applied.negative,
            applied.latent,
            applied.model,
            applied.trim,
            applied.report,
            ui={"text": [applied.report]},
        )
