"""FullDiT Sampler: prompt and conditions to a latent through core's samplers, in one node."""

from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io

from ..control.conditions import Conditions
from .sockets import types

OWN = -1  # stands for the model's own value


def _scale(name: str, what: str) -> io.Float.Input:
    return io.Float.Input(
        f"{name}_guidance",
        default=0.0,
        min=0.0,
        max=20.0,
        step=0.1,
        advanced=True,
        optional=True,
        tooltip=(
            f"0: {what} is guided together with the text by cfg. Above 0: by a scale of its own, "
            f"at the price of one more pass per step."
        ),
    )


class FullDiTSampler(io.ComfyNode):
    """Encodes the prompt, applies the conditions and samples."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTSampler",
            display_name="FullDiT Sampler",
            category="FullDiT",
            description=(
                "From a prompt and conditions to a latent, through ComfyUI's own samplers, "
                "with a guidance scale per condition if wanted."
            ),
            search_aliases=["sample", "FullDiT", "multi condition sampler"],
            inputs=[
                io.Model.Input("model", tooltip="From Load FullDiT; other models are refused."),
                io.Clip.Input("clip", tooltip="From Load FullDiT."),
                io.Vae.Input("vae", tooltip="From Load FullDiT."),
                types.Conditions.Input("conditions", tooltip="From Conditions."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="What should be seen, in plain words. May stay empty.",
                ),
                io.String.Input(
                    "negative",
                    multiline=True,
                    default="",
                    advanced=True,
                    optional=True,
                    tooltip="What should not be seen. Empty is what the model was trained with.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The noise to start from.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="More steps, more detail, more time. 0: the model's own.",
                ),
                io.Float.Input(
                    "cfg",
                    default=OWN,
                    min=OWN,
                    max=30.0,
                    step=0.1,
                    round=0.01,
                    tooltip=(
                        "How strongly prompt and conditions are followed. 1 halves the time and follows less. -1: the "
                        "model's own."
                    ),
                ),
                io.Combo.Input(
                    "sampler_name", options=comfy.samplers.SAMPLER_NAMES, default="euler", tooltip="The solver."
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.SCHEDULER_NAMES,
                    default="simple",
                    tooltip="How the steps are spread. simple is the shifted schedule of the training.",
                ),
                _scale("camera", "the camera"),
                _scale("identity", "the identities"),
                _scale("depth", "the depth"),
                io.Boolean.Input(
                    "preview",
                    default=True,
                    advanced=True,
                    optional=True,
                    tooltip="Show the clip while it is made, also where ComfyUI's previews are off.",
                ),
                io.Float.Input(
                    "anchor",
                    default=OWN,
                    min=OWN,
                    max=0.9,
                    step=0.05,
                    advanced=True,
                    optional=True,
                    tooltip=(
                        "The share of the steps that settle the first frame; the rest of the video is then made to "
                        "follow from it. 0: all frames at once. -1: the model's own."
                    ),
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="For VAE Decode.")],
        )

    @classmethod
    def execute(
        cls,
        model: types.HostModel,
        clip: types.HostClip,
        vae: types.HostVae,
        conditions: Conditions,
        prompt: str,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        negative: str = "",
        camera_guidance: float = 0.0,
        identity_guidance: float = 0.0,
        depth_guidance: float = 0.0,
        preview: bool = True,
        anchor: float = OWN,
    ) -> io.NodeOutput:
        from .bridge.sampling import SamplingOptions, sample

        scales = {"camera": camera_guidance, "identity": identity_guidance, "depth": depth_guidance}
        options = SamplingOptions(
            seed=seed,
            steps=steps or None,
            cfg=None if cfg < 0 else cfg,
            sampler_name=sampler_name,
            scheduler=scheduler,
            scales={name: scale for name, scale in scales.items() if scale > 0},
            first_frame_pass=None if anchor < 0 else anchor,
            preview=preview,
        )
        return io.NodeOutput(sample(model, clip, vae, conditions, prompt, negative, options))
