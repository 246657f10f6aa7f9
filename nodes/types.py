"""The sockets that core has no type for.

Each name is permanent: saved workflows hold it. The values are plain objects of `control/` and `bridge/request.py`.
"""

from comfy_api.latest import io

Camera = io.Custom("FULLDIT_CAMERA")  # control.camera.CameraTrajectory
Identity = io.Custom("FULLDIT_IDENTITY")  # control.identity.Identity
Depth = io.Custom("FULLDIT_DEPTH")  # control.depth.DepthClip
Conditions = io.Custom("FULLDIT_CONDITIONS")  # bridge.request.Request
