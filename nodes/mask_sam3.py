"""Masks from SAM3 Track: the objects that core's SAM 3 followed, one in each slot."""

from __future__ import annotations

from comfy_api.latest import io

from .progress import progress
from .sockets.arrays import to_tensor
from .sockets.sam3 import object_tracks, read_sam3_track
from .sockets.types import Sam3Track, TensorDict


class FullDiTMasksFromTrack(io.ComfyNode):
    """SAM3_TRACK_DATA as up to three tracks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTMasksFromTrack",
            display_name="Masks from SAM3 Track (FullDiT)",
            category="FullDiT/identity",
            description=(
                "The objects that core's Run SAM3 Video Track followed, as masks per frame: several objects for "
                "several slots, in the order that you choose."
            ),
            search_aliases=["segment anything", "SAM 3", "SAM3 track to mask", "object masks", "video segmentation"],
            inputs=[
                Sam3Track.Input("track", tooltip="From Run SAM3 Video Track."),
                io.Combo.Input(
                    "order",
                    options=["given", "area", "seen", "left"],
                    default="given",
                    tooltip=(
                        "Which object goes to track1. given: SAM 3's first. area: the largest. seen: the first to "
                        "appear. left: the leftmost when it appears."
                    ),
                ),
                io.String.Input(
                    "objects",
                    default="",
                    tooltip="Numbers of the objects for track1, track2, track3, such as 2, 0. Empty: the first three.",
                ),
            ],
            outputs=[
                *(
                    io.Mask.Output(display_name=f"track{slot}", tooltip=f"Object of slot {slot}, one mask per frame.")
                    for slot in (1, 2, 3)
                ),
                io.String.Output(display_name="report", tooltip="Which object is where, and which were left out."),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(cls, track: TensorDict, order: str = "given", objects: str = "") -> io.NodeOutput:
        sam3 = read_sam3_track(track)
        with progress(sam3.frames) as step:
            tracks, report = object_tracks(sam3, order, objects, step)
        return io.NodeOutput(*map(to_tensor, tracks), report, ui={"text": [report]})
