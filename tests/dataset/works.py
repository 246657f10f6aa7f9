"""Works for the tests of the engine, which Ray's workers import too."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import DiskFullError
from comfyui_fulldit.dataset.engine.work import Done


@dataclass(frozen=True)
class Mark:
    """Notes every execution in a file. Clips called bad-... fail, odd-... are rejected, full-... find no room.

    wait: seconds a clip takes. dies: the worker that is the first to see this clip is killed.
    """

    wait: float = 0.0
    dies: str = ""
    version: int = 1

    @property
    def title(self) -> str:
        return "mark clips"

    def settings(self):
        return {"version": self.version}

    def open(self, folder: Path, out: Path):
        seen = out / "executions"
        seen.mkdir(exist_ok=True)

        def mark(clip):
            time.sleep(self.wait)
            (seen / f"{clip.id}.{time.time_ns()}.{os.getpid()}").touch()
            if clip.id == self.dies and len(list(seen.glob(f"{clip.id}.*"))) == 1:
                os.kill(os.getpid(), 9)
            if clip.id.startswith("bad"):
                raise UserError(f"'{clip.id}' is bad: leave it out")
            if clip.id.startswith("crash"):
                raise ZeroDivisionError("by zero")
            if clip.id.startswith("full"):
                raise DiskFullError("there is no room left")
            rejected = "It is odd." if clip.id.startswith("odd") else ""
            new = replace(clip, figures={"length": float(len(clip.id))}, rejected=rejected)
            return Done(new, ("A note.",), np.full((8, 12, 3), 0.5, np.float32))

        return mark
