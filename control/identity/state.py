"""The mask painter's state: several slots with their mask keys, as one JSON object.

{"format": "fulldit-masks", "version": 1, "size": [width, height], "frames": 17, "slots": [{"name": "cup", "colour":
"#ff0000", "visible": true, "keys": [{"frame": 0, "shapes": [...], "ease": "linear"}, ...]}, ...]}

`size` is that of the images it was painted over; masks come at any size. `visible` says what the page shows; hidden
slots give their masks all the same. The order of the slots is that of the identities.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import UserError, shorten
from .keyframes import MOST_FRAMES, MaskKey, Masklet, key_from_json, key_to_json
from .shape_json import MOST_PIXELS, Json, read_numbers

FORMAT, VERSION = "fulldit-masks", 1
# The colors of new slots: those of the identity map (slots.SLOT_COLORS), then some that are told apart from them.
COLORS = ("#ff0000", "#00ff00", "#0000ff", "#ffb000", "#00c8ff", "#d000ff", "#ffff00", "#ff80b0")
MOST_SLOTS, MOST_KEYS = len(COLORS), 2000
MOST_CHARACTERS = 32 * 2**20
MOST_NAME = 200  # characters


@dataclass(frozen=True)
class MaskSlot:
    """One layer of the painter: a name, a masklet, a color '#rrggbb', and whether the page shows it."""

    name: str
    masklet: Masklet
    color: str = COLORS[0]
    visible: bool = True


@dataclass(frozen=True)
class MaskState:
    """What was painted over a clip of `frames` frames of `width` x `height`."""

    width: int
    height: int
    frames: int
    slots: tuple[MaskSlot, ...] = ()

    def rasterize(
        self, height: int | None = None, width: int | None = None, frames: int | None = None
    ) -> list[np.ndarray]:
        """Return the masks (F, height, width), float32 0..1, of each slot, by default at the painted size."""
        size = (self.height if height is None else height, self.width if width is None else width)
        return [slot.masklet.rasterize(*size, self.frames if frames is None else frames) for slot in self.slots]


def state_to_json(state: MaskState) -> str:
    """Return the state as compact JSON text."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "size": [state.width, state.height],
        "frames": state.frames,
        "slots": [
            {
                "name": slot.name,
                "colour": slot.color,
                "visible": slot.visible,
                "keys": [key_to_json(key) for key in slot.masklet.keys],
            }
            for slot in state.slots
        ],
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def state_from_json(text: str | Json) -> MaskState:
    """Return the state of such a text (or object). Raises UserError, naming slot, key and field, for anything else."""
    value = _parse(text) if isinstance(text, str) else text
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        raise UserError(f'the masks are {shorten(value)}; a JSON object with "format": "{FORMAT}" was expected')
    if value.get("version") != VERSION:
        raise UserError(f"the masks are of version {shorten(value.get('version'))}; this pack reads version {VERSION}")
    for field in ("size", "frames", "slots"):
        if field not in value:
            raise UserError(f"the masks lack the field '{field}'")
    width, height = read_numbers(value["size"], 2, "'size' of the masks", 1, MOST_PIXELS, whole=True)
    (frames,) = read_numbers([value["frames"]], 1, "'frames' of the masks", 1, MOST_FRAMES, whole=True)
    listed = value["slots"]
    if not isinstance(listed, list) or len(listed) > MOST_SLOTS:
        raise UserError(f"'slots' of the masks is {shorten(listed)}; a list of at most {MOST_SLOTS} was expected")
    slots = tuple(_read_slot(slot, number, int(frames)) for number, slot in enumerate(listed))
    return MaskState(int(width), int(height), int(frames), slots)


def _parse(text: str) -> object:
    if len(text) > MOST_CHARACTERS:
        raise UserError(f"the masks are a text of {len(text)} characters; at most {MOST_CHARACTERS} are read")
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the masks are not JSON ({error}): was the text cut?") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _read_slot(value: object, number: int, frames: int) -> MaskSlot:
    where = f"slot {number}"
    if not isinstance(value, dict):
        raise UserError(f"{where} of the masks is {shorten(value)}; an object with name and keys was expected")
    unknown = set(value) - {"name", "colour", "visible", "keys"}
    if unknown:
        raise UserError(f"{where} has the unknown field '{sorted(unknown)[0]}': a slot has name, colour, visible, keys")
    name = value.get("name", f"object {number + 1}")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= MOST_NAME:
        raise UserError(f"the name of {where} is {shorten(name)}; a text of 1 to {MOST_NAME} characters was expected")
    where = f"slot '{name}'"
    color = value.get("colour", COLORS[number])
    if not isinstance(color, str) or not re.fullmatch("#[0-9a-fA-F]{6}", color):
        raise UserError(f"the color of {where} is {shorten(color)}; one like #ff8000 was expected")
    visible = value.get("visible", True)
    if not isinstance(visible, bool):
        raise UserError(f"'visible' of {where} is {shorten(visible)}; true or false was expected")
    keys = _read_keys(value.get("keys", []), where, frames)
    try:
        return MaskSlot(name.strip(), Masklet(keys, frames), color, visible)
    except UserError as error:
        raise UserError(f"{where}: {error.clause}") from error


def _read_keys(listed: object, where: str, frames: int) -> tuple[MaskKey, ...]:
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise UserError(f"'keys' of {where} is {shorten(listed)}; a list of at most {MOST_KEYS} was expected")
    return tuple(key_from_json(key, frames, f"key {number} of {where}") for number, key in enumerate(listed))
