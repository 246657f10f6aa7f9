"""Why masks that were carried along a video are to be looked at, in sentences that name their frames."""

from __future__ import annotations

from collections.abc import Mapping

from ..ranges import name_frames
from .evidence import DOUBTED, Evidence

# Each cause with its sentence, in the order in which they are looked for.
_SENTENCES = {
    "jumped": "the mask changed to half or twice its area at once, as if it had jumped to something else",
    "foreign": "the mask covers what was beside the object",
    "missing": "the mask leaves out a part of the object",
    "colors": "the mask has the colors of the surroundings more than the object's",
    "area": "object and surroundings have like colors, and the mask's area changed more than their movement explains",
    "unknown": "little of the mask can be traced back to the one that was provided",
}


def doubt_sentences(doubted: Mapping[int, Evidence]) -> list[str]:
    """Return a sentence for each cause of doubt, by the number of the frame."""
    frames: dict[str, list[int]] = {}
    for number in sorted(doubted):
        frames.setdefault(_cause(doubted[number]), []).append(number)
    return [
        f"{_where(frames[cause])} {sentence}: look there, and paint it again."
        for cause, sentence in _SENTENCES.items()
        if cause in frames
    ]


def _where(frames: list[int]) -> str:
    names = name_frames(frames)
    return f"From frame {frames[0]} on ({names})" if len(frames) > 1 else f"In {names}"


def _cause(evidence: Evidence) -> str:
    if evidence.jumped:
        return "jumped"
    if max(evidence.foreign, evidence.missing) > 1 - 1.5 * DOUBTED:
        return "foreign" if evidence.foreign > evidence.missing else "missing"
    if evidence.color is not None and evidence.color < DOUBTED:
        return "colors"
    return "unknown" if evidence.known < DOUBTED else "area"
