"""FullDiT Sampler: prompt and conditions to a latent through core's samplers, in one node."""

from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io

from ..control.conditions import Conditions
from .sockets import types

OWN = -1  # stands for the model's own value
AUTO = "auto"  # the same, in lists


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
            f"0: the model's own way (FullDiT guides {subject} together with the text, by cfg). Above 0: a scale of "
            f"its own, where the model has one."
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
                "Samples a latent from a prompt and conditions through ComfyUI's own samplers: with a FullDiT "
                "checkpoint, or with a public video model that takes some of the conditions, in the way of its authors."
            ),
            search_aliases=["sample", "FullDiT", "multi condition sampler"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="From Load FullDiT, Load Video Model, or ComfyUI's own loader of a model that is driven.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder that belongs to the model."),
                io.Vae.Input("vae", tooltip="The VAE that belongs to the model."),
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
                    tooltip="What the video should not show. Empty takes the one that the model's authors advise.",
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
                    "sampler_name",
                    options=[AUTO, *comfy.samplers.SAMPLER_NAMES],
                    default=AUTO,
                    tooltip="The solver. auto takes the model's own.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=[AUTO, *comfy.samplers.SCHEDULER_NAMES],
                    default=AUTO,
                    tooltip="The noise schedule. auto takes the model's own.",
                ),
                _scale("camera", "the camera"),
                _scale("identity", "the identities"),
                _scale("depth", "the depth"),
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
                _scale("source", "the source video"),
                io.Boolean.Input(
                    "leave_out",
                    default=False,
                    optional=True,
                    tooltip="Sample without the conditions that the model cannot take, instead of stopping.",
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="For VAE Decode."),
                io.String.Output(
                    display_name="report", tooltip="What became of each condition, and how it was sampled."
                ),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
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
        source_guidance: float = 0.0,
        leave_out: bool = False,
    ) -> io.NodeOutput:
        from .drivers.run import SamplingOptions, sample

        scales = {
            "camera": camera_guidance,
            "identity": identity_guidance,
            "depth": depth_guidance,
            "source": source_guidance,
        }
        options = SamplingOptions(
            seed=seed,
            steps=steps or None,
            cfg=None if cfg < 0 else cfg,
            sampler_name=None if sampler_name == AUTO else sampler_name,
            scheduler=None if scheduler == AUTO else scheduler,
            scales={name: scale for name, scale in scales.items() if scale > 0},
            first_frame_pass=None if anchor < 0 else anchor,
            preview=preview,
            leave_out=leave_out,
        )
        latent, report = sample(model, clip, vae, conditions, prompt, negative, options)
        return io.NodeOutput(latent, report, ui={"text": [report]})
