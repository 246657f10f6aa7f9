"""What the page asks the server for beside runs: a mask propagated along the painter's frames, and these frames again.

POST /fulldit/propagate with {"id", "stage", "masks": [{"frame", "size": [width, height], "runs"}, ...], "first",
"last", "accuracy", "client"} (propagation.py) answers {"keys": [...], "trust": [0..1 per frame], "warnings": [...]} for
the frames first..last, or {"error": sentence} with a status of 400 (a request that cannot be used), 409 (another one is
under way) or 499 (stopped). POST /fulldit/propagate/stop with {"id"} stops it; so does closing the page. Progress goes
to the page as the event "fulldit.propagate": {"id", "done", "total"}.

POST /fulldit/stage as `stage_source.recover_stage` has it answers {"stage": message}, or {"error": sentence} with a
status of 404. POST /fulldit/camera?name=FILE&aspect=NUMBER with the bytes of a file answers as
`camera_drop.read_dropped_camera` has it, or {"error": sentence} with a status of 400.

POST /fulldit/preview with {"node", "on"} switches the previews of a sampler, see `live_preview`.

`Any` marks parsed JSON, and the server's requests and responses.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.identity import paint, runs
from ...control.identity.keyframes import key_to_json
from .camera_drop import read_aspect, read_dropped_camera
from .live_preview import set_wish
from .propagation import AskedMask, Question, read_id, read_question
from .stage import open_stage, stage_size
from .stage_source import recover_stage

POLL_SECONDS = 0.25  # between two checks whether the page is still open
MIN_PROGRESS_STEP = 0.01  # the share of the work after which the page hears of progress again

Message = dict[str, Any]


def propagate(question: Question, on_progress: Callable[[int, int], None], cancel: Callable[[], bool]) -> Message:
    """Return the answer to a request. Raises UserError for frames that are not there and masks that cannot be read."""
    size = paint.propagation_size(*stage_size(question.stage))
    frames = open_stage(question.stage, size, question.first, question.last)
    masks = {mask.frame - question.first: _decode(mask) for mask in question.masks}
    followed = paint.propagate_keys(frames, masks, question.accuracy, question.first, on_progress, cancel)
    return {
        "keys": [key_to_json(key) for key in followed.keys],
        "trust": [round(float(value), 3) for value in followed.trust],
        "warnings": list(followed.warnings),
    }


def _decode(mask: AskedMask) -> np.ndarray:
    try:
        return runs.decode(mask.runs, mask.height, mask.width)
    except ValueError as error:
        raise UserError(f"A mask of the propagation cannot be read: {error}.") from error


@dataclass
class _ProgressEvents:
    """Sends progress to the page, not more often than MIN_PROGRESS_STEP asks."""

    id: str
    send: Callable[[Message], None]
    sent: float = 0.0

    def __call__(self, done: int, total: int) -> None:
        if done / total - self.sent >= MIN_PROGRESS_STEP:
            self.sent = done / total
            self.send({"id": self.id, "done": done, "total": total})


class Propagations:
    """At most one propagation at a time, in a thread of its own. id: of the one under way, or None."""

    def __init__(self) -> None:
        self.id: str | None = None
        self._stop = threading.Event()

    def stop(self) -> None:
        """Stop the propagation under way."""
        self._stop.set()

    async def run(
        self, request: Any, send: Callable[[Message, str | None], None], page_closed: Callable[[], bool]
    ) -> tuple[int, Message]:
        """Return the status and the answer to a request's JSON.

        send: takes the messages of progress to the page of this client.
        """
        if self.id is not None:
            return 409, {"error": "Another mask is being propagated: wait for it, or stop it."}
        try:
            question = read_question(request)
        except UserError as error:
            return 400, {"error": str(error)}
        self.id = question.id
        self._stop.clear()
        on_progress = _ProgressEvents(self.id, lambda message: send(message, question.client))
        work = asyncio.ensure_future(asyncio.to_thread(propagate, question, on_progress, self._stop.is_set))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=POLL_SECONDS)
                if page_closed():
                    self._stop.set()
            return 200, work.result()
        except UserError as error:
            return (499 if self._stop.is_set() else 400), {"error": str(error)}
        finally:
            self._stop.set()  # ends the thread also where this coroutine was canceled
            if not work.done():
                await asyncio.wait([work])
            self.id = None


def register() -> None:
    """Add the routes to the host's server, if there is one. Called once, when the pack is loaded."""
    try:
        from aiohttp import web
        from server import PromptServer
    except ImportError:  # the nodes are used without a server
        return
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    propagations = Propagations()

    async def start(request: Any) -> Any:
        status, answer = await propagations.run(
            await _json(request),
            lambda message, client: server.send_sync("fulldit.propagate", message, client),
            lambda: request.transport is None or request.transport.is_closing(),
        )
        return web.json_response(answer, status=status)

    async def stop(request: Any) -> Any:
        try:
            asked = read_id(await _json(request))
        except UserError as error:
            return web.json_response({"error": str(error)}, status=400)
        is_under_way = asked is not None and asked == propagations.id
        if is_under_way:
            propagations.stop()
        return web.json_response({"stopped": is_under_way})

    async def find(request: Any) -> Any:
        try:
            return web.json_response({"stage": await asyncio.to_thread(recover_stage, await _json(request))})
        except UserError as error:
            return web.json_response({"error": str(error)}, status=404)

    async def camera(request: Any) -> Any:
        try:
            name, aspect = request.query.get("name", ""), read_aspect(request.query.get("aspect", "1.5"))
            answer = await asyncio.to_thread(read_dropped_camera, name, await request.read(), aspect)
            return web.json_response(answer)
        except UserError as error:
            return web.json_response({"error": str(error)}, status=400)

    async def preview(request: Any) -> Any:
        try:
            set_wish(await _json(request))
        except UserError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({})

    server.routes.post("/fulldit/propagate")(start)
    server.routes.post("/fulldit/propagate/stop")(stop)
    server.routes.post("/fulldit/stage")(find)
    server.routes.post("/fulldit/camera")(camera)
    server.routes.post("/fulldit/preview")(preview)


async def _json(request: Any) -> Any:
    """Return the JSON of a request's body, or None for a body that is not JSON."""
    try:
        return await request.json()
    except (ValueError, RecursionError):
        return None
