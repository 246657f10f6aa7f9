"""Crop Reference: one thing cut out of an image and framed as the model knows references."""

from __future__ import annotations

import numpy as np
from comfy_api.latest import io

from ..control.errors import UserError
from . import inputs
from .sockets.arrays import to_images, to_masks, to_tensor


class FullDiTCropReference(io.ComfyNode):
    """A reference from image and mask: background removed or kept, padded to the model's size."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCropReference",
            display_name="Crop Reference (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Cuts the object that a mask marks out of an image and centers it in an image of the model's size, "
                "with its background or on gray."
            ),
            search_aliases=["cut out", "remove background", "crop by mask", "subject", "reference image", "pad"],
            inputs=[
                io.Image.Input("image", tooltip="The image. Several images are several views, each cropped alone."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White on the object, one mask per image. Without masks: the image's alpha, or all.",
                ),
                io.Boolean.Input(
                    "keep_background",
                    default=False,
                    tooltip="Keep what surrounds the object. Off: gray, as the references in training.",
                ),
                *inputs.size("Width of the result in pixels.", "Height of the result in pixels.", default=(672, 384)),
                io.Float.Input(
                    "margin",
                    default=0.06,
                    min=0.0,
                    max=0.45,
                    step=0.01,
                    tooltip="Room around the object, as a share of the centered square that it fills.",
                ),
                io.String.Input(
                    "frames",
                    default="",
                    optional=True,
                    tooltip="Which images of a video become views, such as 0, 8. -1 is the last. Empty: all.",
                ),
                inputs.invert_mask(),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The reference, for Identity."),
                io.Mask.Output(display_name="mask", tooltip="White on the object in the reference, for Identity."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        keep_background=False,
        width=672,
        height=384,
        margin=0.06,
        mask=None,
        frames="",
        invert_mask=False,
    ) -> io.NodeOutput:
        from ..control.identity.mask_input import parse_frame_numbers
        from ..control.identity.reference import crop_reference

        chosen = parse_frame_numbers(frames, len(image)) or range(len(image))
        images = to_images(image[list(chosen)], "the image", channels=(3, 4))
        masks = [None] * len(images)
        if mask is not None:
            # One mask per reference, or per reference that is used.
            masks = to_masks(mask[list(chosen)] if len(mask) == len(image) else mask, "the mask of the reference")
            if len(masks) != len(images):
                raise UserError(
                    f"{len(masks)} masks came with {len(images)} images: connect one mask for each reference."
                )
            masks = 1 - masks if invert_mask else masks
        made = [
            crop_reference(reference, own, keep_background, height, width, margin)
            for reference, own in zip(images, masks, strict=True)
        ]
        return io.NodeOutput(*(to_tensor(np.stack(part)) for part in zip(*made, strict=True)))
