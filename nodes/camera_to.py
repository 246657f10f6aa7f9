"""Camera paths for the sockets of core and other packs."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs
from .sockets.types import Camera, Geometry, Poses, Tracks, Viewport, WanCamera


class FullDiTCameraToPlucker(io.ComfyNode):
    """A path as WAN_CAMERA_EMBEDDING, which WanCameraImageToVideo takes."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraToPlucker",
            display_name="Camera to Plücker (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path as the Plücker rays that core's WanCameraImageToVideo takes, so that any path drives "
                "the Wan Fun Camera models. The last frame reaches the end of the path."
            ),
            search_aliases=["WanCameraEmbedding", "Wan Fun Camera", "Plücker embedding", "camera embedding"],
            inputs=[
                Camera.Input("camera", tooltip="The path; one of another length is spread over the video."),
                *inputs.size(),
                io.Int.Input("length", default=81, min=1, max=1025, step=4, tooltip="Frames of the video: 4k+1."),
                inputs.scale("Multiplies all distances. Core's own presets move by 1.5 at speed 1."),
            ],
            outputs=[
                WanCamera.Output(display_name="camera_embedding", tooltip="For WanCameraImageToVideo."),
                io.Int.Output(display_name="width", tooltip="As given, for WanCameraImageToVideo."),
                io.Int.Output(display_name="height", tooltip="As given, for WanCameraImageToVideo."),
                io.Int.Output(display_name="length", tooltip="As given, for WanCameraImageToVideo."),
            ],
        )

    @classmethod
    def execute(cls, camera, width, height, length, scale=1.0) -> io.NodeOutput:
        from .sockets.cameras import wan_embedding

        return io.NodeOutput(wan_embedding(camera, width, height, length, scale), width, height, length)


class FullDiTCameraToTracks(io.ComfyNode):
    """A path as the tracks of points, which core's Wan Move nodes take."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraToTracks",
            display_name="Camera to Tracks (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Where the points of a grid would go in the image when the camera moves along its path, as the "
                "TRACKS of core's Wan Move nodes."
            ),
            search_aliases=["Wan Move", "point tracks", "TRACKS", "motion tracks", "WanMoveTrackToVideo"],
            inputs=[
                Camera.Input("camera", tooltip="The path; one of another length is spread over the video."),
                *inputs.size(),
                io.Int.Input("length", default=81, min=1, max=1025, step=4, tooltip="Frames of the video."),
                io.Int.Input("columns", default=8, min=1, max=64, tooltip="Points across."),
                io.Int.Input("rows", default=5, min=1, max=64, tooltip="Points down."),
                io.Float.Input(
                    "depth",
                    default=1.0,
                    min=0.001,
                    max=1000.0,
                    step=0.05,
                    round=0.001,
                    tooltip="How far the scene is, in units; the subject of presets is at 1. Unused with a geometry.",
                ),
                Geometry.Input(
                    "geometry",
                    optional=True,
                    tooltip="Depth Anything 3 of the first image: near points move more than far ones.",
                ),
            ],
            outputs=[
                Tracks.Output(display_name="tracks", tooltip="For WanMoveTrackToVideo and its fellows."),
                io.Int.Output(display_name="length", tooltip="Frames of the tracks, as given."),
            ],
        )

    @classmethod
    def execute(cls, camera, width, height, length, columns, rows, depth=1.0, geometry=None) -> io.NodeOutput:
        from .sockets.cameras import tracks

        return io.NodeOutput(tracks(camera, width, height, length, columns, rows, depth, geometry), length)


class FullDiTCameraToLoad3D(io.ComfyNode):
    """A path as cameras of core's 3D views, one per frame."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraToLoad3D",
            display_name="Camera to 3D Views (FullDiT)",
            category="FullDiT/camera",
            description=(
                "The cameras of a path for core's 3D nodes, one per frame, as a list: Render Splat then renders the "
                "whole path. A view to start from places the path in the scene."
            ),
            search_aliases=["camera_info", "Render Splat", "Preview 3D", "Load 3D", "LOAD3D_CAMERA"],
            inputs=[
                Camera.Input("camera", tooltip="The path."),
                Viewport.Input(
                    "start",
                    optional=True,
                    tooltip="The path starts at this camera, and its target counts as the subject at distance 1.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.0001,
                    max=10000.0,
                    step=0.1,
                    round=0.0001,
                    tooltip="Multiplies all distances, which are scene units, or distances to the target of start.",
                ),
            ],
            outputs=[
                Viewport.Output(
                    display_name="camera_info", tooltip="A list with a camera per frame.", is_output_list=True
                )
            ],
        )

    @classmethod
    def execute(cls, camera, scale=1.0, start=None) -> io.NodeOutput:
        from .sockets.cameras import viewports

        return io.NodeOutput(viewports(camera, scale, start))


class FullDiTCameraToPoses(io.ComfyNode):
    """A path as CAMERACTRL_POSES."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraToPoses",
            display_name="Camera to CameraCtrl Poses (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path as CAMERACTRL_POSES, which AnimateDiff-Evolved, WanVideoWrapper and KJNodes take."
            ),
            search_aliases=["CAMERACTRL_POSES", "CameraCtrl", "AnimateDiff camera", "WanVideoFunCameraEmbeds"],
            inputs=[
                Camera.Input("camera", tooltip="The path."),
                io.Int.Input(
                    "frames", default=0, min=0, max=1025, tooltip="Spread the path over so many poses; 0 keeps them."
                ),
                inputs.scale("Multiplies all distances."),
            ],
            outputs=[Poses.Output(display_name="poses", tooltip="A row of 19 numbers per frame.")],
        )

    @classmethod
    def execute(cls, camera, frames=0, scale=1.0) -> io.NodeOutput:
        from ..control.camera import sockets

        path = camera.resample(frames) if frames else camera
        return io.NodeOutput(sockets.to_cameractrl_poses(path.relative().scaled(scale)))
