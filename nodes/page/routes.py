"""What the page asks the server for beside runs: a mask carried along the frames that the painter shows.

POST /fulldit/propagate with {"id", "stage", "masks": [{"frame", "size": [width, height], "runs"}, ...], "first",
"last", "accuracy"} gives {"keys": [...], "warnings": [...]} for the frames first..last, or {"error": sentence} with a
status of 400 (what came cannot be used), 409 (another one is under way) or 499 (stopped). POST /fulldit/propagate/stop
with {"id"} stops it; so does closing the page. Progress goes to the page as the event "fulldit.propagate": {"id",
"done", "total"}.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.identity import paint, runs
from ...control.identity.keyframes import key_to_json
from .stage import open_stage, stage_size

SECONDS = 0.25  # between two looks whether the page is still there


def propagate(request: Any, progress: Callable[[int, int], None], cancel: Callable[[], bool]) -> dict[str, Any]:
    """What the route answers to a request's JSON. Raises UserError, in words, for what cannot be used."""
    if not isinstance(request, dict):
        raise UserError("The page asked for nothing that can be done: load it anew.")
    size = paint.propagation_size(*stage_size(request.get("stage")))
    first, last = (_whole(request.get(name), name) for name in ("first", "last"))
    frames = open_stage(request["stage"], size, first, last)
    masks = {}
    for entry in request.get("masks") or ():
        number, mask = _mask(entry)
        masks[number - first] = mask
    accuracy = request.get("accuracy", 0.95)
    if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)) or not 0.5 <= accuracy <= 0.99:
        raise UserError("The accuracy of a propagation is a number from 0.5 to 0.99.")
    keys, warnings = paint.propagate_keys(frames, masks, accuracy, first, progress, cancel)
    return {"keys": [key_to_json(key) for key in keys], "warnings": warnings}


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10_000:
        raise UserError(f"'{name}' of a propagation is no frame.")
    return value


def _mask(entry: Any) -> tuple[int, np.ndarray]:
    """Frame and mask of one entry of "masks"."""
    try:
        width, height = (int(side) for side in entry["size"])
        return _whole(entry["frame"], "frame"), runs.decode(entry["runs"], height, width)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"A mask of the propagation cannot be read: {error}.") from error


class Jobs:
    """At most one propagation at a time, in a thread of its own."""

    def __init__(self) -> None:
        self.id: Any = None
        self.stop = threading.Event()

    async def run(
        self, request: Any, send: Callable[[dict[str, Any]], None], gone: Callable[[], bool]
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer. send: a message of progress to the page; gone: whether the page has left."""
        if self.id is not None:
            return 409, {"error": "Another mask is being followed: wait for it, or stop it."}
        self.id = request.get("id") if isinstance(request, dict) else None
        self.id = self.id or "unnamed"
        self.stop.clear()
        name, told = self.id, [0.0]

        def progress(done: int, total: int) -> None:
            if done / total - told[0] >= 0.01:
                told[0] = done / total
                send({"id": name, "done": done, "total": total})

        work = asyncio.ensure_future(asyncio.to_thread(propagate, request, progress, self.stop.is_set))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=SECONDS)
                if gone():
                    self.stop.set()
            return 200, work.result()
        except UserError as error:
            return (499 if self.stop.is_set() else 400), {"error": str(error)}
        finally:
            self.stop.set()  # where this was canceled itself
            if not work.done():
                await asyncio.wait([work])
            self.id = None


def register() -> None:
    """Add the routes to the host's server, where there is one. Called once, when the pack is loaded."""
    try:
        from aiohttp import web
        from server import PromptServer
    except ImportError:  # the nodes are used without a server
        return
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    jobs = Jobs()

    async def body(request: Any) -> Any:
        try:
            return await request.json()
        except ValueError:
            return None

    @server.routes.post("/fulldit/propagate")
    async def start(request: Any) -> Any:
        given = await body(request)
        client = given.get("client") if isinstance(given, dict) else None

        def gone() -> bool:
            return request.transport is None or request.transport.is_closing()

        status, answer = await jobs.run(given, lambda data: server.send_sync("fulldit.propagate", data, client), gone)
        return web.json_response(answer, status=status)

    @server.routes.post("/fulldit/propagate/stop")
    async def stop(request: Any) -> Any:
        given = await body(request)
        mine = isinstance(given, dict) and given.get("id") == jobs.id
        if mine:
            jobs.stop.set()
        return web.json_response({"stopped": mine})
