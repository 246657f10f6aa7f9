"""Several movements in one path, overlapping or one after another.

    pan_right:20@0-0.5 + dolly_in:0.3,ease=linear@0.25-1

A part is a preset's name, optionally followed by `:amount`, `,ease=...`, `,seed=...`, and by `@start-end`, the share of
the clip (0 to 1) in which it happens: before it the camera has not moved, after it the camera keeps its pose. `fov=...`
in one part is the lens of the whole path.

How parts combine: every movement happens in the camera's own frame, as those before it have left it. Parts are ordered
by their start; of parts that begin together, the one written first comes first. Movements around the subject (orbit,
arc, crane, spiral) come before all others, so that they circle the subject itself wherever the camera is by then: an
orbit with a dolly comes nearer to what it circles. Zooms multiply. A dolly zoom keeps the size of the subject at its
actual distance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from .easing import apply_easing
from .presets import PRESETS, SUBJECT, intrinsics_from_fov, preset_movement, resolve_preset
from .trajectory import CameraTrajectory, compose, invert

OPTIONS = ("amount", "ease", "fov", "seed")
# A plus sign before a letter separates parts; before a digit it belongs to a number.
_PLUS = re.compile(r"\+(?=\s*[^\W\d])|\+(?=\s*(?:\+|$))")
_RANGE = re.compile(r"\s*([0-9.]+)\s*-\s*([0-9.]+)\s*")


@dataclass(frozen=True)
class SequencePart:
    """One movement of a sequence: the preset, its amount (None: its default), and its time (0..1 of the clip)."""

    name: str
    amount: float | None = None
    start: float = 0.0
    end: float = 1.0
    ease: str = "smooth"
    seed: int = 0


def parse_sequence(text: str, ease: str = "smooth") -> tuple[list[SequencePart], float | None]:
    """Return the parts of a text (see the top of this file), and the field of view in degrees if one is stated.

    ease: for parts that state none. Raises UserError, naming the part, for any other text.
    """
    pieces = [piece.strip() for piece in _PLUS.split(text)]
    parts, fov = [], None
    for number, piece in enumerate(pieces, 1):
        try:
            part, own_fov = _parse_part(piece, ease)
        except UserError as error:
            raise UserError(f"{_error_prefix(number, piece, pieces)}{error.clause}") from error
        if own_fov is not None and fov is not None and own_fov != fov:
            raise UserError(
                f"{_error_prefix(number, piece, pieces)}a second field of view ({own_fov:g}, after {fov:g}) was given"
            )
        fov = fov if own_fov is None else own_fov
        parts.append(part)
    return parts, fov


def sequence(
    text: str, frames: int = 17, fps: float = 8.0, fov: float = 50.0, aspect: float = 1.5, ease: str = "smooth"
) -> CameraTrajectory:
    """Return the path that a text describes, over `frames` frames. A single preset gives exactly `presets.preset`.

    fov (degrees, horizontal) and ease hold where the text states none. Raises UserError, naming the part.
    """
    parts, own_fov = parse_sequence(text, ease)
    return combine_parts(parts, frames, fps, fov if own_fov is None else own_fov, aspect)


def combine_parts(
    parts: Sequence[SequencePart], frames: int = 17, fps: float = 8.0, fov: float = 50.0, aspect: float = 1.5
) -> CameraTrajectory:
    """Return the path of all parts combined as the top of this file says. Without parts the camera stands still.

    Raises UserError for amounts and times out of range, and where a dolly zoom has passed the subject.
    """
    if frames < 1:
        raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
    for part in parts:
        _check_part(part)
    ordered = sorted(parts, key=lambda part: (not PRESETS[part.name].faces_subject, part.start))
    intrinsics = np.repeat(intrinsics_from_fov(fov, aspect)[None], frames, 0)
    c2w = np.repeat(np.eye(3, 4)[None], frames, 0)
    for part in ordered:
        movement = preset_movement(
            part.name, frames, fps, part.amount, part.ease, part.seed, start=part.start, end=part.end
        )
        before, c2w = c2w, compose(c2w, movement.poses())
        zoom = _subject_depth(c2w) / _subject_depth(before) if part.name == "dolly_zoom" else movement.zoom
        intrinsics[:, :2] *= zoom[:, None]
    return CameraTrajectory(c2w, intrinsics, fps)


def is_sequence(text: str) -> bool:
    """Return whether a text means movements and not a file: it starts with a preset or is not like a file name."""
    word = re.match(r"\s*(\w+)\s*(?=[:@+,]|$)", text)
    if word and word[1] in PRESETS:
        return True
    return not (set(text) & set("/\\")) and not re.search(r"\.[^\W\d]\w*\s*$", text)


def _subject_depth(c2w: np.ndarray) -> np.ndarray:
    """Return how far ahead of each camera the subject is (F,). Raise UserError where it is not ahead."""
    w2c = invert(c2w)
    depth: np.ndarray = w2c[:, 2, :3] @ SUBJECT + w2c[:, 2, 3]
    if depth.min() < 1e-3:
        raise UserError(
            "the camera reaches or passes the subject, or turns away from it, in a path with a dolly zoom (frame"
            f" {int((depth < 1e-3).argmax())}): move less"
        )
    return depth


def _check_part(part: SequencePart) -> None:
    """Raise UserError unless preset, amount, ease and times of a part are valid."""
    resolve_preset(part.name, part.amount)
    apply_easing(0.0, part.ease)
    if not 0 <= part.start < part.end <= 1:
        raise UserError(
            f"'{part.name}' takes the time {part.start:g}-{part.end:g}; a start and a later end within 0 to 1 were"
            " expected"
        )


def _parse_part(text: str, ease: str) -> tuple[SequencePart, float | None]:
    """Return one part, and the field of view that it states. Raise UserError that does not name the part."""
    if not text:
        raise UserError("a movement is missing beside the '+'; a preset such as 'pan_right:20' was expected")
    text, start, end = _split_time_range(text)
    name, colon, options = text.partition(":")
    if not colon:
        name, _, options = text.partition(",")
    part, fov = SequencePart(name.strip(), start=start, end=end, ease=ease), None
    for option in filter(None, (piece.strip() for piece in options.split(","))):
        key, equals, value = (word.strip() for word in option.partition("="))
        if not equals:
            key, value = "amount", key
        if key not in OPTIONS:
            raise UserError(f"'{key}' is not an option of a camera preset: {', '.join(OPTIONS)} are")
        try:
            if key == "fov":
                fov = float(value)
            elif key == "amount":
                part = replace(part, amount=float(value))
            elif key == "seed":
                part = replace(part, seed=int(value))
            else:
                part = replace(part, ease=value)
        except ValueError as error:
            raise UserError(f"'{value}' was given as {key}; a number was expected") from error
    _check_part(part)
    return part, fov


def _split_time_range(text: str) -> tuple[str, float, float]:
    """Return a part without its '@start-end', and the start and end (0 and 1 where it states none)."""
    head, at, tail = text.partition("@")
    if not at:
        return text, 0.0, 1.0
    stated = re.split("[,:@]", tail, maxsplit=1)[0]
    match = _RANGE.fullmatch(stated)
    try:
        if match is None:
            raise ValueError
        start, end = float(match[1]), float(match[2])
    except ValueError as error:
        raise UserError(f"its time is '{stated.strip()}'; start-end was expected, such as 0.25-1") from error
    rest = tail[len(stated) :]
    if "@" in rest:
        raise UserError("it has two times; one '@start-end' was expected")
    return head + rest, start, end


def _error_prefix(number: int, piece: str, pieces: list[str]) -> str:
    """Return which part an error is about; a lone preset needs no number."""
    which = f"part {number} of the camera movement" if len(pieces) > 1 else "the camera movement"
    return f"{which}, '{piece}': " if len(pieces) > 1 else f"{which} '{piece}': "
