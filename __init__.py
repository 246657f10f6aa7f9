"""ComfyUI-FullDiT: camera, identities and depth as tokens of one sequence with the video.

Registration only. Importing this needs neither ComfyUI nor torch; the host calls `comfy_entrypoint` for the nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes.extension import FullDiTExtension

WEB_DIRECTORY = "web"


async def comfy_entrypoint() -> FullDiTExtension:
    """Give ComfyUI the nodes of this pack (V3 schema)."""
    from .nodes.extension import FullDiTExtension

    return FullDiTExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
