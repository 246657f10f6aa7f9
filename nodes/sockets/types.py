"""The sockets that core has no type for, and those of its types that not every supported version names.

Each name is permanent: saved workflows hold it. The values of ours are plain objects of `control/`.
"""

from comfy_api.latest import io

Camera = io.Custom("FULLDIT_CAMERA")  # control.camera.CameraTrajectory
Identity = io.Custom("FULLDIT_IDENTITY")  # control.identity.Identity
Depth = io.Custom("FULLDIT_DEPTH")  # control.depth.DepthClip
Condition = io.Custom("FULLDIT_CONDITION")  # control.condition.Condition: any one of them
Conditions = io.Custom("FULLDIT_CONDITIONS")  # control.conditions.Conditions

Viewport = io.Custom("LOAD3D_CAMERA")  # the camera of core's 3D views: a dict, y up, looks along -z
WanCamera = io.Custom("WAN_CAMERA_EMBEDDING")  # core's Wan Fun camera: a tensor (1, 24, frames, height, width)
Geometry = io.Custom("DA3_GEOMETRY")  # core's Depth Anything 3: a dict of tensors
AnyGeometry = io.Custom("DA3_GEOMETRY,MOGE_GEOMETRY")  # that, or core's MoGe
MetaBatch = io.Custom("VHS_BatchManager")  # VideoHelperSuite's; see bridge/meta_batch.py
Tracks = io.Custom("TRACKS")  # core's Wan Move: a dict of tensors
Poses = io.Custom("CAMERACTRL_POSES")  # AnimateDiff-Evolved, WanVideoWrapper: rows of 19 numbers
Sam3Track = io.Custom("SAM3_TRACK_DATA")  # core's SAM 3: a dict, see bridge/sam3.py
