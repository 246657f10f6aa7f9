"""Mask Painter and Edit Track: the nodes behind the page's painter. Their state is JSON in a widget, drawn here."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..control.identity import paint
from ..control.identity.slots import SLOTS
from ..control.identity.state import state_from_json
from . import inputs
from .followed import follow
from .page.painter import edit_tracks, paint_masks
from .page.temporary import losses
from .sockets.arrays import to_tensor
from .sockets.types import HostModel, ImageTensor, MaskTensor


def _outputs() -> list[io.Output]:
    """Return the outputs of both nodes: a track for each slot, and a report."""
    tracks = [
        io.Mask.Output(
            display_name=f"track{number}",
            tooltip=f"White where slot {number} is, one mask per frame; all black if there is no such slot.",
        )
        for number in range(1, SLOTS + 1)
    ]
    report = io.String.Output(display_name="report", tooltip="Keyframes, empty frames, gaps and overlaps of the slots.")
    return [*tracks, report]


class FullDiTMaskPainter(io.ComfyNode):
    """Masks painted on the page, over frames or an empty stage, with keyframes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTMaskPainter",
            display_name="Mask Painter (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Paint who is where: up to three slots with masks at a few keyframes, and every frame between them "
                "drawn for you. Over the frames of a video or on an empty canvas."
            ),
            search_aliases=["mask editor", "paint mask", "rotoscope", "roto", "keyframe mask", "mask track"],
            inputs=[
                io.String.Input(
                    "masks",
                    default=paint.empty_state(),
                    socketless=True,
                    tooltip="The slots and their keyframes as JSON, written by the painter: all that the node needs.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="Frames to paint over, shown after a run. The masks get their number and size.",
                ),
                inputs.frames("Number of masks if no images are connected."),
                *inputs.size(
                    "Width of the masks if no images are connected.",
                    "Height of the masks if no images are connected.",
                ),
                inputs.followed_model(" Connected images go first."),
            ],
            outputs=_outputs(),
            is_output_node=True,  # can be run alone, to bring the frames to the page
            has_intermediate_output=True,  # the page hears of the frames again where the result was kept
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Return another number when the files that the page shows are gone, so that the node runs again."""
        return losses()

    @classmethod
    def validate_inputs(cls, masks: str | None) -> bool | str:
        """Refuse broken masks before anything runs, with a sentence on the node; a linked text is not known yet."""
        return masks is None or inputs.validity(lambda: state_from_json(masks))

    @classmethod
    def execute(
        cls,
        masks: str,
        frames: int,
        width: int,
        height: int,
        images: ImageTensor | None = None,
        model: HostModel | None = None,
    ) -> io.NodeOutput:
        own = follow(model if images is None else None)
        result = paint_masks(masks, own.frames_of(frames), *own.size_of(width, height), images)
        message = {**(own.message() or {}), **result.message}
        return io.NodeOutput(*map(to_tensor, result.tracks), result.report, ui=message)


class FullDiTEditTrack(io.ComfyNode):
    """A track from elsewhere as keys that can be edited on the page."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTEditTrack",
            display_name="Edit Masks (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Turns masks per frame from other nodes (SAM3, propagation, any MASK batch) into a few keyframes that "
                "you correct in the painter. Once you edit, your edits are kept."
            ),
            search_aliases=["edit track", "mask editor", "rotoscope", "SAM3", "fix mask", "keyframes", "refine mask"],
            inputs=[
                io.String.Input(
                    "masks",
                    default="",
                    socketless=True,
                    tooltip="The edited keyframes as JSON. Empty until the first edit: the incoming masks pass.",
                ),
                io.String.Input(
                    "source",
                    default="",
                    socketless=True,
                    advanced=True,
                    optional=True,
                    tooltip="Fingerprint of the masks that were edited, to notice when others come in.",
                ),
                io.Mask.Input("track1", tooltip="White where slot 1 is, one mask per frame."),
                io.Mask.Input("track2", optional=True, tooltip="The same for slot 2, of the same length and size."),
                io.Mask.Input("track3", optional=True, tooltip="The same for slot 3, of the same length and size."),
                io.Image.Input(
                    "images", optional=True, tooltip="The video's frames, shown below the masks after a run."
                ),
                io.Float.Input(
                    "accuracy",
                    default=0.95,
                    min=0.5,
                    max=0.99,
                    step=0.01,
                    tooltip="How much of every mask is kept when keyframes are chosen: more takes more keyframes.",
                ),
            ],
            outputs=[
                *_outputs(),
                io.String.Output(display_name="state", tooltip="The keyframes as JSON, as in Mask Painter."),
            ],
            is_output_node=True,  # can be run alone, to bring the track to the page
            has_intermediate_output=True,  # the page hears of it again where the result was kept
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Return another number when the files that the page shows are gone, so that the node runs again."""
        return losses()

    @classmethod
    def validate_inputs(cls, masks: str | None) -> bool | str:
        """Refuse broken masks before anything runs, as Mask Painter does; an empty text stands for the tracks."""
        return masks is None or not masks.strip() or inputs.validity(lambda: state_from_json(masks))

    @classmethod
    def execute(
        cls,
        masks: str,
        track1: MaskTensor,
        accuracy: float = 0.95,
        source: str = "",
        track2: MaskTensor | None = None,
        track3: MaskTensor | None = None,
        images: ImageTensor | None = None,
    ) -> io.NodeOutput:
        result = edit_tracks(masks, (track1, track2, track3), source, accuracy, images)
        return io.NodeOutput(*map(to_tensor, result.tracks), result.report, result.state, ui=result.message)
