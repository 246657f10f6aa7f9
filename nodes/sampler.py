"""FullDiT Sampler: prompt and conditions to a latent through core's samplers, in one node."""

from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io

from ..control.conditions import Conditions
from .sockets import types

OWN = -1  # stands for the model's own value


def _scale(name: str, subject: str) -> io.Float.Input:
    return io.Float.Input(
        f"{name}_guidance",
        default=0.0,
        min=0.0,
        max=20.0,
        step=0.1,
        advanced=True,
        optional=True,
        tooltip=(
            f"0: {subject} guided together with the text by cfg. Above 0: a scale of its own, for one more pass per "
            f"step."
        ),
    )


class FullDiTSampler(io.ComfyNode):
    """From a prompt and conditions to a latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTSampler",
            display_name="FullDiT Sampler",
            category="FullDiT",
            description=(
                "Samples a latent from a prompt and conditions through ComfyUI's own samplers, with an optional "
                "guidance scale for each condition."
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
                    tooltip="What the video shows, in plain words. May be empty.",
                ),
                io.String.Input(
                    "negative",
                    multiline=True,
                    default="",
                    advanced=True,
                    optional=True,
                    tooltip="What the video should not show. The model was trained with an empty one.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the noise.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="More steps give more detail and take more time. 0 takes the model's own number.",
                ),
                io.Float.Input(
                    "cfg",
                    default=OWN,
                    min=OWN,
                    max=30.0,
                    step=0.1,
                    round=0.01,
                    tooltip=(
                        "Guidance by prompt and conditions. 1 halves the time and follows them less. -1 takes the "
                        "model's own value."
                    ),
                ),
                io.Combo.Input(
                    "sampler_name", options=comfy.samplers.SAMPLER_NAMES, default="euler", tooltip="The solver."
                ),
                io.Combo.Input(
                    "scheduler",
                    options=comfy.samplers.SCHEDULER_NAMES,
                    default="simple",
                    tooltip="The noise schedule. simple is the shifted schedule of the training.",
                ),
                _scale("camera", "the camera is"),
                _scale("identity", "the identities are"),
                _scale("depth", "the depth is"),
                io.Boolean.Input(
                    "preview",
                    default=True,
                    advanced=True,
                    optional=True,
                    tooltip="Show the clip during sampling, even if ComfyUI's previews are off.",
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
                        "First-frame pass: this share of the steps generates the first frame, the other steps the "
                        "video from it. 0: all frames at once. -1 takes the model's own value."
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
