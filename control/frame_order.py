"""The frames of a folder in order: by the number that varies from name to name, whatever else stands in the names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from .errors import UserError

# A minus is a sign at the start of a name and behind a dot or an underscore, as renderers write frames before the
# first ('depth.-003'); behind anything else it separates ('shot-003', '2024-01-05').
_NUMBER = re.compile(r"((?:(?<![^._])-)?\d+)")
_MOST_DIGITS = 18
_MOST_NAMED = 5  # missing frames in a sentence

Parts = list[tuple[int, int | str]]


def natural_sort_key(name: str) -> Parts:
    """Return a key that sorts 'frame10' behind 'frame9', and 'x.-2' before 'x.1'."""
    parts = _NUMBER.split(name)
    return [(1, int(part[:_MOST_DIGITS])) if number % 2 else (0, part) for number, part in enumerate(parts)]


def list_frames(folder: str | os.PathLike[str], endings: Collection[str]) -> list[Path]:
    """Return the files of a folder with these endings in natural order. Raises UserError as `sort_frames` does."""
    return sort_frames(find_frames(folder, endings))


def find_frames(folder: str | os.PathLike[str], endings: Collection[str]) -> list[Path]:
    """Return the files of a folder with these endings, in no order; hidden ones and folders are left out."""
    found = Path(os.path.expanduser(folder)).iterdir()
    return [p for p in found if p.suffix.lower() in endings and not p.name.startswith(".") and p.is_file()]


def sort_frames(paths: Iterable[Path]) -> list[Path]:
    """Return files in natural order. Raises UserError where two have the same number, as the frames of two clips."""
    paths = sorted(paths, key=lambda path: (natural_sort_key(path.stem), path.name))
    numbers = frame_numbers(paths)
    if numbers is None:
        return paths
    order = sorted(zip(numbers, paths, strict=True), key=lambda pair: pair[0])
    for (before, first), (after, second) in zip(order, order[1:], strict=False):
        if before == after:
            raise UserError(f"'{first.name}' and '{second.name}' have the same number: keep one clip in a folder")
    return [path for _, path in order]


def frame_numbers(paths: Sequence[Path]) -> list[int] | None:
    """Return the number of each file: the one that varies among the names.

    None where there is no such number: a name has none, the names are built differently, or several numbers vary (as in
    time stamps, which stand in natural order by themselves).
    """
    keys = [natural_sort_key(path.stem) for path in paths]
    if len(keys) < 2 or len({tuple(kind for kind, _ in key) for key in keys}) > 1:
        return None
    columns = [[value for _, value in column] for column in zip(*keys, strict=True)]
    varying = [column for column in columns[1::2] if len(set(column)) > 1]
    if len(varying) == 1:
        return [int(value) for value in varying[0]]
    # '1.png' and '01.png', or '1.png' and '1.jpg': nothing varies, so it is one number twice.
    alike = len(columns) > 1 and all(len(set(column)) == 1 for column in columns)
    return [int(value) for value in columns[1]] if alike else None


def missing_frames(paths: Sequence[Path]) -> str:
    """Return the numbers that a sequence of files in order lacks, as '3, 4'; '' where none is missing."""
    numbers = frame_numbers(paths) or []
    steps = {after - before for before, after in zip(numbers, numbers[1:], strict=False)}
    if len(steps) < 2:
        return ""
    missing: list[int] = []
    present = set(numbers)
    for number in range(numbers[0], numbers[-1] + 1, min(steps)):
        if number not in present:
            missing.append(number)
        if len(missing) > _MOST_NAMED:
            break
    return ", ".join(map(str, missing[:_MOST_NAMED])) + (", ..." if len(missing) > _MOST_NAMED else "")
