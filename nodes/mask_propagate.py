"""Propagate Mask: a mask of one frame, or of a few, followed through a video."""

from __future__ import annotations

from comfy_api.latest import io

from .progress import progress, stop_if_canceled
from .sockets.arrays import to_images, to_masks, to_tensor
from .sockets.types import ImageTensor, MaskTensor


class FullDiTPropagateMask(io.ComfyNode):
    """A track from a few masks, by optical flow and color."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTPropagateMask",
            display_name="Propagate Mask (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Follows the object that a mask marks through a video, forward and backward, on the CPU and without a "
                "download. With masks at several frames, it follows the object from each to the next."
            ),
            search_aliases=["track object", "rotoscope", "roto", "video mask", "optical flow", "mask tracking"],
            inputs=[
                io.Image.Input("images", tooltip="The video."),
                io.Mask.Input(
                    "mask",
                    tooltip=(
                        "White on the object: one mask, one for each frame named in 'at', or one for every frame of "
                        "the video. A black mask says that the object has left the frame there."
                    ),
                ),
                io.String.Input(
                    "at",
                    default="0",
                    tooltip=(
                        "The frames of the masks, such as 0, 12, 24. 0 is the first, -1 the last. Empty: there are as "
                        "many masks as frames, and those that are not black are used."
                    ),
                ),
                io.Boolean.Input(
                    "refine",
                    default=True,
                    tooltip="Cut each mask again by color. Off: masks only move with the image, which is faster.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="track", tooltip="One mask per frame, for Identity or Edit Masks."),
                io.String.Output(
                    display_name="report", tooltip="Where the object was lost, which frames to check, and why."
                ),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(cls, images: ImageTensor, mask: MaskTensor, at: str = "0", refine: bool = True) -> io.NodeOutput:
        from ..control.identity.follow import follow

        frames = to_images(images, "the video")
        with progress(len(frames)) as step:
            track, report = follow(frames, to_masks(mask, "the mask"), at, refine, step, stop_if_canceled)
        return io.NodeOutput(to_tensor(track), report, ui={"text": [report]})
