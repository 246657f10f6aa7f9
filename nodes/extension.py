"""The list of nodes. Ids are permanent: saved workflows hold them."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io


class FullDiTExtension(ComfyExtension):
    """The extension that the host asks for its nodes."""

    async def on_load(self) -> None:
        """Add the routes of the page's mask painter to the server, and the marks on models that core takes for Wan."""
        from .bridge.camera_wan import register_camera_wan
        from .bridge.tags import register_tags
        from .page import routes, video_size

        routes.register()
        video_size.register()
        register_tags()
        register_camera_wan()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return every node of this pack, in the order of the menu."""
        from .agreement_report import FullDiTAgreementReport
        from .apply import FullDiTApply
        from .bundle import FullDiTExportConditions, FullDiTImportConditions
        from .camera import FullDiTCameraPreset
        from .camera_describe import FullDiTDescribeCamera
        from .camera_files import FullDiTLoadCamera, FullDiTSaveCamera
        from .camera_from import (
            FullDiTCameraFromGeometry,
            FullDiTCameraFromLoad3D,
            FullDiTCameraFromPlucker,
            FullDiTCameraFromPoses,
        )
        from .camera_path import FullDiTCameraPath
        from .camera_preview import FullDiTCameraPreview
        from .camera_to import (
            FullDiTCameraToLoad3D,
            FullDiTCameraToPlucker,
            FullDiTCameraToPoses,
            FullDiTCameraToTracks,
        )
        from .camera_transform import FullDiTTransformCamera
        from .camera_video import FullDiTCameraFromVideo
        from .compare import FullDiTCompare
        from .conditions import FullDiTConditions
        from .control_video import FullDiTControlVideo
        from .crop_reference import FullDiTCropReference
        from .depth import FullDiTDepth
        from .depth_along import FullDiTDepthAgreement, FullDiTDepthAlong
        from .depth_extract import FullDiTExtractDepth
        from .depth_images import FullDiTDepthPictures
        from .enhance_prompt import FullDiTEnhancePrompt
        from .example import FullDiTExample
        from .fit_video import FullDiTFitVideo
        from .guard import guarded
        from .identity import FullDiTIdentity
        from .identity_map import FullDiTIdentityMap
        from .key_frames import FullDiTBetweenKeyFrames, FullDiTKeyFrames
        from .known_frames import FullDiTKnownFrames
        from .load import FullDiTLoad
        from .load_video_model import FullDiTLoadVideoModel, FullDiTModelFamily
        from .lora import FullDiTLoadLora
        from .mask_painter import FullDiTEditTrack, FullDiTMaskPainter
        from .mask_propagate import FullDiTPropagateMask
        from .mask_sam3 import FullDiTMasksFromTrack
        from .pair_experts import FullDiTPairExperts
        from .preview import FullDiTPreview
        from .render_along import FullDiTRenderAlong
        from .sampler import FullDiTSampler
        from .sound import FullDiTSound
        from .story import FullDiTStory
        from .train import FullDiTTrainConditions
        from .upscale_video import FullDiTUpscaleVideo

        nodes = [
            FullDiTLoad,
            FullDiTLoadVideoModel,
            FullDiTModelFamily,
            FullDiTPairExperts,
            FullDiTLoadLora,
            FullDiTTrainConditions,
            FullDiTCameraPreset,
            FullDiTCameraPath,
            FullDiTLoadCamera,
            FullDiTSaveCamera,
            FullDiTCameraFromVideo,
            FullDiTTransformCamera,
            FullDiTCameraPreview,
            FullDiTDescribeCamera,
            FullDiTRenderAlong,
            FullDiTCameraToPlucker,
            FullDiTCameraToTracks,
            FullDiTCameraToLoad3D,
            FullDiTCameraToPoses,
            FullDiTCameraFromLoad3D,
            FullDiTCameraFromGeometry,
            FullDiTCameraFromPlucker,
            FullDiTCameraFromPoses,
            FullDiTIdentity,
            FullDiTMaskPainter,
            FullDiTEditTrack,
            FullDiTPropagateMask,
            FullDiTMasksFromTrack,
            FullDiTIdentityMap,
            FullDiTCropReference,
            FullDiTDepth,
            FullDiTExtractDepth,
            FullDiTDepthAlong,
            FullDiTDepthAgreement,
            FullDiTDepthPictures,
            FullDiTKnownFrames,
            FullDiTControlVideo,
            FullDiTSound,
            FullDiTConditions,
            FullDiTKeyFrames,
            FullDiTBetweenKeyFrames,
            FullDiTEnhancePrompt,
            FullDiTStory,
            FullDiTApply,
            FullDiTSampler,
            FullDiTUpscaleVideo,
            FullDiTPreview,
            FullDiTCompare,
            FullDiTAgreementReport,
            FullDiTFitVideo,
            FullDiTExportConditions,
            FullDiTImportConditions,
            FullDiTExample,
        ]
        return [guarded(node) for node in nodes]
