"""Export Conditions and Import Conditions: all that a video is to obey in one folder, and back."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..control.bundle import BundleOptions, read_bundle, write_bundle
from ..control.bundle.write import count_frames
from ..control.camera import formats
from ..control.conditions import CameraCondition, Conditions, DepthCondition, IdentityCondition
from ..control.identity.slots import SLOTS
from . import folders, inputs
from .progress import progress
from .sockets.arrays import to_tensor
from .sockets.types import Camera, Depth
from .sockets.types import Conditions as ConditionsSocket


class FullDiTExportConditions(io.ComfyNode):
    """Conditions into a folder of files."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTExportConditions",
            display_name="Export Camera and Masks (FullDiT)",
            category="FullDiT",
            description=(
                "Writes all conditions to one folder in ComfyUI's output folder: the camera for other programs, masks "
                "and depth as PNG images and videos, the references, and a manifest. Import brings them back exactly."
            ),
            search_aliases=["export conditions", "save masks", "mask sequence", "save depth", "bundle", "Blender"],
            inputs=[
                ConditionsSocket.Input("conditions", tooltip="From Conditions."),
                io.String.Input(
                    "folder_prefix",
                    default="fulldit/conditions",
                    tooltip="Name of the folder in the output folder; a number is added.",
                ),
                io.Combo.Input(
                    "camera_format",
                    options=[name for name, entry in formats.FORMATS.items() if entry.writable],
                    default="transforms",
                    tooltip="The camera file for other programs. camera.json keeps everything and is always written.",
                ),
                io.Boolean.Input(
                    "videos",
                    default=True,
                    tooltip="Also write masks, depth and source video as MP4, which other programs show at once.",
                ),
            ],
            outputs=[io.String.Output(display_name="folder", tooltip="Path of the folder.")],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, folder_prefix: str | None) -> bool | str:
        """Refuse a folder outside of the output folder before anything runs; a linked text is not known yet."""
        return folder_prefix is None or inputs.validity(lambda: folders.check_output_prefix(folder_prefix))

    @classmethod
    def execute(
        cls, conditions: Conditions, folder_prefix: str, camera_format: str = "transforms", videos: bool = True
    ) -> io.NodeOutput:
        folder = folders.new_output_folder(folder_prefix)
        with progress(max(1, count_frames(conditions))) as step:
            said = write_bundle(conditions, folder, BundleOptions(camera_format, videos), step)
        report = "\n".join([f"output/{folders.relative_to_output(folder)}", *said])
        return io.NodeOutput(str(folder), ui={"text": [report]})


class FullDiTImportConditions(io.ComfyNode):
    """Conditions from a folder that was exported."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        tracks = [
            io.Mask.Output(
                display_name=f"track{number}",
                tooltip=f"The masks of identity {number}; nothing if there are none.",
            )
            for number in range(1, SLOTS + 1)
        ]
        return io.Schema(
            node_id="FullDiTImportConditions",
            display_name="Import Camera and Masks (FullDiT)",
            category="FullDiT",
            description=(
                "Reads a folder of Export Camera and Masks: the same conditions to the last bit, and camera, depth and "
                "masks by themselves, to change them."
            ),
            search_aliases=["import conditions", "load masks", "load conditions", "bundle"],
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=folders.bundles(),
                    tooltip="A folder with a manifest.json, in the output or the input folder; R refreshes the list.",
                ),
            ],
            outputs=[
                ConditionsSocket.Output(display_name="conditions", tooltip="For FullDiT Sampler or Apply Conditions."),
                Camera.Output(display_name="camera", tooltip="The camera path; nothing if there is none."),
                Depth.Output(display_name="depth", tooltip="The depth clip; nothing if there is none."),
                *tracks,
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str, **_: Any) -> int:
        """Return another number when a file of the folder changed, so that the node runs again."""
        return folders.bundle_modified(folders.bundle(folder))

    @classmethod
    def validate_inputs(cls, folder: str | None) -> bool | str:
        """Refuse a folder that is missing before anything runs."""
        return folder is None or inputs.validity(lambda: folders.bundle(folder))

    @classmethod
    def execute(cls, folder: str) -> io.NodeOutput:
        conditions, warnings = read_bundle(folders.bundle(folder))
        camera, depth = conditions.get(CameraCondition), conditions.get(DepthCondition)
        identity = conditions.get(IdentityCondition)
        tracks = [one.mask_video for one in identity.identities] if identity is not None else []
        masks = [None if track is None else to_tensor(track) for track in [*tracks, *[None] * SLOTS][:SLOTS]]
        names = ", ".join(conditions.names) or "no condition"
        report = "\n".join([f"{names}, for {conditions.video} at {conditions.video.fps:g} fps.", *warnings])
        return io.NodeOutput(
            conditions,
            None if camera is None else camera.trajectory,
            None if depth is None else depth.clip,
            *masks,
            ui={"text": [report]},
        )
