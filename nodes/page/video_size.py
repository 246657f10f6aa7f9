"""The size, length and rate of a checkpoint's clips, for widgets that follow it on the page before anything has run.

GET /fulldit/video_size?checkpoint=NAME, a name in the list of Load FullDiT, answers {"frames", "width", "height",
"fps", "aspect"}, or {"error": sentence} with a status of 404.
"""

from __future__ import annotations

from typing import Any

from ...control.errors import UserError
from ..followed import checkpoint_video, values_of


def answer(checkpoint: str) -> tuple[int, dict[str, Any]]:
    """Return the status and the answer for a checkpoint."""
    try:
        return 200, values_of(checkpoint_video(checkpoint))
    except UserError as error:
        return 404, {"error": str(error)}


def register() -> None:
    """Add the route to the host's server, if there is one."""
    try:
        from aiohttp import web
        from server import PromptServer
    except ImportError:  # the nodes are used without a server
        return
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return

    async def size(request: Any) -> Any:
        status, body = answer(request.query.get("checkpoint", ""))
        return web.json_response(body, status=status)

    server.routes.get("/fulldit/video_size")(size)
