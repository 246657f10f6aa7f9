"""Which channel of an EXR image holds depth: by the names that renderers give it, in all parts of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import UserError
from .exr import check_flat, read_exr
from .exr_header import ExrHeader, read_header_of

# The last part of a channel's name where it holds depth, most likely first.
DEPTH_NAMES = ("Z", "V", "DEPTH", "SCENEDEPTH", "WORLDDEPTH", "Y", "R")
# Of these, names that an image's own channels have too.
IMAGE_NAMES = ("R", "Y")
# Beside these, in the same layer, a channel is part of a vector, a place on a texture or a color.
SIBLINGS = {"Z": {"X", "Y"}, "V": {"U"}, "Y": {"X"}}
CHROMA = {"RY", "BY"}
MIST = "MIST"
SAME = 1e-3  # channels that differ by less than this share of their values are one gray image
RANKS = 4


def choose_channel(paths: Sequence[Path], wanted: str | None) -> tuple[str, list[str]]:
    """Return the channel of depth that all files have, and warnings: `wanted`, or the one that looks like depth.

    Raises UserError where there is none, where there are several, where a file lacks the first one's, and for an image
    in colors.
    """
    headers = [read_header_of(path) for path in paths]
    channel, warnings = _choose(paths[0], headers[0], wanted)
    for path, header in zip(paths, headers, strict=True):
        if channel not in header.channels():
            raise UserError(f"'{path.name}' has no channel '{channel}', which '{paths[0].name}' has")
        check_flat(header.channels()[channel][0], path)
    if wanted is None:
        _check_gray(paths, channel, list(headers[0].channels()))
    if _layer(channel).find(MIST) >= 0:
        warnings.append(
            f"The channel '{channel}' is a mist: 0 (near) to 1 (far) in place of distances. Read it as 'inverted'."
        )
    return channel, [*warnings, *_window_warnings(headers, channel)]


def _choose(path: Path, header: ExrHeader, wanted: str | None) -> tuple[str, list[str]]:
    names = list(header.channels())
    if wanted is not None:
        # A channel's own name is enough where only one part has it.
        fitting = [name for name in names if name == wanted or header.channels()[name][1] == wanted]
        if wanted in names or len(fitting) == 1:
            return (wanted if wanted in names else fitting[0]), []
        if not fitting:
            raise UserError(f"'{path.name}' has no channel '{wanted}': it has {', '.join(names)}")
        raise UserError(f"'{path.name}' has several channels '{wanted}': say which of {', '.join(fitting)} to take")
    flat = [name for name, (part, _) in header.channels().items() if not part.deep] or names
    for likely in DEPTH_NAMES:
        matching = _matching(flat, likely)
        best = next((group for group in _ranked(matching) if group), [])
        if len(best) == 1:
            others = [name for name in matching if name != best[0]]
            said = f"Depth was read from the channel '{best[0]}'; {', '.join(others)} was left out."
            return best[0], [said] if others else []
        if best:
            raise UserError(f"'{path.name}' has several channels of depth ({', '.join(best)}): say which to take")
    if len(names) == 1:
        return names[0], []
    raise UserError(f"'{path.name}' has no channel that looks like depth: say which of {', '.join(names)} to take")


def _matching(names: list[str], likely: str) -> list[str]:
    """Return the channels whose last name is a likely one and whose layer does not make them something else."""
    found = []
    for name in names:
        layer = {_last(other) for other in names if _prefix(other) == _prefix(name)}
        part_of_other = SIBLINGS.get(likely, {""}) <= layer or (likely == "Y" and layer & CHROMA)
        if _last(name) == likely and not part_of_other:
            found.append(name)
    # An image's own channels have no layer or one whose name does not mention depth.
    if likely in IMAGE_NAMES and len(names) > 1:
        layers = [name for name in found if "DEPTH" in name.upper()]
        found = layers or (found if set("RGBA") >= set(names) else [])
    return found


def _ranked(names: list[str]) -> list[list[str]]:
    """Return channels in groups, the likeliest first: a layer called depth or none, one that mentions it, others."""
    groups: list[list[str]] = [[] for _ in range(RANKS)]
    for name in names:
        layer = _layer(name)
        groups[3 if MIST in layer else 0 if layer in ("", "DEPTH") else 1 if "DEPTH" in layer else 2].append(name)
    return groups


def _check_gray(paths: Sequence[Path], channel: str, names: list[str]) -> None:
    """Raise UserError where the channel is the red of an image in colors; red alone, or gray, is depth."""
    prefix = _prefix(channel)
    others = [prefix + name for name in ("G", "B")]
    if _last(channel) != "R" or not set(others) <= set(names):
        return
    for path in {paths[0], paths[len(paths) // 2], paths[-1]}:
        red, green, blue = (np.nan_to_num(read_exr(path, name)) for name in (channel, *others))
        room = SAME * max(float(np.abs(red).max()), 1e-6)
        gray = max(float(np.abs(green - red).max()), float(np.abs(blue - red).max())) <= room
        if not gray and (np.ptp(green) > room or np.ptp(blue) > room):
            raise UserError(
                f"'{path.name}' is an image in colors, not depth: render a depth pass (Z), or say which channel to take"
            )


def _window_warnings(headers: Sequence[ExrHeader], channel: str) -> list[str]:
    parts = [header.channels()[channel][0] for header in headers]
    warnings = []
    if any(not part.display.holds(part.data) for part in parts):
        warnings.append("The EXR images reach beyond the edges of the picture (overscan): the margin was cut off.")
    if any(not part.data.holds(part.display) for part in parts):
        warnings.append("The EXR images hold only a part of the picture: depth is unknown in the rest.")
    return warnings


def _last(name: str) -> str:
    return name.split(".")[-1].upper()


def _prefix(name: str) -> str:
    return name[: len(name) - len(name.split(".")[-1])]


def _layer(name: str) -> str:
    """Return the name before a channel's own, in capitals; empty where there is none."""
    groups = name.split(".")
    return groups[-2].upper() if len(groups) > 1 else ""
