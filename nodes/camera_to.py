"""Camera paths for the sockets of core and other packs."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import CameraTrajectory, sockets
from . import inputs
from .sockets.cameras import to_viewports, to_wan_embedding, to_wan_move_tracks
from .sockets.types import Camera, Geometry, Poses, TensorDict, Tracks, Viewport, ViewportCamera, WanCamera


class FullDiTCameraToPlucker(io.ComfyNode):
    """A path as WAN_CAMERA_EMBEDDING, which WanCameraImageToVideo takes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
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
                Camera.Input("camera", tooltip="The path. A path of another length is resampled to the video."),
                *inputs.size(),
                io.Int.Input("length", default=81, min=1, max=1025, step=4, tooltip="Frames of the video: 4k+1."),
                inputs.scale("Multiplies all distances. Core's own presets move by 1.5 at speed 1."),
            ],
            outputs=[
                WanCamera.Output(display_name="camera_embedding", tooltip="For WanCameraImageToVideo."),
                io.Int.Output(display_name="width", tooltip="The same width, for WanCameraImageToVideo."),
                io.Int.Output(display_name="height", tooltip="The same height, for WanCameraImageToVideo."),
                io.Int.Output(display_name="length", tooltip="The same length, for WanCameraImageToVideo."),
            ],
        )

    @classmethod
    def execute(
        cls, camera: CameraTrajectory, width: int, height: int, length: int, scale: float = 1.0
    ) -> io.NodeOutput:
        return io.NodeOutput(to_wan_embedding(camera, width, height, length, scale), width, height, length)


class FullDiTCameraToTracks(io.ComfyNode):
    """A path as the tracks of points, which core's Wan Move nodes take."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraToTracks",
            display_name="Camera to Tracks (FullDiT)",
            category="FullDiT/camera",
            description=(
                "How the points of a grid move in the image while the camera moves along its path, as the "
                "TRACKS of core's Wan Move nodes."
            ),
            search_aliases=["Wan Move", "point tracks", "TRACKS", "motion tracks", "WanMoveTrackToVideo"],
            inputs=[
                Camera.Input("camera", tooltip="The path. A path of another length is resampled to the video."),
                *inputs.size(),
                io.Int.Input("length", default=81, min=1, max=1025, step=4, tooltip="Frames of the video."),
                io.Int.Input("columns", default=8, min=1, max=64, tooltip="Number of points across."),
                io.Int.Input("rows", default=5, min=1, max=64, tooltip="Number of points down."),
                io.Float.Input(
                    "depth",
                    default=1.0,
                    min=0.001,
                    max=1000.0,
                    step=0.05,
                    round=0.001,
                    tooltip="Distance of the scene, in units; the subject of presets is at 1. Not used with geometry.",
                ),
                Geometry.Input(
                    "geometry",
                    optional=True,
                    tooltip="Depth Anything 3 of the first image: near points move more than far ones.",
                ),
            ],
            outputs=[
                Tracks.Output(display_name="tracks", tooltip="For WanMoveTrackToVideo and the other Wan Move nodes."),
                io.Int.Output(display_name="length", tooltip="The same length, for WanMoveTrackToVideo."),
            ],
        )

    @classmethod
    def execute(
        cls,
        camera: CameraTrajectory,
        width: int,
        height: int,
        length: int,
        columns: int,
        rows: int,
        depth: float = 1.0,
        geometry: TensorDict | None = None,
    ) -> io.NodeOutput:
        tracks = to_wan_move_tracks(camera, width, height, length, columns, rows, depth, geometry)
        return io.NodeOutput(tracks, length)


class FullDiTCameraToLoad3D(io.ComfyNode):
    """A path as cameras of core's 3D views, one per frame."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraToLoad3D",
            display_name="Camera to 3D Views (FullDiT)",
            category="FullDiT/camera",
            description=(
                "The cameras of a path for core's 3D nodes, one per frame, as a list: Render Splat then renders the "
                "whole path. With a start view, the path begins at that view."
            ),
            search_aliases=["camera_info", "Render Splat", "Preview 3D", "Load 3D", "LOAD3D_CAMERA"],
            inputs=[
                Camera.Input("camera", tooltip="The path."),
                Viewport.Input(
                    "start",
                    optional=True,
                    tooltip="The path starts at this camera, whose target is the subject at distance 1.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.0001,
                    max=10000.0,
                    step=0.1,
                    round=0.0001,
                    tooltip="Multiplies all distances: scene units, or with start, distances to its target.",
                ),
            ],
            outputs=[
                Viewport.Output(
                    display_name="camera_info", tooltip="A list with one camera per frame.", is_output_list=True
                )
            ],
        )

    @classmethod
    def execute(
        cls, camera: CameraTrajectory, scale: float = 1.0, start: ViewportCamera | None = None
    ) -> io.NodeOutput:
        return io.NodeOutput(to_viewports(camera, scale, start))


class FullDiTCameraToPoses(io.ComfyNode):
    """A path as CAMERACTRL_POSES."""

    @classmethod
    def define_schema(cls) -> io.Schema:
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
                    "frames",
                    default=0,
                    min=0,
                    max=1025,
                    tooltip="Resample the path to this many poses; 0 keeps its own.",
                ),
                inputs.scale("Multiplies all distances."),
            ],
            outputs=[Poses.Output(display_name="poses", tooltip="A row of 19 numbers per frame.")],
        )

    @classmethod
    def execute(cls, camera: CameraTrajectory, frames: int = 0, scale: float = 1.0) -> io.NodeOutput:
        path = camera.resample(frames) if frames else camera
        return io.NodeOutput(sockets.to_cameractrl_poses(path.relative().scaled(scale)))
