"""The page's half of the masks, run with node: the same covers, in-betweens, texts and errors as Python's."""

from __future__ import annotations

import base64
import copy
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import runs
from comfyui_fulldit.control.identity.keyframes import MASK_EASES, MaskKey, Masklet, MaskRenderer
from comfyui_fulldit.control.identity.shape_json import from_json, to_json
from comfyui_fulldit.control.identity.shapes import (
    Bitmap,
    Box,
    Brush,
    Ellipse,
    Polygon,
    Shape,
    rasterize,
)
from comfyui_fulldit.control.identity.state import MaskSlot, MaskState, state_from_json, state_to_json

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"


def in_node(script: str, sent: object = None):
    """What a script of the fixtures prints, run with the page's modules; `sent` is what it reads."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the page's modules with")
    done = subprocess.run(
        [node, FIXTURES / script], input=json.dumps(sent or {}), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def unpacked(text: str, height: int, width: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(height, width)


def shape(random: np.random.Generator, kind: str, subtract: bool = False) -> Shape:
    """A shape of a kind, somewhere, also half outside the image."""
    center, size = tuple(random.uniform(-0.1, 1.1, 2)), tuple(random.uniform(0.05, 0.9, 2))
    turn = float(random.choice([0, 90, random.uniform(-360, 360)]))
    if kind == "ellipse":
        return Ellipse(center, size, turn, subtract)
    if kind == "box":
        return Box(center, size, turn, subtract)
    if kind == "polygon":
        angles = np.sort(random.uniform(0, 2 * math.pi, random.integers(3, 12)))
        reach = random.uniform(0.1, 0.7, len(angles))
        return Polygon(
            tuple(map(tuple, np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None] + center)), subtract
        )
    if kind == "brush":
        points = np.cumsum(random.normal(0, 0.08, (random.integers(1, 20), 2)), 0) + center
        return Brush(tuple((x, y, random.uniform(0.005, 0.2)) for x, y in points), subtract)
    height, width = random.integers(3, 60, 2)
    below = rasterize([shape(random, "ellipse"), shape(random, "polygon", True)], height, width)
    return Bitmap.of(below, subtract)


def plain(entry: Shape) -> dict:
    return json.loads(json.dumps(to_json(entry)))


def read(entry: Shape) -> Shape:
    """The shape as its JSON has it, rounded."""
    return from_json(plain(entry))


KINDS = ("bitmap", "polygon", "ellipse", "box", "brush")


def test_the_page_covers_what_python_covers():
    random = np.random.default_rng(5)
    covers, layers = [], []
    for number in range(60):
        height, width = (int(side) for side in random.integers(1, 70, 2))
        covers.append((read(shape(random, KINDS[number % 5])), height, width))
        stack = [read(shape(random, str(kind), bool(k % 2))) for k, kind in enumerate(random.choice(KINDS, 5))]
        layers.append((stack, height, width))
    found = in_node(
        "mask_keys.mjs",
        {
            "covers": [{"shape": plain(entry), "height": h, "width": w} for entry, h, w in covers],
            "layers": [{"shapes": [plain(e) for e in stack], "height": h, "width": w} for stack, h, w in layers],
        },
    )
    for (entry, height, width), text in zip(covers, found["covers"], strict=True):
        assert np.abs(entry.cover(height, width) - unpacked(text, height, width)).max() < 1e-4, entry
    for (stack, height, width), text in zip(layers, found["layers"], strict=True):
        assert np.abs(rasterize(stack, height, width) - unpacked(text, height, width)).max() < 1e-4, stack


def test_the_page_agrees_with_the_fixture():
    kept = json.loads((FIXTURES / "mask_keys.json").read_text(encoding="utf-8"))
    found = in_node("mask_keys.mjs")["fixture"]
    assert list(found) == [case["name"] for case in kept["cases"]]
    for case in kept["cases"]:
        for frame, expected in case["masks"].items():
            given = found[case["name"]][frame]
            assert given["runs"] == expected["runs"] and abs(given["area"]) < 1e-3, (case["name"], frame)


def test_the_pages_in_betweens_are_pythons():
    """Also at the border, with holes, stated turns, and curves that run past their ends."""
    random = np.random.default_rng(11)
    cases = []
    for number in range(12):
        height, width = (int(side) for side in random.integers(30, 90, 2))
        keys = []
        for frame in (0, 7, 12):
            stack = [read(shape(random, str(kind))) for kind in random.choice(KINDS, 2)]
            stack += [read(shape(random, "ellipse", True))] if number % 3 == 0 else []
            turn = float(random.integers(-400, 400)) if number % 4 == 0 else None
            keys.append(MaskKey(frame, tuple(stack), str(random.choice(MASK_EASES)), turn))
        frames = [float(frame) for frame in random.uniform(0, 12, 3)]
        slot = MaskSlot("thing", Masklet(tuple(keys), 13))
        cases.append((MaskState(width, height, 13, (slot,)), height, width, frames))
    found = in_node(
        "mask_keys.mjs",
        {"tracks": [{"state": state_to_json(s), "height": h, "width": w, "frames": f} for s, h, w, f in cases]},
    )["tracks"]
    worst, least = 0.0, 1.0
    for (state, height, width, frames), texts in zip(cases, found, strict=True):
        drawing = MaskRenderer(state.slots[0].masklet.keys, height, width)
        for frame, text in zip(frames, texts, strict=True):
            mine, pages = drawing.mask(frame), unpacked(text, height, width)
            worst = max(worst, float(np.abs(mine - pages).max()))
            both, either = np.minimum(mine, pages).sum(), np.maximum(mine, pages).sum()
            least = min(least, float(both / either) if either else 1.0)
    print(f"in-betweens differ by at most {worst:.2g}, intersection over union at least {least:.6f}")
    assert worst < 1e-3 and least > 0.999


def test_runs_are_the_same_text_and_refused_alike():
    random = np.random.default_rng(3)
    sent = [{"text": "", "height": 2, "width": 2}]
    for _ in range(60):
        height, width = (int(side) for side in random.integers(1, 40, 2))
        text = runs.encode(rasterize(shape(random, "ellipse"), height, width))
        sent.append({"text": text, "height": height, "width": width})
        at = int(random.integers(len(text)))
        sent.append({**sent[-1], "text": text[:at] + str(random.choice(list("A/z9=")))})
        sent.append({**sent[-1], "text": base64.b64encode(random.bytes(int(random.integers(1, 12)))).decode()})
    for entry, found in zip(sent, in_node("mask_keys.mjs", {"decoded": sent})["decoded"], strict=True):
        try:
            expected = runs.encode(runs.decode(**entry))
        except ValueError as error:
            # The order in which the two look for what is wrong may differ.
            assert found.startswith("Error: "), (entry, error)
        else:
            assert found == expected, entry


def some_state(random: np.random.Generator) -> MaskState:
    slots = []
    for number in range(int(random.integers(0, 4))):
        frames = sorted({int(f) for f in random.integers(0, 20, 5)} | {round(float(random.uniform(0, 20)), 5)})
        keys = [
            MaskKey(
                frame,
                tuple(read(shape(random, str(kind), bool(random.integers(2)))) for kind in random.choice(KINDS, 2)),
                str(random.choice(MASK_EASES)),
                None if random.integers(2) else round(float(random.uniform(-9, 9)) * 40, 4),
            )
            for frame in frames
        ]
        name = str(random.choice(["cup", 'a "b" \\ c', "日本\t語 \u2028", "é\x7f\x01"]))
        track = Masklet(tuple(keys), 21)
        slots.append(MaskSlot(f"{name}{number}", track, f"#{random.integers(2**24):06x}", bool(random.integers(2))))
    return MaskState(int(random.integers(1, 2000)), int(random.integers(1, 2000)), 21, tuple(slots))


def test_the_page_writes_the_text_that_python_writes():
    random = np.random.default_rng(8)
    texts = [state_to_json(some_state(random)) for _ in range(20)]
    shapes = [
        {"kind": "brush", "points": [[0, 1, 1e-9], [0.0, 0.00001, 1], [1e-7, 0.000123456, 0.5]]},
        {"kind": "box", "centre": [0.1234567, -4], "size": [1e-7, 10], "turn": 1e-5},
        {"kind": "ellipse", "centre": [1, 2], "size": [3.000001, 4], "turn": -1000000},
        {"kind": "polygon", "op": "add", "points": [[0, 0], [1, 0.33333333], [0.00009, 1]]},
    ]
    slot = {"name": "  x\u2003", "keys": [{"time": 0.3, "shapes": shapes, "turn": 0}, {"frame": 0, "ease": "hold"}]}
    loose = {"version": 1.0, "format": "fulldit-masks", "frames": 8.0, "size": [64.0, 48], "slots": [slot, {}], "x": 1}
    texts.append(json.dumps(loose))
    found = in_node("mask_keys.mjs", {"texts": texts})["texts"]
    for text, pages in zip(texts, found, strict=True):
        # What Python writes after reading once and again: its first reading does not round.
        assert pages == state_to_json(state_from_json(state_to_json(state_from_json(text))))
        assert state_to_json(state_from_json(pages)) == pages


def broken() -> list[str]:
    """Texts of states with one thing wrong each."""
    good = {
        "format": "fulldit-masks",
        "version": 1,
        "size": [64, 48],
        "frames": 9,
        "slots": [{"name": "it's", "keys": [{"frame": 0, "shapes": []}, {"frame": 3}]}],
    }
    box = {"kind": "box", "centre": [0.5, 0.5], "size": [0.5, 0.5]}
    texts = ["", "{", "[]", "null", '{"format": "fulldit-masks", "version": NaN}']

    def with_(change) -> None:
        value = copy.deepcopy(good)
        change(value)
        texts.append(json.dumps(value))

    for name, wrong in (
        ("format", "x"),
        ("version", 2),
        ("size", [64]),
        ("size", [0, 48]),
        ("size", [1.5, 2]),
        ("size", "64x48"),
        ("frames", 0),
        ("frames", True),
        ("frames", 2.5),
        ("frames", 10001),
        ("slots", {}),
        ("slots", [{}] * 9),
        ("slots", [3]),
        ("slots", [{"names": 1}]),
        ("slots", [{"name": " "}]),
        ("slots", [{"name": "x" * 201}]),
        ("slots", [{"name": None}]),
        ("slots", [{"colour": "red"}]),
        ("slots", [{"visible": 1}]),
        ("slots", [{"keys": {}}]),
    ):
        with_(lambda value, name=name, wrong=wrong: value.update({name: wrong}))
    for name in ("size", "frames", "slots"):
        with_(lambda value, name=name: value.pop(name))
    for key in (
        3,
        {},
        {"frame": 1, "time": 0},
        {"frame": 9},
        {"frame": -0.5},
        {"time": 1.5},
        {"frame": "1"},
        {"frame": 3},
        {"frame": 1, "x": 0, "b": 1},
        {"frame": 1, "ease": "sudden"},
        {"frame": 1, "ease": None},
        {"frame": 1, "shapes": {}},
        {"frame": 1, "shapes": [box] * 501},
        {"frame": 1, "turn": "x"},
        {"frame": 1, "turn": 100000},
    ):
        with_(lambda value, key=key: value["slots"][0]["keys"].append(key))
    for wrong in (
        None,
        {"kind": "star"},
        {"kind": ["box"]},
        {**box, "op": "cut"},
        {**box, "x": 1},
        {"kind": "box"},
        {**box, "centre": [0.5]},
        {**box, "centre": [0.5, None]},
        {**box, "size": [0.5, 0.0001, 1]},
        {**box, "size": [0, 0.5]},
        {**box, "turn": [1]},
        {"kind": "polygon", "points": [[0.1, 0.2]] * 2},
        {"kind": "polygon", "points": [[0.1, 0.2]] * 5001},
        {"kind": "polygon", "points": [[0.1, 9.5]] * 3},
        {"kind": "brush", "points": []},
        {"kind": "brush", "points": [[0.1, 0.1]]},
        {"kind": "brush", "points": [[0.1, 0.1, 0]]},
        {"kind": "bitmap", "size": [4, 4], "runs": 3},
        {"kind": "bitmap", "size": [4, 4], "runs": "!"},
        {"kind": "bitmap", "size": [4, 4], "runs": "AA=="},
        {"kind": "bitmap", "size": [4, 4], "runs": "A" * 200},
        {"kind": "bitmap", "size": [16384, 16384], "runs": "AA=="},
        {"kind": "bitmap", "size": [4, 0], "runs": "IA=="},
    ):
        with_(lambda value, wrong=wrong: value["slots"][0]["keys"][1].update(shapes=[box, wrong]))
    return texts


def test_the_page_refuses_what_python_refuses_in_the_same_words():
    texts = broken()
    for text, found in zip(texts, in_node("mask_keys.mjs", {"texts": texts})["texts"], strict=True):
        with pytest.raises(UserError) as error:
            state_from_json(text)
        assert found.startswith("Error: "), text
        if "not JSON" in str(error.value):  # in the words of either reader
            assert "The masks are not JSON" in found
        else:
            assert found == f"Error: {error.value}", text


def test_the_painters_changes_of_a_state_are_read_by_python():
    """Slots, keys, strokes, fills, undoing: the page's own functions, in node. What they write, Python reads."""
    found = in_node("mask_state.mjs")
    for text in found["states"]:
        assert state_to_json(state_from_json(text)) == text
    assert found["full"] <= 200_000, "3 slots of 8 painted keys at 1280x720 stay below 200 KB"
    print(f"a state of 24 painted keys has {found['full']} characters; milliseconds an in-between: {found['speed']}")
    for took in found["speed"].values():  # the first one of a pair of keys, and any other
        assert took["first"] <= 60 and took["then"] <= 8, found["speed"]
