"""The Depth Condition node: a clip of depth images to the one form that the network takes."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.depth import DepthClip, normalize_depth
from ..control.depth.colormaps import decode_images
from ..control.depth.normalize import SCOPES
from .sockets.arrays import to_gray_images, to_images
from .sockets.types import Depth, ImageTensor

KINDS = ["disparity", "inverted", "depth", "auto"]
UNSET = "near = far = 0: use the quantiles."


def _number(name: str, default: float, low: float, high: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(
        name, default=default, min=low, max=high, step=0.01, advanced=True, optional=True, tooltip=tooltip
    )


class FullDiTDepth(io.ComfyNode):
    """Depth from an IMAGE batch, normalized over the whole clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTDepth",
            display_name="Depth from Depth Images (FullDiT)",
            category="FullDiT/depth",
            description=(
                "For depth images that you have already: a depth clip as a condition, near = 1, far = 0, normalized "
                "over the whole clip. Extract Depth from Video makes depth where there is none."
            ),
            search_aliases=["depth map", "depth video", "disparity", "normalize depth"],
            inputs=[
                io.Image.Input("images", tooltip="One depth image per frame of the video."),
                io.Combo.Input(
                    "kind",
                    options=KINDS,
                    default="disparity",
                    tooltip=(
                        "disparity: near is bright, as most depth videos have it. inverted: near is dark. "
                        "depth: the values are distances. auto: disparity if all are within 0 and 1, else depth."
                    ),
                ),
                _number("low", 0.02, 0.0, 0.49, "Values below this quantile become 0 (far)."),
                _number("high", 0.98, 0.51, 1.0, "Values above this quantile become 1 (near)."),
                io.Combo.Input(
                    "scope",
                    options=list(SCOPES),
                    default="clip",
                    advanced=True,
                    optional=True,
                    tooltip="clip: one range for all frames. frame: one for each, which flickers.",
                ),
                _number("near", 0.0, -1e6, 1e6, f"This value of the images becomes 1. {UNSET}"),
                _number("far", 0.0, -1e6, 1e6, f"This value of the images becomes 0. {UNSET}"),
            ],
            outputs=[
                Depth.Output(display_name="depth", tooltip="For Conditions."),
                io.Image.Output(display_name="normalized", tooltip="The depth as the network sees it."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: ImageTensor,
        kind: str,
        low: float = 0.02,
        high: float = 0.98,
        scope: str = "clip",
        near: float = 0.0,
        far: float = 0.0,
    ) -> io.NodeOutput:
        fixed = (near, far) if near or far else (None, None)
        frames, _, warnings = decode_images(to_images(images, "the depth clip"), kind, "the depth clip")
        clip = normalize_depth(frames, kind=kind, low=low, high=high, scope=scope, near=fixed[0], far=fixed[1])
        if warnings:
            recipe = {**clip.recipe, "warnings": [*clip.recipe.get("warnings", []), *warnings]}
            clip = DepthClip(clip.values, recipe)
        return io.NodeOutput(clip, to_gray_images(clip.values))
