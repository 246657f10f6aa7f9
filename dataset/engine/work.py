"""What can be done with a clip: an object that travels to a worker, and there becomes a function of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..manifest import Clip


@dataclass(frozen=True, eq=False)
class Done:
    """What became of a clip: its new line, notes about it, and an image (H, W, 3), 0..1, for the report."""

    clip: Clip
    notes: tuple[str, ...] = ()
    image: np.ndarray | None = None


Process = Callable[[Clip], Done]


class Work(Protocol):
    """Settings that can be pickled. title: what is done, in words."""

    @property
    def title(self) -> str: ...

    def settings(self) -> dict[str, object]:
        """Return what the results depend on, as JSON has it: those of other settings are not mixed."""

    def open(self, folder: Path, out: Path) -> Process:
        """Return the function of clips, whose paths are relative to `folder`; its files go below `out`. Loads networks.

        The function raises UserError, naming the reason, for a clip that cannot be used.
        """
