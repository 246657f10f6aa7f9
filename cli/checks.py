"""What can be told of a command's options before any of its work begins."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ..control.errors import UserError
from ..control.files import check_folder
from ..control.limits import check_clip

# What torch takes for a seed.
SEEDS = (-(2**63), 2**64 - 1)
MOST_STEPS = 10000
MOST_GUIDANCE = 100.0


def check_options(args: argparse.Namespace) -> None:
    """Raise UserError for an option out of range, and for results that could not be written where they are to go."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    seed, steps = given.get("seed", 0), given.get("steps", 1)
    if not SEEDS[0] <= seed <= SEEDS[1]:
        raise UserError(f"the seed {seed} has more than 64 bits: give one from {SEEDS[0]} to {SEEDS[1]}")
    if steps > MOST_STEPS:
        raise UserError(f"{steps} steps were asked for: at most {MOST_STEPS} are taken")
    for name, value in given.items():
        if name.endswith("guidance") and not (math.isfinite(value) and 0 <= value <= MOST_GUIDANCE):
            option = "--" + name.replace("_", "-")
            raise UserError(f"{option} is {value:g}; a number from 0 to {MOST_GUIDANCE:g} was expected")
    _check_size(given)
    if "out" in given:
        check_folder(given["out"])
    for name in ("json", "card"):
        if isinstance(given.get(name), str):
            _check_file(Path(given[name]))


def _check_size(given: dict[str, Any]) -> None:
    """Raise UserError for a side or a length below 1, and where those that are given make too large a clip alone."""
    names = ("frames", "height", "width")
    for name in names:
        if given.get(name, 1) < 1:
            raise UserError(f"--{name} is {given[name]}; a number above 0 was expected")
    check_clip(*(given.get(name, 1) for name in names))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"'{path}' is a folder, but a file is to be written there: give a file name")
    check_folder(path.parent)
