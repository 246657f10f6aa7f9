"""What is kept: a range for each figure, as the papers have it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ...control.errors import UserError

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Thresholds:
    """The least and the most of each figure; None leaves an end open.

    luminance, motion, text, aesthetics: SpatialVID (arXiv 2509.09676, section 3): mean luminance 20 to 140 of 255, VMAF
    motion 2 to 14, at most 30 % text, LAION's score at least 4. cuts: none, as in all sets of clips of one shot.
    seconds: none; SpatialVID's clips have 3 to 15.
    """

    seconds: Range = (None, None)
    cuts: Range = (None, 0)
    luminance: Range = (20, 140)
    motion: Range = (2, 14)
    text: Range = (None, 0.3)
    aesthetics: Range = (4, None)

    def why_not(self, figures: dict[str, float | str]) -> str:
        """Return why a clip with these figures is not kept, '' where it is. Figures that are not there do not count."""
        reasons = []
        for field in fields(self):
            value = figures.get(field.name)
            if value is None or isinstance(value, str):
                continue
            low, high = getattr(self, field.name)
            if low is not None and value < low:
                reasons.append(f"{field.name} {value:.3g} is below {low:g}")
            if high is not None and value > high:
                reasons.append(f"{field.name} {value:.3g} is above {high:g}")
        text = "; ".join(reasons)
        return text[:1].upper() + text[1:] + "." if text else ""


def parse_range(text: str) -> Range:
    """Return the range of a text such as '2..14', '..0.3' or '4..'. Raises UserError for anything else."""
    low, dots, high = text.partition("..")
    try:
        if not dots:
            raise ValueError
        ends = tuple(float(end) if end.strip() else None for end in (low, high))
        if any(end is not None and math.isnan(end) for end in ends):  # which nothing is below or above
            raise ValueError
    except ValueError as error:
        raise UserError(
            f"the range '{text}' was given; LOW..HIGH was expected, of which one may be left out"
        ) from error
    return ends[0], ends[1]
