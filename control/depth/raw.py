"""Depth before anything is done to it, and the choice of its range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..clip_files import Frames
from ..errors import UserError
from .normalize import SCOPES


@dataclass(frozen=True, eq=False)
class RawDepth:
    """Depth as an estimator, a renderer or a file gives it.

    description: what it is, for the report ("the small estimator"). frames: (F, H, W), an array or anything with a
    length that gives frames (H, W) each time it is iterated. kind: as `normalize_depth` has it. sky (F, H, W) bool or
    None. exact: it does not flicker, so it is never stabilized. absolute: its disparity is 0 at infinity, so that a
    camera can be applied to it. warnings: sentences.
    """

    description: str
    frames: Frames
    kind: str = "auto"
    sky: np.ndarray | None = None
    exact: bool = False
    absolute: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DepthRange:
    """What becomes 0 and 1: `low` and `high` quantiles over the whole clip or each frame, or near and far in the
    values' own unit. Raises UserError for an unknown scope, and for a fixed range without both."""

    scope: str = "clip"
    low: float = 0.02
    high: float = 0.98
    near: float | None = None
    far: float | None = None

    def __post_init__(self) -> None:
        if self.scope not in (*SCOPES, "fixed"):
            raise UserError(f"the depth range '{self.scope}' is unknown: choose one of {', '.join(SCOPES)} or fixed")
        if self.scope == "fixed" and (self.near is None or self.far is None):
            raise UserError("a fixed depth range needs both near and far")

    def ends(self) -> tuple[float | None, float | None]:
        """Return near and far where they are fixed, else None for both."""
        return (self.near, self.far) if self.scope == "fixed" else (None, None)


def shrink_frames(frames: Frames, longest: int) -> Frames:
    """Return the frames with a longer side of at most `longest` pixels (0: as they are), shrunk as they are read."""
    return frames if not longest else _Shrunk(frames, longest)


@dataclass(frozen=True, eq=False)
class _Shrunk:
    frames: Frames
    longest: int

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            share = self.longest / max(frame.shape)
            if share < 1:
                height, width = (max(1, round(side * share)) for side in frame.shape)
                # Unknown and infinite values do not mix with others: the nearest pixel is taken.
                rows = ((np.arange(height) + 0.5) / height * frame.shape[0]).astype(int)
                columns = ((np.arange(width) + 0.5) / width * frame.shape[1]).astype(int)
                frame = frame[rows[:, None], columns[None]]
            yield frame
