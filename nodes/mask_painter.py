"""Mask Painter and Edit Track: the nodes behind the page's painter. Their state is JSON in a widget, drawn here."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.identity import paint
from ..control.identity.state import state_from_json
from . import inputs
from .progress import progress
from .sockets.arrays import to_masks, to_tensor


def _outputs(*more: io.String.Output) -> list:
    """Tracks of the slots, and what is to be said about them."""
    tracks = [
        io.Mask.Output(
            display_name=f"track{number}",
            tooltip=f"Where slot {number} stands, one mask per frame; all black where there is no such slot.",
        )
        for number in range(1, paint.SLOTS + 1)
    ]
    report = io.String.Output(display_name="report", tooltip="Keys, empty frames, gaps and overlaps of the slots.")
    return [*tracks, report, *more]


def _refused(masks: str | None, empty_is_fine: bool = False) -> bool | str:
    """What `validate_inputs` says to a state."""
    if masks is None or (empty_is_fine and not masks.strip()):  # linked: not known yet
        return True
    try:
        state_from_json(masks)
    except ValueError as error:
        return str(error)
    return True


class FullDiTMaskPainter(io.ComfyNode):
    """Masks painted on the page, over frames or an empty stage, with keyframes."""

    @classmethod
    def define_schema(cls):
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
    def validate_inputs(cls, masks):
        """Refuse broken masks before anything runs, with a sentence on the node."""
        return _refused(masks)

    @classmethod
    def execute(cls, masks, frames, width, height, images=None) -> io.NodeOutput:
        ui = {}
        if images is not None:
            from .page.stage import save_stage

            stage = save_stage(images)
            frames, height, width = stage["count"], stage["height"], stage["width"]
            ui["fulldit_stage"] = [stage]
        painted = paint.paint(masks, height, width, frames, progress)
        ui["text"] = [painted.report]
        return io.NodeOutput(*map(to_tensor, painted.tracks), painted.report, ui=ui)


class FullDiTEditTrack(io.ComfyNode):
    """A track from elsewhere as keys that can be edited on the page."""

    @classmethod
    def define_schema(cls):
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
            outputs=_outputs(
                io.String.Output(display_name="state", tooltip="The keys as JSON, as Mask Painter has them.")
            ),
            is_output_node=True,  # can be run alone, to bring the track to the page
            has_intermediate_output=True,  # the page hears of it again where the result was kept
        )

    @classmethod
    def validate_inputs(cls, masks):
        """Refuse broken masks before anything runs, with a sentence on the node."""
        return _refused(masks, empty_is_fine=True)

    @classmethod
    def execute(cls, masks, track1, accuracy=0.95, source="", track2=None, track3=None, images=None) -> io.NodeOutput:
        tracks = [
            None if track is None else to_masks(track, f"track{number}")
            for number, track in enumerate((track1, track2, track3), 1)
        ]
        found = paint.edit(masks, tracks, source, accuracy, progress)
        state = masks if masks.strip() else found.proposal
        frames, height, width = tracks[0].shape
        ui = {
            "text": [found.painted.report],
            "fulldit_track": [
                {
                    "proposal": found.proposal,
                    "source": found.source,
                    "changed": found.changed,
                    "frames": frames,
                    "width": width,
                    "height": height,
                }
            ],
        }
        if images is not None:
            from .page.stage import save_stage

            ui["fulldit_stage"] = [save_stage(images)]
        return io.NodeOutput(*map(to_tensor, found.painted.tracks), found.painted.report, state, ui=ui)
