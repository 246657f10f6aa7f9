"""FullDiT Example: the files of `assets/` as outputs, so that a fresh install has something to run."""

from __future__ import annotations

from comfy_api.latest import io

from .sockets.arrays import to_tensor
from .sockets.assets import SIZES, read_example_assets
from .sockets.types import Camera


class FullDiTExample(io.ComfyNode):
    """Inputs of the demo: an image of an object, where it stands, a depth clip, a camera path and a prompt."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTExample",
            display_name="Example Inputs (FullDiT)",
            category="FullDiT",
            description=(
                "The input files that come with this pack, to try things with. For your own, use Load Image, "
                "Load Video and Load Camera File instead."
            ),
            search_aliases=["demo", "assets", "sample inputs"],
            inputs=[
                io.Combo.Input(
                    "size",
                    options=list(SIZES),
                    optional=True,
                    default=next(iter(SIZES)),
                    tooltip=(
                        "Of the masks, the depth clip and the camera path. Set frames, width and height of Conditions "
                        "to the same: the embedded model was trained on both."
                    ),
                )
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="An image of an object."),
                io.Mask.Output(display_name="mask", tooltip="White where the object is in the image."),
                io.Mask.Output(display_name="track", tooltip="White where the object is, one mask per frame."),
                io.Image.Output(display_name="depth", tooltip="A depth clip; near is bright."),
                Camera.Output(display_name="camera", tooltip="The camera path that belongs to the depth clip."),
                io.String.Output(display_name="prompt", tooltip="What the clip shows, in words."),
            ],
        )

    @classmethod
    def execute(cls, size: str = next(iter(SIZES))) -> io.NodeOutput:
        image, mask, track, depth, camera, prompt = read_example_assets(size)
        return io.NodeOutput(to_tensor(image), to_tensor(mask), to_tensor(track), to_tensor(depth), camera, prompt)
