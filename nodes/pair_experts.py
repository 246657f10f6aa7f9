"""Pair Experts: the two networks of one model, as one MODEL."""

from __future__ import annotations

from comfy_api.latest import io

from .sockets import types


class FullDiTPairExperts(io.ComfyNode):
    """A high-noise and a low-noise MODEL as one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTPairExperts",
            display_name="Pair Experts (FullDiT)",
            category="FullDiT",
            description=(
                "Joins the two networks of a Wan 2.2 model (high noise and low noise) into one MODEL: the FullDiT "
                "Sampler switches between them in one run, so that the solver goes on without a break."
            ),
            search_aliases=["Wan 2.2", "A14B", "high noise low noise", "two experts", "MoE"],
            inputs=[
                io.Model.Input("high", tooltip="The high-noise model, with its LoRAs: it runs the first steps."),
                io.Model.Input("low", tooltip="The low-noise model, with its LoRAs: it runs the rest."),
                io.Float.Input(
                    "boundary",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.005,
                    round=0.001,
                    advanced=True,
                    optional=True,
                    tooltip=(
                        "The noise level below which the second takes over. 0 takes the model's own: 0.875 of Wan 2.2 "
                        "T2V and Bernini-R, 0.9 of Wan Fun."
                    ),
                ),
            ],
            outputs=[io.Model.Output(tooltip="Both, for Conditions and the FullDiT Sampler.")],
        )

    @classmethod
    def execute(cls, high: types.HostModel, low: types.HostModel, boundary: float = 0.0) -> io.NodeOutput:
        from .drivers.experts import pair_experts
        from .drivers.registry import facts_of

        return io.NodeOutput(pair_experts(high, low, (facts_of(high), facts_of(low)), boundary or None))
