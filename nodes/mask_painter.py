"""Mask Painter and Edit Track: the nodes behind the page's painter. Their state is JSON in a widget, drawn here."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.identity import paint
from ..control.identity.slots import SLOTS
from ..control.identity.state import state_from_json
from . import inputs
from .page.painter import edit_tracks, paint_masks
from .sockets.arrays import to_tensor
from .sockets.types import ImageTensor, MaskTensor


def _outputs() -> list[io.Output]:
    """Return the outputs of both nodes: a track for each slot, and a report."""
    tracks = [
        io.Mask.Output(
            display_name=f"track{number}",
            tooltip=f"Where slot {number} stands, one mask per frame; all black where there is no such slot.",
        )
        for number in range(1, SLOTS + 1)
    ]
    report = io.String.Output(display_name="report", tooltip="Keys, empty frames, gaps and overlaps of the slots.")
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
                "Paint who stands where: up to three slots with masks at a few frames, and every frame between them "
                "drawn for you. Over the frames of a video or an empty stage."
            ),
            search_aliases=["mask editor", "paint mask", "rotoscope", "roto", "keyframe mask", "mask track"],
            inputs=[
                io.String.Input(
                    "masks",
                    default=paint.empty_state(),
                    socketless=True,
                    tooltip="The slots and their keys as JSON: what the painter draws, and all that the node needs.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="Frames to paint over, shown after a run. The tracks get their number and size.",
                ),
                inputs.frames("Length of the tracks where no images are connected."),
                *inputs.size(
                    "Width of the tracks where no images are connected.",
                    "Height of the tracks where no images are connected.",
                ),
            ],
            outputs=_outputs(),
            is_output_node=True,  # can be run alone, to bring the frames to the page
            has_intermediate_output=True,  # the page hears of the frames again where the result was kept
        )

    @classmethod
    def validate_inputs(cls, masks: str | None) -> bool | str:
        """Refuse broken masks before anything runs, with a sentence on the node; a linked text is not known yet."""
        return masks is None or inputs.validity(lambda: state_from_json(masks))

    @classmethod
    def execute(
        cls, masks: str, frames: int, width: int, height: int, images: ImageTensor | None = None
    ) -> io.NodeOutput:
        result = paint_masks(masks, frames, width, height, images)
        return io.NodeOutput(*map(to_tensor, result.tracks), result.report, ui=result.message)


class FullDiTEditTrack(io.ComfyNode):
    """A track from elsewhere as keys that can be edited on the page."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTEditTrack",
            display_name="Edit Track (FullDiT)",
            category="FullDiT/identity",
            description=(
                "Turns tracks that were found elsewhere (SAM3, propagation, any mask per frame) into a few keys and "
                "lets you mend them in the painter. Once edited, the edits hold."
            ),
            search_aliases=["mask editor", "rotoscope", "SAM3", "fix mask", "keyframes", "mask track", "refine mask"],
            inputs=[
                io.String.Input(
                    "masks",
                    default="",
                    socketless=True,
                    tooltip="The edited keys as JSON; empty until the first edit, so the tracks pass as keys.",
                ),
                io.String.Input(
                    "source",
                    default="",
                    socketless=True,
                    advanced=True,
                    optional=True,
                    tooltip="The fingerprint of the tracks that were edited: tells when others come in.",
                ),
                io.Mask.Input("track1", tooltip="White where slot 1 stands, one mask per frame."),
                io.Mask.Input("track2", optional=True, tooltip="The same of slot 2; of the same length and size."),
                io.Mask.Input("track3", optional=True, tooltip="The same of slot 3; of the same length and size."),
                io.Image.Input(
                    "images", optional=True, tooltip="The video's frames, shown below the masks after a run."
                ),
                io.Float.Input(
                    "accuracy",
                    default=0.95,
                    min=0.5,
                    max=0.99,
                    step=0.01,
                    tooltip="How much of its mask every frame keeps when keys are chosen: more asks for more keys.",
                ),
            ],
            outputs=[
                *_outputs(),
                io.String.Output(display_name="state", tooltip="The keys as JSON, as Mask Painter has them."),
            ],
            is_output_node=True,  # can be run alone, to bring the track to the page
            has_intermediate_output=True,  # the page hears of it again where the result was kept
        )

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
