"""Filtering as a work of the engine: every figure is kept in the clip's line, whether or not the clip is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...control.images import indices
from ..clip_files import ClipFiles
from ..engine.strips import strip
from ..engine.work import Done, Process
from ..manifest import Clip
from .detectors import OfFrames, aesthetics, text_coverage
from .figures import Measure
from .hashes import clip_hash
from .thresholds import Thresholds

LOOKED_AT = 3  # frames of a clip in which text and aesthetics are measured: first, middle and last


@dataclass(frozen=True)
class FilterWork:
    """text: whether text is measured. aesthetics: the folder of a model, '' for none."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    text: bool = False
    aesthetics: str = ""
    title: str = "filter clips"

    def settings(self) -> dict[str, object]:
        """Return what the results depend on."""
        ranges = {name: list(ends) for name, ends in dataclasses.asdict(self.thresholds).items()}
        return {"thresholds": ranges, "text": self.text, "aesthetics": self.aesthetics}

    def open(self, folder: Path, out: Path) -> Process:
        """Load the detectors; return what measures a clip."""
        detectors: dict[str, OfFrames] = {}
        if self.text:
            detectors["text"] = text_coverage()
        if self.aesthetics:
            detectors["aesthetics"] = aesthetics(Path(self.aesthetics))

        def work(clip: Clip) -> Done:
            files = ClipFiles(clip, folder)
            wanted = set(indices(files.count, 5).tolist())
            measure, seen = Measure(), list[np.ndarray]()
            for place, frame in enumerate(files.frames()):
                measure.add(frame)
                if place in wanted:
                    seen.append(frame)
            found = measure.result()
            figures: dict[str, float | str] = {
                "seconds": found.frames / files.fps,
                "cuts": float(len(found.cuts)),
                "luminance": found.luminance,
                "motion": found.motion,
                "hash": clip_hash(seen),
            }
            for name, detect in detectors.items():
                figures[name] = detect([seen[place] for place in indices(len(seen), LOOKED_AT)])
            figures = {**clip.figures, **figures}
            rejected = self.thresholds.why_not(figures)
            notes = (f"Cuts at the frames {', '.join(map(str, found.cuts))}.",) if found.cuts else ()
            return Done(dataclasses.replace(clip, figures=figures, rejected=rejected), notes, strip(seen))

        return work
