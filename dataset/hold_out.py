"""Which clips of a manifest are kept from a training, to measure it on.

They are chosen by whole recordings: clips of one video, of a pair of videos, of one address or of one scene are all
trained on, or all held out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..control.errors import UserError, shorten
from ..control.files import existing
from .manifest import Clip

FOLDER = "held_out"  # beside the folder of the shards that are trained on
_SHARED = ("url", "scene")  # entries of a clip's provenance that name where other clips may come from too


def held_out_of(clips: Sequence[Clip], chosen: str, seed: int = 0) -> frozenset[str]:
    """Return the ids of the clips to hold out: `chosen` is a share of them, or a file with an id or a video a line.

    The same seed takes the same recordings for a share, as many as fit in it, at least one. Raises UserError for a
    share that is not between 0 and 1, for a line that no clip answers to, and where nothing would be left to train on.
    """
    groups = recordings(clips)
    share = _parse_share(chosen)
    taken = _listed(groups, Path(chosen)) if share is None else _drawn(groups, share, seed)
    if len(taken) == len(groups):
        raise UserError(
            f"All {len(clips)} clips would be held out, as they come from {len(groups)} "
            f"{'recording' if len(groups) == 1 else 'recordings'}: hold out fewer, or add videos."
        )
    return frozenset(clip.id for group in taken for clip in group)


def recordings(clips: Sequence[Clip]) -> list[list[Clip]]:
    """Return the clips in groups that share nothing: neither video, nor source video, nor address or scene."""
    owner: dict[str, str] = {}  # what a clip comes from -> another such name of its group, or itself

    def root(name: str) -> str:
        while owner.setdefault(name, name) != name:
            owner[name] = owner[owner[name]]
            name = owner[name]
        return name

    for clip in clips:
        first, *others = _origins(clip)
        for other in others:
            one, two = sorted((root(first), root(other)))
            owner[two] = one
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(root(next(_origins(clip))), []).append(clip)
    return list(groups.values())


def _origins(clip: Clip) -> Iterator[str]:
    yield f"video {clip.video}"
    if clip.source is not None:
        yield f"video {clip.source.video}"
    for name in _SHARED:
        if name in clip.provenance:
            yield f"{name} {clip.provenance.get('dataset', '')} {clip.provenance[name]}"


def _parse_share(chosen: str) -> float | None:
    """Return the share that a text states, None for any other text. Raises UserError for one that is not a part."""
    try:
        share = float(chosen)
    except ValueError:
        return None
    if not 0 < share < 1:
        raise UserError(f"The held-out share is {shorten(chosen)}: expected a number above 0 and below 1, or a file.")
    return share


def _drawn(groups: list[list[Clip]], share: float, seed: int) -> list[list[Clip]]:
    """Return recordings in a seeded order, as long as their clips fit in the share; the smallest where none does."""

    def order(group: list[Clip]) -> str:
        return hashlib.sha256(f"{seed} {min(clip.id for clip in group)}".encode()).hexdigest()

    left = share * sum(map(len, groups))
    ordered, taken = sorted(groups, key=order), []
    for group in ordered:
        if len(group) <= left:
            taken.append(group)
            left -= len(group)
    return taken or [min(ordered, key=len)]


def _listed(groups: list[list[Clip]], path: Path) -> list[list[Clip]]:
    """Return the recordings that the lines of a file name. Raises UserError for a line that names none."""
    try:
        lines = existing(path, "list of clips to hold out").read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"'{path}' is not a text in UTF-8: a line for each clip to hold out was expected.") from error
    names = {line.strip() for line in lines} - {""}
    known = {name for group in groups for clip in group for name in (clip.id, clip.video)}
    if unknown := sorted(names - known):
        raise UserError(
            f"'{path}' names {shorten(unknown[0])}, which no clip of the manifest has as its id or video: a line for "
            f"each clip was expected."
        )
    if not names:
        raise UserError(f"'{path}' names no clips: a line for each clip was expected.")
    return [group for group in groups if any(names & {clip.id, clip.video} for clip in group)]
