"""The Known Frames node: frames of the new video, or regions of them, that are there already."""

from __future__ import annotations

import numpy as np
from comfy_api.latest import io

from ..control.conditions import KnownFramesCondition
from ..control.frame_spans import parse_frames, take_frames
from ..control.identity.mask_input import fit_mask
from ..control.known_frames_condition import MASK, MOST_NOISE
from . import inputs
from .sockets.arrays import to_images, to_masks
from .sockets.types import Condition, ImageTensor, MaskTensor

MOST_FRAMES = 10**5  # of any video, so that a text is checked before the video's length is known


class FullDiTKnownFrames(io.ComfyNode):
    """Known frames and regions from an IMAGE batch and a MASK, as a condition."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTKnownFrames",
            display_name="Known Frames (FullDiT)",
            category="FullDiT",
            description=(
                "Frames of the new video, or regions of them, that are known: a start and an end image, a clip to go "
                "on from, what is kept around a region to be painted anew, an image to be continued beyond its edges."
            ),
            search_aliases=["first last frame", "image to video", "inpaint", "outpaint", "extend video", "keyframe"],
            inputs=[
                io.Image.Input(
                    "images", tooltip="The known images, one for each frame that 'frames' names, in their order."
                ),
                io.String.Input(
                    "frames",
                    default="first",
                    tooltip=(
                        "Where they stand, counted from 0: first, last, 0-8, 0,16, first,last. With several images, "
                        "first or last alone are as many frames."
                    ),
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip=(
                        "White where an image is known: one mask for all, or one per image. What is black is made anew."
                    ),
                ),
                inputs.invert_mask(),
                io.Float.Input(
                    "noise",
                    default=0.0,
                    min=0.0,
                    max=MOST_NOISE,
                    step=0.01,
                    optional=True,
                    tooltip="Noise on the known images: above 0, the video may depart from them. 0.05 is a little.",
                ),
                *inputs.weight("the known frames"),
                io.String.Input(
                    "take",
                    default="",
                    optional=True,
                    tooltip=(
                        "Which of the images are taken, as in 'frames'; all if empty. last:17 takes the last 17 of a "
                        "clip, to go on from them."
                    ),
                ),
            ],
            outputs=[Condition.Output(display_name="condition", tooltip="For Conditions.")],
        )

    @classmethod
    def validate_inputs(cls, frames: str | None) -> bool | str:
        """Refuse a text that names no frames before any work; a linked one is not known yet."""
        return True if frames is None else inputs.validity(lambda: parse_frames(frames, MOST_FRAMES, 1))

    @classmethod
    def execute(
        cls,
        images: ImageTensor,
        frames: str,
        strength: float = 1.0,
        mask: MaskTensor | None = None,
        invert_mask: bool = False,
        noise: float = 0.0,
        start: float = 0.0,
        end: float = 1.0,
        take: str = "",
    ) -> io.NodeOutput:
        known, region = to_images(images, "the clip of known images"), None
        taken = take_frames(take, len(known), "the clip of known images")
        if mask is not None:
            masks, (height, width) = to_masks(mask, MASK), known.shape[1:3]
            masks = 1 - masks if invert_mask else masks
            region = np.stack([fit_mask(one, height, width, MASK, "the images") for one in masks])
            region = region[taken] if len(region) == len(known) else region
        return io.NodeOutput(
            KnownFramesCondition(
                images=known[taken], mask=region, at=frames, noise=noise, strength=strength, start=start, end=end
            )
        )
