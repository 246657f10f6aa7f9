"""Which camera of a file that holds several is read: by its name or number, and what to say where none is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import UserError
from ...frame_order import natural_sort_key

# Names that a sentence lists.
_LISTED = 12


def choose(names: Sequence[str], wanted: str, kind: str = "cameras", default: int = 0) -> tuple[int, tuple[str, ...]]:
    """Return the place of the camera to read among the `names`, and what to say; `default` where none is wanted.

    wanted: a name, the number in a name (6 for cam06), or a place counted from 1. kind: what the names are of.
    Raises UserError, which lists the names, for one that is not there.
    """
    if not wanted:
        said = f"The file holds {len(names)} {kind} ({listed(names)}): {names[default][:40]} was read."
        return default, (f"{said} Set camera to read another.",) if len(names) > 1 else ()
    place = find(names, wanted)
    if place is None:
        raise UserError(f"it has no camera '{wanted[:40]}'; choose one of its {len(names)} {kind}: {listed(names)}")
    return place, ()


def find(names: Sequence[str], wanted: str) -> int | None:
    """Return the place of the name that `wanted` means, as `choose` takes it; None for none."""
    wanted = wanted.strip().lower()
    lower = [name.lower() for name in names]
    if wanted in lower:
        return lower.index(wanted)
    if not re.fullmatch(r"[0-9]{1,9}", wanted):
        return None
    numbers = [re.search(r"(\d{1,9})$", name) for name in lower]
    numbered = [place for place, found in enumerate(numbers) if found and int(found[1]) == int(wanted)]
    if numbered or all(numbers):
        return numbered[0] if len(numbered) == 1 else None
    return int(wanted) - 1 if 1 <= int(wanted) <= len(names) else None


def choose_folder(names: Sequence[str], wanted: str) -> tuple[list[int], tuple[str, ...]]:
    """Return the places of the images of one camera among the `names` of images, and what to say.

    Cameras of a rig have a folder each, with two images or more; where the folders are of something else, all images
    are one camera's. Raises UserError for a camera that is not there.
    """
    folders: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        folders.setdefault(name.replace("\\", "/").rpartition("/")[0], []).append(place)
    if len(folders) == 1 or min(map(len, folders.values())) < 2:
        if wanted:
            raise UserError(f"a camera '{wanted[:40]}' was asked for; its images are of one camera: leave it empty")
        return list(range(len(names))), ()
    # The part of the path by which they differ is the camera's name.
    ordered = sorted(folders, key=natural_sort_key)
    short = [folder.rpartition("/")[2] for folder in ordered]
    labels = short if len(set(short)) == len(short) and all(short) else [folder or "." for folder in ordered]
    place, notes = choose(labels, wanted, "folders of images")
    return folders[ordered[place]], notes


def listed(names: Sequence[str]) -> str:
    """Return the names as a list in a sentence, not too many of them."""
    shown = [name[:40] for name in names[:_LISTED]]
    return ", ".join(shown) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
