"""Camera paths from the sockets of core and other packs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..control.camera import sockets
from ..control.camera.easing import EASING_NAMES
from . import inputs
from .sockets.cameras import from_da3_geometry, from_viewports, from_wan_embedding
from .sockets.types import Camera, Geometry, Poses, TensorDict, Viewport, ViewportCamera, WanCamera

if TYPE_CHECKING:
    from torch import Tensor

MAX_VIEWS = 8


class FullDiTCameraFromLoad3D(io.ComfyNode):
    """A path through the cameras of core's 3D views."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraFromLoad3D",
            display_name="Camera from 3D Views (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path through the cameras of core's 3D nodes: one view gives a static camera, two or more "
                "are the keyframes of a smooth path."
            ),
            search_aliases=["camera_info", "Load 3D", "Create Camera Info", "LOAD3D_CAMERA", "viewport camera"],
            inputs=[
                io.Autogrow.Input(
                    "views",
                    template=io.Autogrow.TemplatePrefix(
                        Viewport.Input("view", optional=True, tooltip="In the order in which the camera visits them."),
                        prefix="view",
                        min=1,
                        max=MAX_VIEWS,
                    ),
                    tooltip="camera_info of Load 3D, Preview 3D or Create Camera Info, up to eight.",
                ),
                inputs.frames(),
                inputs.fps(),
                io.Combo.Input("ease", options=list(EASING_NAMES), default="smooth", tooltip="Easing over the path."),
                inputs.aspect("Width divided by height of the video. The view keeps its height."),
                io.Boolean.Input(
                    "by_target",
                    default=True,
                    advanced=True,
                    optional=True,
                    tooltip="On: the first view's target is the subject at distance 1. Off: lengths are scene units.",
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def execute(
        cls,
        views: Mapping[str, ViewportCamera | None] | None,
        frames: int,
        fps: float,
        ease: str,
        aspect: float,
        by_target: bool = True,
    ) -> io.NodeOutput:
        return io.NodeOutput(from_viewports(inputs.connected(views), frames, fps, ease, aspect, by_target))


class FullDiTCameraFromGeometry(io.ComfyNode):
    """The cameras that core's Depth Anything 3 found."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraFromGeometry",
            display_name="Camera from Geometry (FullDiT)",
            category="FullDiT/camera",
            description=(
                "The camera path that core's Depth Anything 3 finds in a clip in multi-view mode. A geometry without "
                "cameras is refused."
            ),
            search_aliases=["DA3", "Depth Anything 3", "DA3_GEOMETRY", "extrinsics", "camera pose"],
            inputs=[
                Geometry.Input("geometry", tooltip="From Run Depth Anything 3, mode multiview (Small or Base)."),
                inputs.fps("Frames per second of the clip."),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The path, one pose per image.")],
        )

    @classmethod
    def execute(cls, geometry: TensorDict, fps: float) -> io.NodeOutput:
        return io.NodeOutput(from_da3_geometry(geometry, fps))


class FullDiTCameraFromPoses(io.ComfyNode):
    """A path from CAMERACTRL_POSES."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraFromPoses",
            display_name="Camera from CameraCtrl Poses (FullDiT)",
            category="FullDiT/camera",
            description="A camera path from the CAMERACTRL_POSES of AnimateDiff-Evolved, WanVideoWrapper and KJNodes.",
            search_aliases=["CAMERACTRL_POSES", "CameraCtrl", "AnimateDiff camera", "camera poses"],
            inputs=[
                Poses.Input("poses", tooltip="Rows of 19 numbers, world to camera."),
                inputs.fps("Frames per second; 0 takes it from the rows' times if these are microseconds.", min=0.0),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def execute(cls, poses: Sequence[Sequence[float]], fps: float) -> io.NodeOutput:
        return io.NodeOutput(sockets.from_cameractrl_poses(poses, fps or None))


class FullDiTCameraFromPlucker(io.ComfyNode):
    """A path from WAN_CAMERA_EMBEDDING."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraFromPlucker",
            display_name="Camera from Plücker (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Recovers the camera path from the embedding of core's WanCameraEmbedding, to preview it, change it or "
                "use it with other models."
            ),
            search_aliases=["WanCameraEmbedding", "WAN_CAMERA_EMBEDDING", "Plücker embedding", "camera embedding"],
            inputs=[
                WanCamera.Input("camera_embedding", tooltip="From WanCameraEmbedding or Camera to Plücker."),
                inputs.fps(default=16.0),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path, one pose per frame.")],
        )

    @classmethod
    def execute(cls, camera_embedding: Tensor, fps: float) -> io.NodeOutput:
        return io.NodeOutput(from_wan_embedding(camera_embedding, fps))
