"""The sockets that core has no type for, those of its types that not every supported version names, and their values.

Socket names are permanent: saved workflows hold them. `Any` marks objects of the host and of other packs, whose classes
exist only where these are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_api.latest import io

if TYPE_CHECKING:
    from torch import Tensor

Camera = io.Custom("FULLDIT_CAMERA")  # control.camera.CameraTrajectory
Identity = io.Custom("FULLDIT_IDENTITY")  # control.identity.Identity
Depth = io.Custom("FULLDIT_DEPTH")  # control.depth.DepthClip
Condition = io.Custom("FULLDIT_CONDITION")  # control.condition.Condition: any one of them
Conditions = io.Custom("FULLDIT_CONDITIONS")  # control.conditions.Conditions

Viewport = io.Custom("LOAD3D_CAMERA")  # the camera of core's 3D views: a dict, y up, looks along -z
WanCamera = io.Custom("WAN_CAMERA_EMBEDDING")  # core's Wan Fun camera: a tensor (1, 24, frames, height, width)
Geometry = io.Custom("DA3_GEOMETRY")  # core's Depth Anything 3: a dict of tensors
AnyGeometry = io.Custom("DA3_GEOMETRY,MOGE_GEOMETRY")  # that, or core's MoGe
MetaBatch = io.Custom("VHS_BatchManager")  # VideoHelperSuite's; see meta_batch.py
Tracks = io.Custom("TRACKS")  # core's Wan Move: a dict of tensors
Poses = io.Custom("CAMERACTRL_POSES")  # AnimateDiff-Evolved, WanVideoWrapper: rows of 19 numbers
LossMap = io.Custom("LOSS_MAP")  # core's training nodes: {"loss": a number for each step}
Sam3Track = io.Custom("SAM3_TRACK_DATA")  # core's SAM 3: a dict, see sam3.py

ImageTensor: TypeAlias = "Tensor"  # IMAGE: (frames, height, width, 3 or 4), 0..1
MaskTensor: TypeAlias = "Tensor"  # MASK: (frames, height, width), 0..1
TensorDict: TypeAlias = Mapping[str, Any]  # geometry and the like: tensors, numbers and texts by name
ViewportCamera: TypeAlias = Mapping[str, Any]  # LOAD3D_CAMERA: positions, angles and texts by name
DynamicChoice: TypeAlias = dict[str, Any]  # a DynamicCombo: the choice under the combo's own id, beside its inputs
PageMessage: TypeAlias = dict[str, Any]  # a node's `ui`: lists by name, plain JSON
HostModel: TypeAlias = Any  # MODEL: comfy.model_patcher.ModelPatcher
HostClip: TypeAlias = Any  # CLIP: comfy.sd.CLIP
HostVae: TypeAlias = Any  # VAE: comfy.sd.VAE
HostClipVision: TypeAlias = Any  # CLIP_VISION_OUTPUT: comfy.clip_vision.Output
NodeClass: TypeAlias = Any  # a class derived from io.ComfyNode, as the host calls it
