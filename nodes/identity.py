"""The Identity node: one person or object, how it looks, and where it is."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.identity import Identity as Slot
from ..control.identity.mask_input import fit_mask, inverted_mask_warning
from ..control.strength import check_strength
from . import inputs
from .sockets.arrays import to_images, to_masks
from .sockets.types import Identity, ImageTensor, MaskTensor


class FullDiTIdentity(io.ComfyNode):
    """One identity from reference images, an optional cut-out mask and an optional mask per frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTIdentity",
            display_name="Identity (FullDiT)",
            category="FullDiT/identity",
            description="One person or object: how it looks (images) and where it is (a mask per frame).",
            search_aliases=["subject", "reference image", "character", "mask track"],
            inputs=[
                io.String.Input("name", default="object", tooltip="Name in warnings and errors."),
                io.Image.Input(
                    "image", tooltip="One or more images of the identity. Several images are several views."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where the identity is in the first image; the rest is removed.",
                ),
                io.Mask.Input(
                    "track",
                    optional=True,
                    tooltip="White where the identity is, one mask per video frame. Without it, the model decides.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=5.0,
                    step=0.05,
                    tooltip="Strength of the identity; 0 leaves it out.",
                ),
                inputs.invert_mask(),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    optional=True,
                    tooltip="It has an effect from this share of sampling on: 0 is the first step.",
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    optional=True,
                    tooltip="It has an effect up to this share of sampling: 1 is the last step.",
                ),
            ],
            outputs=[Identity.Output(display_name="identity", tooltip="For Conditions.")],
        )

    @classmethod
    def validate_inputs(cls, strength: float | None, start: float | None = 0.0, end: float | None = 1.0) -> bool | str:
        """Refuse a range of sampling without a step before anything runs; a linked number is not known yet."""
        if strength is None or start is None or end is None:
            return True
        return inputs.validity(lambda: check_strength(strength, start, end, "the identity"))

    @classmethod
    def execute(
        cls,
        name: str,
        image: ImageTensor,
        strength: float = 1.0,
        mask: MaskTensor | None = None,
        track: MaskTensor | None = None,
        invert_mask: bool = False,
        start: float = 0.0,
        end: float = 1.0,
    ) -> io.NodeOutput:
        images = to_images(image, f"the image of identity '{name}'", max_channels=4)
        cut = None
        if mask is not None:
            cut = to_masks(mask, f"the mask of identity '{name}'")[0]
            if invert_mask:
                cut = 1 - cut
            height, width = images.shape[1:3]
            cut = fit_mask(cut, height, width, f"the mask of identity '{name}'", "its image")
        where = None if track is None else to_masks(track, f"the track of identity '{name}'")
        slot = Slot(name.strip() or "object", tuple(images), cut, where, strength=strength, start=start, end=end)
        warnings = inverted_mask_warning(slot.mask, f"the mask of identity '{slot.name}'")
        return io.NodeOutput(slot, ui={"text": [" ".join(warnings)]})
