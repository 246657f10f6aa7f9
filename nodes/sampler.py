"""FullDiT Sampler: prompt and conditions to a latent through core's samplers, in one node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import comfy.samplers
from comfy_api.latest import io

from ..control.conditions import Conditions
from ..models.families.distilled import DISTILLED
from . import inputs
from .progress import teller
from .sockets import types

if TYPE_CHECKING:
    from .drivers.run import SamplingOptions

OWN = -1  # stands for the model's own value
NONE = "none"
AUTO = "auto"  # the same, in lists


def _scale(name: str, subject: str, having: str) -> io.Float.Input:
    """The guidance scale of a condition. having: the models that have one."""
    return io.Float.Input(
        f"{name}_guidance",
        default=0.0,
        min=0.0,
        max=20.0,
        step=0.1,
        advanced=True,
        optional=True,
        tooltip=(
            f"How strongly the video follows {subject}, apart from the prompt. 0: as the model's authors have it. "
            f"Above 0: this value instead; it exists for {having}, and other models refuse it."
        ),
    )


def sampling_inputs() -> list[io.Input]:
    """Return what a clip is sampled from, for the nodes that do so; their order is that of saved workflows."""
    return [
        io.Model.Input(
            "model",
            tooltip=(
                "From Load FullDiT or Load Video Model. The MODEL of another loader works too, if "
                "docs/models.md of this pack lists the model."
            ),
        ),
        io.Clip.Input(
            "clip",
            tooltip=(
                "The text encoder of the model: from Load FullDiT, or for public models umt5_xxl from Load "
                "CLIP, with the type wan."
            ),
        ),
        io.Vae.Input(
            "vae",
            tooltip=("The VAE of the model: from Load FullDiT, or for public models wan_2.1_vae from Load VAE."),
        ),
        types.Conditions.Input("conditions", tooltip="From Conditions."),
        io.String.Input(
            "prompt",
            multiline=True,
            dynamic_prompts=True,
            default="",
            tooltip="What the video shows, in plain words. May be empty. The report says what the model reads.",
        ),
        io.String.Input(
            "negative",
            multiline=True,
            default="",
            advanced=True,
            optional=True,
            tooltip="What the video should not show. Empty: the text that the model's authors advise.",
        ),
        inputs.seed(),
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=1000,
            tooltip="More steps give more detail and take more time. 0: as many as the model's authors take.",
        ),
        io.Float.Input(
            "cfg",
            default=OWN,
            min=OWN,
            max=30.0,
            step=0.1,
            round=0.01,
            tooltip=(
                "How strongly the video follows the prompt; with FullDiT, the conditions too. -1: the value of "
                "the model's authors. 1: no such guidance, which is faster and what distilled LoRAs need."
            ),
        ),
        io.Combo.Input(
            "sampler_name",
            options=[AUTO, *comfy.samplers.SAMPLER_NAMES],
            default=AUTO,
            tooltip="How noise becomes the video. auto: what the model's authors use.",
        ),
        io.Combo.Input(
            "scheduler",
            options=[AUTO, *comfy.samplers.SCHEDULER_NAMES],
            default=AUTO,
            tooltip="How the steps are spaced. auto: what the model's authors use.",
        ),
        _scale("camera", "the camera", "FullDiT"),
        _scale("identity", "the identities", "FullDiT, Bernini-R and Phantom"),
        _scale("depth", "the depth", "FullDiT"),
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
                "For FullDiT only: this share of the steps generates the first frame, the other steps the "
                "video from it. 0: all frames at once. -1: the checkpoint's own value."
            ),
        ),
        _scale("source", "the source video", "FullDiT and Bernini-R"),
        io.Boolean.Input(
            "leave_out",
            default=False,
            optional=True,
            tooltip=(
                "Off: a condition that the model cannot take stops the run. On: the run goes on without "
                "it, and the report says so."
            ),
        ),
        io.Combo.Input(
            "distilled",
            options=[NONE, *DISTILLED],
            default=NONE,
            optional=True,
            tooltip=(
                "The step-distilled LoRA that you loaded on the model: steps, shift and sampler are then its "
                "own, and all guidance is 1. docs/models.md says which belongs to what."
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
    ]


def sampling_options(
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    camera_guidance: float = 0.0,
    identity_guidance: float = 0.0,
    depth_guidance: float = 0.0,
    preview: bool = True,
    anchor: float = OWN,
    source_guidance: float = 0.0,
    leave_out: bool = False,
    distilled: str = NONE,
    clip_vision: types.HostClipVision | None = None,
) -> SamplingOptions:
    """Return the values of `sampling_inputs`, where 0, -1 and auto stand for the model's own."""
    from .drivers.run import SamplingOptions

    scales = {
        "camera": camera_guidance,
        "identity": identity_guidance,
        "depth": depth_guidance,
        "source": source_guidance,
    }
    return SamplingOptions(
        seed=seed,
        steps=steps or None,
        cfg=None if cfg < 0 else cfg,
        sampler_name=None if sampler_name == AUTO else sampler_name,
        scheduler=None if scheduler == AUTO else scheduler,
        scales={name: scale for name, scale in scales.items() if scale > 0},
        first_frame_pass=None if anchor < 0 else anchor,
        preview=preview,
        leave_out=leave_out,
        distilled=None if distilled == NONE else distilled,
        clip_vision=clip_vision,
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
                "Makes the video's latent from a prompt and conditions, with ComfyUI's own samplers: for FullDiT "
                "checkpoints, and for the public models that docs/models.md lists. Steps, guidance and schedule are "
                "those of the model's authors unless you set them."
            ),
            search_aliases=["sample", "FullDiT", "multi condition sampler"],
            inputs=sampling_inputs(),
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="For VAE Decode."),
                io.String.Output(
                    display_name="report",
                    tooltip="What became of each condition, and how it was sampled. The node shows it too.",
                ),
            ],
            hidden=[io.Hidden.unique_id],  # for the text that it shows while it works
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
        negative: str = "",
        **sampling: Any,
    ) -> io.NodeOutput:
        from .drivers.run import sample

        options = sampling_options(**sampling)
        latent, report = sample(model, clip, vae, conditions, prompt, negative, options, teller(cls))
        return io.NodeOutput(latent, report, ui={"text": [report]})
