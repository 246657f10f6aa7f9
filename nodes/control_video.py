"""The Control Video node: edges, poses, regions, normals or movements that a clip is to have, as images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from comfy_api.latest import io

from ..control.conditions import ControlVideoCondition
from ..control.control_video.detect import FROM_FRAMES, FROM_MASKS, check_detected, detect, from_masks
from ..control.control_video.kinds import KINDS, ControlVideo, check_kind
from ..control.control_video.regions import stack_masks
from ..control.errors import UserError
from ..control.identity.preview import tile_frames
from . import inputs
from .page.messages import image_and_text
from .sockets.arrays import to_images, to_masks, to_tensor
from .sockets.types import Condition, ImageTensor, MaskTensor

AS_GIVEN, DETECT = "as given", "detect"
MOST_MASKS = 8


class FullDiTControlVideo(io.ComfyNode):
    """One control video, as it is given or made of footage or masks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTControlVideo",
            display_name="Control Video (FullDiT)",
            category="FullDiT",
            description=(
                "A control video of one kind as a condition: edges, poses, regions, normals, flow, tracks or boxes. "
                "Connect images that another node has made (Canny, DWPose and the like), or a video or masks to make "
                "them of. Several of these nodes, each of another kind, can hold at once."
            ),
            search_aliases=["ControlNet", "canny", "pose", "HED", "scribble", "MLSD", "optical flow", "control images"],
            inputs=[
                io.Combo.Input(
                    "kind", options=list(KINDS), default="canny", tooltip="What the images show; see the help page."
                ),
                io.Combo.Input(
                    "source",
                    options=[AS_GIVEN, DETECT],
                    default=AS_GIVEN,
                    tooltip=(
                        "as given: the images are the control video already. detect: it is made here, of the images "
                        f"({', '.join(FROM_FRAMES)}) or of the masks ({', '.join(FROM_MASKS)})."
                    ),
                ),
                io.Image.Input("images", optional=True, tooltip="One image per frame of the video."),
                inputs.growing(
                    "masks",
                    io.Mask.Input("mask", optional=True, tooltip="Where one region or object is, a mask per frame."),
                    "mask",
                    MOST_MASKS,
                    "Masks to make segmentation or boxes of, one batch per region. A new socket appears when the last "
                    "one is connected.",
                ),
                *inputs.weight("the control video"),
            ],
            outputs=[
                Condition.Output(display_name="condition", tooltip="For Conditions: a socket under 'conditions'."),
                io.Image.Output(display_name="images", tooltip="The control video as the network sees it."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, kind: str | None, source: str | None) -> bool | str:
        """Refuse a kind that cannot be detected before anything runs; a linked value is not known yet."""

        def check() -> None:
            if kind is not None:
                check_kind(kind)
            if source not in (None, AS_GIVEN, DETECT):
                raise UserError(f"source is {source!r}; '{AS_GIVEN}' or '{DETECT}' was expected")
            if source == DETECT and kind is not None and kind not in FROM_MASKS:
                check_detected(kind)

        return inputs.validity(check)

    @classmethod
    def execute(
        cls,
        kind: str,
        source: str,
        images: ImageTensor | None = None,
        masks: Mapping[str, MaskTensor | None] | None = None,
        strength: float = 1.0,
        start: float = 0.0,
        end: float = 1.0,
        **beyond: object,
    ) -> io.NodeOutput:
        inputs.refuse_beyond(beyond, "Control Video", f"up to {MOST_MASKS} masks")
        frames = _frames(kind, source, images, inputs.connected(masks))
        video = ControlVideo(kind, frames, strength, start, end)
        shows = f"{KINDS[kind][:1].upper()}{KINDS[kind][1:]}"
        report = f"{kind}, {source}: {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}. {shows}."
        condition = ControlVideoCondition(videos=(video,))
        message = image_and_text(tile_frames(video.frames), report, cls)
        return io.NodeOutput(condition, to_tensor(video.frames), ui=message)


def _frames(kind: str, source: str, images: ImageTensor | None, masks: list[MaskTensor]) -> np.ndarray:
    """Return the control video (F, H, W, 3). Raises UserError where nothing is connected to make it of."""
    if source == DETECT and kind in FROM_MASKS:
        if not masks:
            raise UserError(f"The control video '{kind}' is made from masks, and none is connected: connect one each.")
        return from_masks(kind, stack_masks([to_masks(mask, f"mask {k}") for k, mask in enumerate(masks, 1)])).frames
    if images is None:
        raise UserError(f"The control video '{kind}' needs images, and none are connected: connect a video or images.")
    frames = to_images(images, f"the control video '{kind}'")
    return frames if source == AS_GIVEN else detect(kind, frames).frames
