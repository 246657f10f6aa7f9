"""What the page asks the server for beside runs: a mask propagated along the frames that the painter shows.

POST /fulldit/propagate with {"id", "stage", "masks": [{"frame", "size": [width, height], "runs"}, ...], "first",
"last", "accuracy", "client"} answers {"keys": [...], "warnings": [...]} for the frames first..last, or {"error":
sentence} with a status of 400 (a request that cannot be used), 409 (another one is under way) or 499 (stopped). POST
/fulldit/propagate/stop with {"id"} stops it; so does closing the page. Progress goes to the page as the event
"fulldit.propagate": {"id", "done", "total"}.

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
from .stage import open_stage, stage_size

POLL_SECONDS = 0.25  # between two checks whether the page is still open
MIN_PROGRESS_STEP = 0.01  # the share of the work after which the page hears of progress again
MAX_FRAME = 10_000

Message = dict[str, Any]


def propagate(request: Any, on_progress: Callable[[int, int], None], cancel: Callable[[], bool]) -> Message:
    """Return the answer to a request's JSON. Raises UserError for a request that cannot be used."""
    if not isinstance(request, dict):
        raise UserError("The request for a propagation is not a JSON object: reload the page.")
    size = paint.propagation_size(*stage_size(request.get("stage")))
    first, last = (_frame_number(request.get(name), name) for name in ("first", "last"))
    frames = open_stage(request["stage"], size, first, last)
    masks = {number - first: mask for number, mask in map(_mask, request.get("masks") or ())}
    accuracy = request.get("accuracy", 0.95)
    if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)) or not 0.5 <= accuracy <= 0.99:
        raise UserError(f"The accuracy of a propagation is {accuracy!r}; a number from 0.5 to 0.99 was expected.")
    keys, warnings = paint.propagate_keys(frames, masks, accuracy, first, on_progress, cancel)
    return {"keys": [key_to_json(key) for key in keys], "warnings": warnings}


def _frame_number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_FRAME:
        raise UserError(f"'{name}' of a propagation is {value!r}; a frame from 0 to {MAX_FRAME} was expected.")
    return value


def _mask(entry: Any) -> tuple[int, np.ndarray]:
    """Return the frame and the mask of one entry of "masks"."""
    try:
        width, height = (int(side) for side in entry["size"])
        return _frame_number(entry["frame"], "frame"), runs.decode(entry["runs"], height, width)
    except (KeyError, TypeError) as error:
        raise UserError("A mask of the propagation cannot be read: it needs a frame, a size and runs.") from error
    except ValueError as error:
        raise UserError(f"A mask of the propagation cannot be read: {getattr(error, 'clause', error)}.") from error


@dataclass
class _ProgressEvents:
    """Sends progress to the page, not more often than MIN_PROGRESS_STEP asks."""

    id: Any
    send: Callable[[Message], None]
    sent: float = 0.0

    def __call__(self, done: int, total: int) -> None:
        if done / total - self.sent >= MIN_PROGRESS_STEP:
            self.sent = done / total
            self.send({"id": self.id, "done": done, "total": total})


class Propagations:
    """At most one propagation at a time, in a thread of its own. id: of the one under way, or None."""

    def __init__(self) -> None:
        self.id: Any = None
        self._stop = threading.Event()

    def stop(self) -> None:
        """Stop the propagation under way."""
        self._stop.set()

    async def run(
        self, request: Any, send: Callable[[Message], None], page_closed: Callable[[], bool]
    ) -> tuple[int, Message]:
        """Return the status and the answer to a request's JSON. send: takes the messages of progress to the page."""
        if self.id is not None:
            return 409, {"error": "Another mask is being propagated: wait for it, or stop it."}
        self.id = (request.get("id") if isinstance(request, dict) else None) or "unnamed"
        self._stop.clear()
        on_progress = _ProgressEvents(self.id, send)
        work = asyncio.ensure_future(asyncio.to_thread(propagate, request, on_progress, self._stop.is_set))
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
        body = await _json(request)
        client = body.get("client") if isinstance(body, dict) else None
        status, answer = await propagations.run(
            body,
            lambda message: server.send_sync("fulldit.propagate", message, client),
            lambda: request.transport is None or request.transport.is_closing(),
        )
        return web.json_response(answer, status=status)

    async def stop(request: Any) -> Any:
        body = await _json(request)
        is_under_way = isinstance(body, dict) and propagations.id is not None and body.get("id") == propagations.id
        if is_under_way:
            propagations.stop()
        return web.json_response({"stopped": is_under_way})

    server.routes.post("/fulldit/propagate")(start)
    server.routes.post("/fulldit/propagate/stop")(stop)


async def _json(request: Any) -> Any:
    """Return the JSON of a request's body, or None for a body that is not JSON."""
    try:
        return await request.json()
    except ValueError:
        return None
