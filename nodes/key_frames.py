"""Key Frames and Between Key Frames: a long clip in two levels, its key frames first."""

from __future__ import annotations

from comfy_api.latest import io

from ..control import key_frames
from ..control.conditions import Conditions
from .sockets import types
from .sockets.arrays import to_images

# One distance for both nodes, so that one widget can be connected to both.
MOST = 64


def _every() -> io.Int.Input:
    return io.Int.Input(
        "every",
        default=4,
        min=2,
        max=MOST,
        tooltip="The distance between key frames: every so many frames. The clip's last frame must be one of them.",
    )


class FullDiTKeyFrames(io.ComfyNode):
    """The conditions of a clip's key frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTKeyFrames",
            display_name="Key Frames (FullDiT)",
            category="FullDiT",
            description=(
                "The conditions of a long clip's key frames: every n-th frame as a clip of its own, in the same time. "
                "Sample it first, then what lies between with Between Key Frames: so the far ends of a clip agree."
            ),
            search_aliases=["hierarchical", "long video", "keyframe", "every nth frame"],
            inputs=[
                types.Conditions.Input("conditions", tooltip="The conditions of the whole clip."),
                _every(),
            ],
            outputs=[
                types.Conditions.Output(
                    display_name="conditions", tooltip="The conditions of the key frames, for the sampler."
                ),
                io.Int.Output(display_name="frames", tooltip="How many key frames there are."),
                io.Float.Output(display_name="fps", tooltip="Frames per second of the key frames alone."),
            ],
        )

    @classmethod
    def execute(cls, conditions: Conditions, every: int) -> io.NodeOutput:
        thinned = key_frames.at_key_frames(conditions, every)
        return io.NodeOutput(thinned, thinned.video.frames, thinned.fps)


class FullDiTBetweenKeyFrames(io.ComfyNode):
    """The conditions of a whole clip whose key frames are known."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTBetweenKeyFrames",
            display_name="Between Key Frames (FullDiT)",
            category="FullDiT",
            description=(
                "The conditions of a whole clip, in which its finished key frames are known, so that the sampler makes "
                "what lies between. For a model that takes known frames; long clips by context windows."
            ),
            search_aliases=["hierarchical", "long video", "in-between", "interpolate"],
            inputs=[
                types.Conditions.Input("conditions", tooltip="The conditions of the whole clip, as for Key Frames."),
                io.Image.Input("images", tooltip="The finished key frames, in their order."),
                _every(),
            ],
            outputs=[
                types.Conditions.Output(
                    display_name="conditions", tooltip="The conditions of the whole clip, for the sampler."
                ),
            ],
        )

    @classmethod
    def execute(cls, conditions: Conditions, images: types.ImageTensor, every: int) -> io.NodeOutput:
        return io.NodeOutput(
            key_frames.between_key_frames(conditions, to_images(images, "the batch of key frames"), every)
        )
