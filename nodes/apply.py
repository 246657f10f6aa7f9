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
                "Puts the conditions into the conditioning and makes the empty latent, for KSampler and other stock "
                "samplers. Models whose guidance has more than two passes lose the others there: the report says so."
            ),
            search_aliases=["FullDiT conditioning", "KSampler"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="From Load FullDiT, Load Video Model, or ComfyUI's own loader of a model that is driven.",
                ),
                io.Vae.Input("vae", tooltip="The VAE that belongs to the model; another one is refused."),
                io.Conditioning.Input("positive", tooltip="What should be seen."),
                io.Conditioning.Input("negative", tooltip="What should not; FullDiT knows the empty text best."),
                types.Conditions.Input("conditions", tooltip="From Conditions."),
                io.Boolean.Input(
                    "leave_out",
                    default=False,
                    optional=True,
                    tooltip="Go on without the conditions that the model cannot take, instead of stopping.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="With the conditions."),
                io.Conditioning.Output(display_name="negative", tooltip="As the model's authors have it."),
                io.Latent.Output(display_name="latent", tooltip="Empty, in the size that Conditions states."),
                io.Model.Output(
                    display_name="model", tooltip="For the sampler: with the model's schedule and patches."
                ),
                io.Int.Output(
                    display_name="trim_latent", tooltip="Latent frames to cut from the front: for Trim Video Latent."
                ),
                io.String.Output(display_name="report", tooltip="What became of each condition."),
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
    ) -> io.NodeOutput:
        from .drivers.run import apply

        applied = apply(model, vae, positive, negative, conditions, leave_out)
        return io.NodeOutput(
            applied.positive,
            applied.negative,
            applied.latent,
            applied.model,
            applied.trim,
            applied.report,
            ui={"text": [applied.report]},
        )
