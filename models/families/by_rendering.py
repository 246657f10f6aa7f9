"""A camera that a family follows by rendering: what becomes of the path, the source video and its depth, in notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ...control.conditions import CameraCondition, Conditions
from ...control.errors import UserError
from ..rendering import NEEDED, RenderedClip, hole_warnings, lacks
from .matrix import in_words
from .notes import Note

_MISSING = {"source": "no source video", "depth": "no depth"}
_CONNECT = {
    "source": "source_video (the clip, or one image with fit_time hold)",
    "depth": "depth (that of the source video)",
}
WEIGHTS = "Strength, start and end are the camera's here."


def rendered_notes(
    notes: Sequence[Note],
    conditions: Conditions,
    words: Mapping[str, str],
    render: Callable[[Conditions], RenderedClip],
) -> list[Note]:
    """Return the notes of a family on a bundle with a camera that it follows by rendering.

    The camera's note ends with the report of the rendering: its holes, and the scale of the depth. The warnings of that
    report are not in it (`hole_warnings`). It is refused, with what to do, where the bundle lacks what rendering needs,
    or cannot be rendered. words: what becomes of 'source' and 'depth', in sentences. render: renders a bundle; it may
    raise UserError.
    """
    refusal, report = _rendering(conditions, render)
    if refusal:
        return [replace(note, how="refused", sentence=refusal) if note.facet == "camera" else note for note in notes]
    sentences = {**words, **_weighted(words, conditions)}
    result = []
    for note in notes:
        if note.facet == "camera":
            note = replace(note, how="rendered", sentence=f"{note.sentence} {report}")
        elif note.facet in sentences:
            note = replace(note, how="rendered", sentence=sentences[note.facet])
        result.append(note)
    return result


def _rendering(conditions: Conditions, render: Callable[[Conditions], RenderedClip]) -> tuple[str, str]:
    """Why a bundle cannot be rendered, else "", and the report of its rendering, without warnings."""
    missing = lacks(conditions)
    if missing:
        absent = in_words([_MISSING[name] for name in missing])
        needed = in_words([_CONNECT[name] for name in missing])
        return (
            f"The camera is followed by rendering the source video along the path, and there is {absent}: connect"
            f" {needed} to Conditions.",
            "",
        )
    try:
        rendering = render(conditions)
    except UserError as error:
        return f"The source video cannot be rendered along the path: {error.clause.rstrip('.')}.", ""
    warnings = hole_warnings(rendering.shares)
    return "", " ".join(sentence for sentence in rendering.report if sentence not in warnings)


def _weighted(words: Mapping[str, str], conditions: Conditions) -> dict[str, str]:
    """The sentences on conditions whose strength or range is another than the camera's, with a word about it."""
    camera = conditions.get(CameraCondition)
    changed = {}
    for kind in NEEDED:
        item = conditions.get(kind)
        if camera is None or item is None:
            continue
        if (item.strength, item.start, item.end) != (camera.strength, camera.start, camera.end):
            changed[item.name] = f"{words[item.name]} {WEIGHTS}"
    return changed
