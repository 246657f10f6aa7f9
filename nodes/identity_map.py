"""Identity Map Preview: who is where, in the slots' colors, alone and over the video."""

from __future__ import annotations

from collections.abc import Mapping

from comfy_api.latest import io

from ..control.identity import Identity
from ..control.identity.slots import SLOTS
from . import inputs
from .conditions import identity_inputs
from .page.identity_preview import preview_identities
from .page.messages import image_and_text
from .sockets.arrays import to_tensor
from .sockets.types import ImageTensor, MaskTensor


class FullDiTIdentityMap(io.ComfyNode):
    """The identity map as the network gets it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTIdentityMap",
            display_name="Identity Map Preview (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Shows who is where in every frame: the first identity in red, the second in green, the third in blue, "
                "as the network sees them, and the same over the video. Reports empty frames and overlaps."
            ),
            search_aliases=["show masks", "mask overlay", "who is where", "segmentation map", "visualize masks"],
            inputs=[
                identity_inputs("The identities, in the same order as in Conditions. Or connect masks.", SLOTS),
                *(
                    io.Mask.Input(
                        f"track{slot}",
                        optional=True,
                        tooltip=f"Masks per frame instead of identities, shown in {color}.",
                    )
                    for slot, color in ((1, "red"), (2, "green"), (3, "blue"))
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="The video, or one image, below the colors. Without it: gray."
                ),
                io.Float.Input(
                    "opacity", default=0.5, min=0.0, max=1.0, step=0.05, tooltip="Opacity of the colors over the video."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="map", tooltip="Colors on black, in the size of the masks."),
                io.Image.Output(display_name="overlay", tooltip="The same over the video, in the size of the video."),
                io.String.Output(display_name="report", tooltip="Where each identity is, and warnings."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        opacity: float = 0.5,
        identities: Mapping[str, Identity | None] | None = None,
        track1: MaskTensor | None = None,
        track2: MaskTensor | None = None,
        track3: MaskTensor | None = None,
        images: ImageTensor | None = None,
        **beyond: object,
    ) -> io.NodeOutput:
        inputs.refuse_beyond(beyond, "Identity Map Preview", f"up to {SLOTS} identities, as FullDiT models do")
        preview = preview_identities(inputs.connected(identities), (track1, track2, track3), images, opacity)
        message = image_and_text(preview.shown, preview.report, cls)
        return io.NodeOutput(to_tensor(preview.map), to_tensor(preview.overlay), preview.report, ui=message)
