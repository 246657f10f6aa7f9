"""Identity Map Preview: who is where, in the slots' colors, alone and over the video."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.errors import UserError
from ..control.identity import NamedTrack
from .conditions import identity_inputs, in_order
from .progress import progress
from .sockets.arrays import to_images, to_masks, to_tensor


class FullDiTIdentityMap(io.ComfyNode):
    """The identity map as the network gets it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTIdentityMap",
            display_name="Identity Map Preview (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Who is where, frame by frame: the first identity red, the second green, the third blue, as the "
                "network gets them, and the same over the video. Says which frames are empty and what overlaps."
            ),
            search_aliases=["show masks", "mask overlay", "who is where", "segmentation map", "visualize masks"],
            inputs=[
                identity_inputs("The identities, in the order that Conditions gets them. Or connect tracks."),
                *(
                    io.Mask.Input(
                        f"track{slot}",
                        optional=True,
                        tooltip=f"A mask per frame in the place of identities: it is shown in {color}.",
                    )
                    for slot, color in ((1, "red"), (2, "green"), (3, "blue"))
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="The video, or one image, to lay the map over. Without it: gray."
                ),
                io.Float.Input(
                    "opacity", default=0.5, min=0.0, max=1.0, step=0.05, tooltip="How strong the colors are over it."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="map", tooltip="Colors on black, in the size of the tracks."),
                io.Image.Output(display_name="overlay", tooltip="The same over the video, in the size of the video."),
                io.String.Output(display_name="report", tooltip="Where each is, and what may not be meant."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, opacity=0.5, identities=None, track1=None, track2=None, track3=None, images=None) -> io.NodeOutput:
        from comfy_api.latest import UI

        from ..control.identity.preview import sheet, slot_preview

        slots = in_order(identities)
        tracks = [track1, track2, track3]
        if any(track is not None for track in tracks):
            if slots:
                raise UserError("Both identities and tracks are connected: leave one of them out.")
            slots = [
                None if track is None else NamedTrack(f"track{slot}", to_masks(track, f"track{slot}"))
                for slot, track in enumerate(tracks, 1)
            ]
        under = None if images is None else to_images(images, "the video")
        with progress(max((len(s.track) for s in slots if s is not None and s.track is not None), default=1)) as step:
            painted, over, report = slot_preview(slots, under, opacity, step)
        # The node itself shows a few frames; all of them are in the outputs.
        shown = UI.PreviewImage(to_tensor(sheet(over)[None]), cls=cls).as_dict() | {"text": [report]}
        return io.NodeOutput(to_tensor(painted), to_tensor(over), report, ui=shown)
