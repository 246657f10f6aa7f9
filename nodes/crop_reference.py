"""Crop Reference: one thing cut out of an image and framed as the model knows references."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs
from .sockets.arrays import to_tensor
from .sockets.references import crop_references
from .sockets.types import ImageTensor, MaskTensor


class FullDiTCropReference(io.ComfyNode):
    """A reference from image and mask: background removed or kept, padded to the model's size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
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
                *inputs.size("Width of the result in pixels.", "Height of the result in pixels."),
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
        image: ImageTensor,
        keep_background: bool = False,
        width: int = 832,
        height: int = 480,
        margin: float = 0.06,
        mask: MaskTensor | None = None,
        frames: str = "",
        invert_mask: bool = False,
    ) -> io.NodeOutput:
        references, masks, warnings = crop_references(
            image,
            mask,
            frames,
            invert_mask=invert_mask,
            keep_background=keep_background,
            height=height,
            width=width,
            margin=margin,
        )
        return io.NodeOutput(to_tensor(references), to_tensor(masks), ui={"text": [" ".join(warnings)]})
