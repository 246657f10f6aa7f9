"""What an agreement report holds: figures of each condition, who found them, and what nobody can judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ...control.camera.trajectory import CameraTrajectory
from ...control.depth import DepthClip
from .judge import HIGHER_IS_BETTER

Shown: TypeAlias = np.ndarray | CameraTrajectory | None  # frames (F, H, W), or a path
FOLLOWED, IN_PART = 0.75, 0.35  # shares of the way from a video that ignores the condition to the best figure


@dataclass(frozen=True)
class Found:
    """What other tools found in the finished video. masks: by the place of the identity, (F, H, W) each."""

    camera: CameraTrajectory | None = None
    depth: DepthClip | None = None
    masks: Mapping[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One figure of a video. best: what the estimator says of a video that obeys (its floor), None where unknown.
    ignored: what a video that ignores the condition gets. share: how far along the way from `ignored` to `best`."""

    name: str
    label: str
    value: float
    unit: str
    best: float | None
    ignored: float | None
    share: float | None = None

    def text(self) -> str:
        """Return the value with its unit, the floor and what a video gets that ignores the condition."""
        beside = [f"floor {self.best:.3g}"] if self.best is not None else []
        beside += [f"ignoring it {self.ignored:.3g}"] if self.ignored is not None else []
        value = f"{self.value:.3g} {self.unit}".strip()
        return f"{value} ({', '.join(beside)})" if beside else value


@dataclass(frozen=True, eq=False)
class Judged:
    """What came of one condition. source: who looked, or None where nobody could. cannot: what is not judged, and why.

    asked, seen: frames (F, H, W) or a path, for pictures; None where there is nothing to show.
    """

    condition: str
    source: str | None
    figures: tuple[Figure, ...] = ()
    cannot: tuple[str, ...] = ()
    asked: Shown = None
    seen: Shown = None

    @property
    def verdict(self) -> str:
        """'followed', 'followed in part', 'not followed', or 'not judged'."""
        shares = [figure.share for figure in self.figures if figure.share is not None]
        if not shares:
            return "not judged"
        share = float(np.mean(shares))
        return "followed" if share >= FOLLOWED else "followed in part" if share >= IN_PART else "not followed"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "condition": self.condition,
            "verdict": self.verdict,
            "source": self.source,
            "figures": [{key: _rounded(value) for key, value in asdict(figure).items()} for figure in self.figures],
            "cannot": list(self.cannot),
        }


@dataclass(frozen=True)
class AgreementReport:
    """Every condition, and what nobody judges."""

    frames: int
    height: int
    width: int
    judged: tuple[Judged, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        video = {"frames": self.frames, "height": self.height, "width": self.width}
        return {"video": video, "conditions": [one.to_json() for one in self.judged], "notes": list(self.notes)}

    def pairs(self) -> list[tuple[str, Shown, Shown]]:
        """Return what was asked and what was seen of each condition, by its name, for pictures."""
        return [(one.condition, one.asked, one.seen) for one in self.judged]

    def gauges(self) -> list[tuple[str, str, float | None]]:
        """Return name, numbers and share of every figure, for pictures."""
        return [
            (f"{one.condition}: {figure.label}", figure.text(), figure.share)
            for one in self.judged
            for figure in one.figures
        ]

    def lines(self) -> list[str]:
        """Return the report in sentences."""
        said = []
        for one in self.judged:
            figures = "; ".join(f"{figure.label} {figure.text()}" for figure in one.figures)
            said.append(f"{one.condition}: {one.verdict}{f': {figures}' if figures else ''}.")
            said += one.cannot
        return [*said, *self.notes]


def make_figure(name: str, label: str, value: float, unit: str, best: float | None, ignored: float | None) -> Figure:
    """Return a figure with its share of the way from `ignored` to `best`, or where that is not known, to perfect."""
    share, end = None, best if best is not None else float(name in HIGHER_IS_BETTER)
    if ignored is not None and abs(end - ignored) > 1e-3:
        share = float(np.clip((value - ignored) / (end - ignored), 0, 1))
    return Figure(name, label, float(value), unit, best, ignored, share)


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value
