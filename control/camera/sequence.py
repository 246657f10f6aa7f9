"""Several movements in one path, overlapping or one after another.

    pan_right:20@0-0.5 + dolly_in:0.3,ease=linear@0.25-1

A part is a preset's name, where wanted `:amount` and `,ease=...` `,seed=...` after it, and `@start-end`, the share of
the clip (0 to 1) in which it happens: before it the camera has not moved, after it the movement stays. `fov=...` in
one part is the lens of the whole path.

How parts combine: every movement happens in the camera's own frame, as those before it have left it. What begins
earlier comes before; of parts that begin together, the one written first. Movements around the subject (orbit, arc,
crane, spiral) come before all others, so that they circle the subject itself wherever the camera is by then: an orbit
with a dolly comes nearer to what it circles. Zooms multiply. A dolly zoom keeps the size of the subject at the distance
it really has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from .easing import eased
from .presets import PRESETS, SUBJECT, checked, handheld, intrinsics_of
from .trajectory import CameraTrajectory, compose, invert

OPTIONS = ("amount", "ease", "fov", "seed")
# A plus sign before a letter separates parts; before a digit it belongs to a number.
_PLUS = re.compile(r"\+(?=\s*[^\W\d])|\+(?=\s*(?:\+|$))")
_RANGE = re.compile(r"\s*([0-9.]+)\s*-\s*([0-9.]+)\s*")


@dataclass(frozen=True)
class Part:
    """One movement of a sequence: the preset, its amount (None: its default), and the part of the clip it takes."""

    name: str
    amount: float | None = None
    start: float = 0.0
    end: float = 1.0
    ease: str = "smooth"
    seed: int = 0


def parse(text: str, ease: str = "smooth") -> tuple[list[Part], float | None]:
    """The parts of a text (see the top of this file), and the field of view if one is stated.

    ease: of parts that name none. Raises UserError, naming the part, for whatever it cannot be.
    """
    pieces = [piece.strip() for piece in _PLUS.split(text)]
    parts, fov = [], None
    for number, piece in enumerate(pieces, 1):
        try:
            part, lens = _part(piece, ease)
        except UserError as error:
            raise UserError(f"{_place(number, piece, pieces)}{error.clause}") from error
        if lens is not None and fov is not None and lens != fov:
            raise UserError(
                f"{_place(number, piece, pieces)}a second field of view ({lens:g}, after {fov:g}) was given"
            )
        fov = fov if lens is None else lens
        parts.append(part)
    return parts, fov


def sequence(
    text: str, frames: int = 17, fps: float = 8.0, fov: float = 50.0, aspect: float = 1.5, ease: str = "smooth"
) -> CameraTrajectory:
    """The path that a text describes, over `frames` frames. A single preset gives exactly `presets.preset`.

    fov (degrees, horizontal) and ease hold where the text states none. Raises UserError, naming the part.
    """
    parts, lens = parse(text, ease)
    return combine(parts, frames, fps, fov if lens is None else lens, aspect)


def combine(
    parts: Sequence[Part], frames: int = 17, fps: float = 8.0, fov: float = 50.0, aspect: float = 1.5
) -> CameraTrajectory:
    """The path of all parts together; how, is said at the top of this file. No parts: the camera stands still.

    Raises UserError for amounts and times out of range, and where a dolly zoom has passed the subject.
    """
    if frames < 1:
        raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
    for part in parts:
        _check(part)
    ordered = sorted(parts, key=lambda part: (not PRESETS[part.name].around, part.start))
    intrinsics = np.repeat(intrinsics_of(fov, aspect)[None], frames, 0)
    c2w = np.repeat(np.eye(3, 4)[None], frames, 0)
    for part in ordered:
        pose, zoom = _poses(part, frames, fps)
        before, c2w = c2w, compose(c2w, pose)
        if part.name == "dolly_zoom":
            zoom = _depth(c2w) / _depth(before)
        intrinsics[:, :2] *= zoom[:, None]
    return CameraTrajectory(c2w, intrinsics, fps)


def is_sequence(text: str) -> bool:
    """Whether a text means movements and not a file: it starts with a preset's name, or has nothing of a file name."""
    word = re.match(r"\s*(\w+)\s*(?=[:@+,]|$)", text)
    if word and word[1] in PRESETS:
        return True
    return not (set(text) & set("/\\")) and not re.search(r"\.[^\W\d]\w*\s*$", text)


def _poses(part: Part, frames: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F, 3, 4) and zoom (F,) of one part alone."""
    movement, amount = checked(part.name, part.amount)
    if part.name == "handheld":
        rotation, position, zoom = handheld(np.arange(frames) / fps, amount, part.seed, part.start, part.end)
    else:
        at = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
        progress = eased((at - part.start) / (part.end - part.start), part.ease)
        rotation, position, zoom = movement.path(progress, amount)
    return np.concatenate([rotation, position[..., None]], 2), zoom


def _depth(c2w: np.ndarray) -> np.ndarray:
    """How far ahead of each camera the subject is (F,). Raises UserError where it no longer is."""
    w2c = invert(c2w)
    depth = w2c[:, 2, :3] @ SUBJECT + w2c[:, 2, 3]
    if depth.min() < 1e-3:
        raise UserError(
            "the camera reaches or passes the subject, or turns away from it, in a path with a dolly zoom (frame"
            f" {int((depth < 1e-3).argmax())}): move less"
        )
    return depth


def _check(part: Part) -> None:
    checked(part.name, part.amount)
    eased(0.0, part.ease)
    if not 0 <= part.start < part.end <= 1:
        raise UserError(
            f"'{part.name}' takes the time {part.start:g}-{part.end:g}; a start and a later end within 0 to 1 were"
            " expected"
        )


def _part(text: str, ease: str) -> tuple[Part, float | None]:
    """One part, and the field of view it states. Raises UserError that does not name the part."""
    if not text:
        raise UserError("a movement is missing beside the '+'; a preset such as 'pan_right:20' was expected")
    start, end = 0.0, 1.0
    head, at, tail = text.partition("@")
    if at:
        time = re.split("[,:@]", tail, maxsplit=1)[0]
        found = _RANGE.fullmatch(time)
        try:
            start, end = float(found[1]), float(found[2])
        except (TypeError, ValueError) as error:
            raise UserError(f"its time is '{time.strip()}'; start-end was expected, such as 0.25-1") from error
        rest = tail[len(time) :]
        if "@" in rest:
            raise UserError("it has two times; one '@start-end' was expected")
        head += rest
    name, colon, rest = head.partition(":")
    if not colon:
        name, _, rest = head.partition(",")
    values: dict = {"ease": ease}
    for piece in filter(None, (piece.strip() for piece in rest.split(","))):
        key, equals, value = (word.strip() for word in piece.partition("="))
        if not equals:
            key, value = "amount", key
        if key not in OPTIONS:
            raise UserError(f"'{key}' is no option of a camera preset: {', '.join(OPTIONS)} are")
        try:
            values[key] = value if key == "ease" else int(value) if key == "seed" else float(value)
        except ValueError as error:
            raise UserError(f"'{value}' was given as {key}; a number was expected") from error
    fov = values.pop("fov", None)
    part = Part(name.strip(), start=start, end=end, **values)
    _check(part)
    return part, fov


def _place(number: int, piece: str, pieces: list[str]) -> str:
    """Which part an error is about; a lone preset needs no number."""
    return (
        f"part {number} of the camera movement, '{piece}': " if len(pieces) > 1 else f"the camera movement '{piece}': "
    )
