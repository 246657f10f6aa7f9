"""Upscale Video: a video with longer sides, by an upsampler checkpoint of this pack."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs
from .progress import teller
from .sockets import types
from .sockets.arrays import to_images, to_tensor

OWN = -1  # stands for the checkpoint's own value


class FullDiTUpscaleVideo(io.ComfyNode):
    """The low-resolution video beside the noise, a few steps, windows over time."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTUpscaleVideo",
            display_name="Upscale Video (FullDiT)",
            category="FullDiT",
            description=(
                "Makes a video with longer sides of one with fewer pixels, by a FullDiT upsampler checkpoint: a few "
                "steps with the small video beside the noise, by windows over time."
            ),
            search_aliases=["upsampler", "super resolution", "cascade", "enlarge video", "SeedVR2", "2x"],
            inputs=[
                io.Model.Input("model", tooltip="From Load FullDiT: a checkpoint that was trained as an upsampler."),
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint, from Load FullDiT."),
                io.Vae.Input("vae", tooltip="The VAE of the checkpoint, from Load FullDiT."),
                io.Image.Input("images", tooltip="The small video, one image per frame, such as that of VAE Decode."),
                inputs.fps("Frames per second of the video."),
                io.Int.Input(
                    "factor",
                    default=2,
                    min=2,
                    max=4,
                    tooltip="How many times as long the sides become; 2 is what upsamplers are trained for.",
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="What the video shows: the prompt that it was made from. May be empty.",
                ),
                inputs.seed(),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=100,
                    tooltip="4 to 8 are enough, as the small video says most. 0: the checkpoint's own.",
                ),
                io.Float.Input(
                    "noise",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Noise on the small video: the more, the less is kept of its faults, and of it.",
                ),
                io.Int.Input(
                    "window",
                    default=0,
                    min=0,
                    max=1025,
                    advanced=True,
                    optional=True,
                    tooltip="Frames seen at a time, a multiple of 4, plus 1. 0: as the checkpoint was trained.",
                ),
                io.Int.Input(
                    "overlap",
                    default=OWN,
                    min=OWN,
                    max=1024,
                    advanced=True,
                    optional=True,
                    tooltip="Frames that neighboring windows share, where they are blended. -1: about half.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The large video, for Video Combine."),
                io.String.Output(
                    display_name="report",
                    tooltip="How it was sampled, and what lies beyond what the model was trained on.",
                ),
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
        images: types.ImageTensor,
        fps: float,
        factor: int,
        prompt: str = "",
        seed: int = 0,
        steps: int = 0,
        noise: float = 0.0,
        window: int = 0,
        overlap: int = OWN,
    ) -> io.NodeOutput:
        from .drivers.run import SamplingOptions
        from .drivers.upscale import upscale

        large, report = upscale(
            model,
            clip,
            vae,
            to_images(images, "the small video"),
            fps,
            factor,
            prompt,
            SamplingOptions(seed=seed, steps=steps or None, first_frame_pass=0.0),
            noise,
            window or None,
            None if overlap < 0 else overlap,
            teller(cls),
        )
        return io.NodeOutput(to_tensor(large), report, ui={"text": [report]})
