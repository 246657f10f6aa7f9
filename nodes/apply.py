"""Apply Conditions: for stock samplers, the conditions as part of the positive conditioning, and an empty latent."""

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
                "Puts the conditions into the positive conditioning and makes the empty latent, for KSampler and other "
                "stock samplers. The negative conditioning stays without conditions, as the model was trained."
            ),
            search_aliases=["FullDiT conditioning", "KSampler"],
            inputs=[
                io.Model.Input("model", tooltip="From Load FullDiT; other models are refused."),
                io.Vae.Input("vae", tooltip="From Load FullDiT; another VAE than the checkpoint's is refused."),
                io.Conditioning.Input("positive", tooltip="What should be seen."),
                io.Conditioning.Input("negative", tooltip="What should not; the model knows the empty text best."),
                types.Conditions.Input("conditions", tooltip="From Conditions."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="With the conditions."),
                io.Conditioning.Output(display_name="negative", tooltip="Without any condition."),
                io.Latent.Output(display_name="latent", tooltip="Empty, in the size that Conditions states."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: types.HostModel,
        vae: types.HostVae,
        positive: Conditioning,
        negative: Conditioning,
        conditions: Conditions,
    ) -> io.NodeOutput:
        from .bridge.conditioning import apply, empty_latent

        positive, negative = apply(model, vae, positive, negative, conditions)
        return io.NodeOutput(positive, negative, empty_latent(model, conditions))
