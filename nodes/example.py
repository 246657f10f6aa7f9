"""FullDiT Example: the files of `assets/` as outputs, so that a fresh install has something to run."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..control.errors import UserError
from .sockets.arrays import to_tensor
from .sockets.types import Camera

ASSETS = Path(__file__).resolve().parent.parent / "assets"
FILES = ("reference.png", "reference_mask.png", "mask.mp4", "depth.mp4", "camera.json", "prompt.txt")


class FullDiTExample(io.ComfyNode):
    """Inputs of the demo: an image of an object, where it stands, a depth clip, a camera path and a prompt."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTExample",
            display_name="Example Inputs (FullDiT)",
            category="FullDiT",
            description=(
                "The input files that come with this pack, to try things with. For your own, use Load Image, "
                "Load Video and Load Camera File instead."
            ),
            search_aliases=["demo", "assets", "sample inputs"],
            inputs=[],
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
    def execute(cls) -> io.NodeOutput:
        from ..control.camera.formats import read_camera
        from ..control.media import read_image, read_mask, read_video

        missing = [name for name in FILES if not (ASSETS / name).is_file()]
        if missing:
            raise UserError(
                f"Example files are missing from the pack's folder assets: {', '.join(missing)}. "
                f"Install the pack again, or use your own files."
            )
        image = read_image(ASSETS / "reference.png")[..., :3]
        return io.NodeOutput(
            to_tensor(image[None]),
            to_tensor(read_mask(ASSETS / "reference_mask.png")[None]),
            to_tensor(read_video(ASSETS / "mask.mp4").mean(-1) > 0.5),
            to_tensor(read_video(ASSETS / "depth.mp4")),
            read_camera(ASSETS / "camera.json"),
            (ASSETS / "prompt.txt").read_text(encoding="utf-8").strip(),
        )
