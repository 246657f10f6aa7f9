"""Numbers out of text and JSON, checked: every function raises UserError that says what came and what was expected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import JsonObject
from ..even_times import MAX_FRAMES


def number_rows(
    rows_of_text: list[tuple[int, str]], columns: tuple[int, ...], meaning: str, header_lines: int = 0
) -> np.ndarray:
    """Return the numbers (lines, columns) of the `rows` of a source.

    columns: the allowed counts per line, the same in every line. header_lines: so many first lines may hold anything.
    Raises UserError with the number of the line and the `meaning` of a line's numbers.
    """
    rows: list[list[float]] = []
    for index, (line_number, line) in enumerate(rows_of_text):
        try:
            row = [float(word) for word in line.split()]
        except ValueError as error:
            if index < header_lines:
                continue
            raise UserError(f"line {line_number} holds something that is not a number") from error
        if len(row) not in columns or (rows and len(row) != len(rows[0])):
            wanted = len(rows[0]) if rows and len(row) in columns else " or ".join(map(str, columns))
            raise UserError(f"line {line_number} has {len(row)} numbers where {wanted} were expected: {meaning}")
        if not all(map(math.isfinite, row)):
            raise UserError(f"line {line_number} holds a number that is not finite (NaN or infinity)")
        rows.append(row)
    if not rows:
        raise UserError("it holds no line of numbers")
    check_frames(len(rows))
    return np.array(rows)


def check_frames(count: int) -> None:
    """Raise UserError unless a path can have `count` frames."""
    if not 1 <= count <= MAX_FRAMES:
        raise UserError(f"it has {count} frames; 1 to {MAX_FRAMES} were expected")


def frame_objects(value: JsonObject, key: str = "frames") -> list[JsonObject]:
    """Return the list of JSON objects, one per frame, under `key`. Raises UserError for anything else."""
    frames = value.get(key)
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UserError(f"'{key}' must be a list with one object per frame")
    check_frames(len(frames))
    return frames


def frame_values(frames: list[JsonObject], key: str) -> list[Any]:
    """Return each frame's value under `key`. Raises UserError naming the first frame without one."""
    for frame_number, frame in enumerate(frames):
        if key not in frame:
            raise UserError(f"frame {frame_number} has no '{key}'")
    return [frame[key] for frame in frames]


def number(value: Any, name: str) -> float:
    """Return a finite number. Raises UserError naming the field for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise UserError(f"'{name}' is {str(value)[:60]!r}, not a number")
    return float(value)


def positive_number(value: Any, name: str) -> float:
    """Return a finite number above 0. Raises UserError naming the field for anything else."""
    if number(value, name) <= 0:
        raise UserError(f"'{name}' is {value}; a positive number was expected")
    return float(value)


def number_array(value: Any, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    """Return finite numbers of `shape` (None = any length) as float64. Raises UserError for anything else."""
    values = _as_float64(value)
    if values is None or len(values.shape) != len(shape):
        raise UserError(f"{name} must be numbers of shape {_shape_text(shape)}")
    if any(wanted is not None and wanted != own for wanted, own in zip(shape, values.shape, strict=True)):
        raise UserError(f"{name} have shape {values.shape}; {_shape_text(shape)} was expected")
    if not np.isfinite(values).all():
        raise UserError(f"{name} hold numbers that are not finite (NaN or infinity)")
    return values


def _as_float64(value: Any) -> np.ndarray | None:
    """Return an array of numbers as float64; None for what is not one."""
    try:
        values = np.asarray(value)
        return values.astype(np.float64) if values.dtype.kind in "fiu" else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("frames" if entry is None else str(entry) for entry in shape) + ")"


def excerpt(text: str) -> str:
    """Return the quoted start of a piece of a file, fit to be shown in an error."""
    return repr(text[:40] + ("..." if len(text) > 40 else ""))
