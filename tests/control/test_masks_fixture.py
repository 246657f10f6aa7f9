"""The shared fixture of mask keys: what the page's painter must compute too.

tests/fixtures/mask_keys.json holds, for each case, a painter's state, and for some of its frames the area (sum of the
soft mask), the mean position (weighted by the mask) in pixels and the runs of the mask above 0.5; for the ways between
two keys their angle in degrees, growth, stretch and centers. What the test below allows is what another choice among
equally near pixels may change. Run as a program, this file writes the fixture.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.identity import runs
from comfyui_fulldit.control.identity.inbetween import Between, Form
from comfyui_fulldit.control.identity.keyframes import MaskKey, Masklet
from comfyui_fulldit.control.identity.shapes import Bitmap, Box, Brush, Ellipse, Polygon, rasterize
from comfyui_fulldit.control.identity.state import MaskSlot, MaskState, state_from_json, state_to_json

FILE = Path(__file__).resolve().parent.parent / "fixtures" / "mask_keys.json"
WIDTH, HEIGHT, FRAMES = 96, 64, 9


def boot(x: float, y: float, size: float, turn: float) -> Polygon:
    """An L-shaped outline: nothing about it is symmetric."""
    points = np.array([(-0.3, -0.65), (0.1, -0.65), (0.1, 0.05), (0.7, 0.05), (0.7, 0.35), (-0.3, 0.35)]) * size
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    turned = points @ np.array([[cosine, sine], [-sine, cosine]]) * (HEIGHT / WIDTH, 1) + (x, y)
    return Polygon(tuple((round(float(a), 5), round(float(b), 5)) for a, b in turned))


def cases() -> dict[str, list[MaskKey]]:
    """The cases by name: the keys of one slot each."""
    stroke = Brush(tuple((0.2 + 0.05 * k, round(0.5 + 0.2 * math.sin(k / 2), 5), 0.02 + 0.004 * k) for k in range(12)))
    hole = Ellipse((0.5, 0.5), (0.15, 0.2), subtract=True)
    bitmap = Bitmap.of(rasterize(boot(0.4, 0.5, 0.6, 20), 48, 72))

    def box(x: float, y: float, width: float, height: float, turn: float = 0.0) -> tuple[Box]:
        return (Box((x, y), (width, height), turn),)

    return {
        "moves": [MaskKey(0, (boot(0.25, 0.5, 0.4, 0),)), MaskKey(8, (boot(0.7, 0.4, 0.4, 0),))],
        "grows": [MaskKey(0, (Ellipse((0.4, 0.5), (0.2, 0.3)),)), MaskKey(8, (Ellipse((0.5, 0.5), (0.6, 0.9)),))],
        "turns": [MaskKey(0, (boot(0.5, 0.5, 0.5, 0),)), MaskKey(8, (boot(0.5, 0.5, 0.5, 130),))],
        "does_all": [MaskKey(0, (boot(0.3, 0.4, 0.35, -20),), "smooth"), MaskKey(8, (boot(0.6, 0.55, 0.7, 50),))],
        "leaves": [MaskKey(0, (boot(0.5, 0.5, 0.6, 0),)), MaskKey(8, (boot(0.95, 0.5, 0.6, 0),))],
        "enters_growing": [MaskKey(0, (boot(0.0, 0.5, 0.6, 0),)), MaskKey(8, (boot(0.5, 0.5, 0.8, 0),))],
        "stretches": [MaskKey(0, box(0.5, 0.5, 0.3, 0.5, 10.0)), MaskKey(8, box(0.5, 0.5, 0.5, 0.4, 10.0))],
        "spins": [MaskKey(0, box(0.5, 0.5, 0.5, 0.1), turn=270.0), MaskKey(8, box(0.5, 0.5, 0.1, 0.6))],
        "holds": [
            MaskKey(0, box(0.3, 0.5, 0.3, 0.3), "hold"),
            MaskKey(4, box(0.6, 0.5, 0.3, 0.3), "back_out"),
            MaskKey(8, box(0.4, 0.4, 0.3, 0.3)),
        ],
        "is_gone": [MaskKey(1, (stroke,)), MaskKey(4), MaskKey(6, (stroke,))],
        "morphs": [MaskKey(0, (Ellipse((0.4, 0.5), (0.4, 0.6)), hole)), MaskKey(8, (stroke,))],
        "bitmap": [MaskKey(2, (bitmap,), "sine_in_out"), MaskKey(6.5, (bitmap, *box(0.2, 0.2, 0.2, 0.2, 45.0)))],
    }


def measured(mask: np.ndarray) -> dict:
    """What the fixture holds of a mask."""
    mask = mask.astype(np.float64)
    area = mask.sum()
    x = float((mask.sum(0) @ (np.arange(mask.shape[1]) + 0.5)) / area) if area else 0.0
    y = float((mask.sum(1) @ (np.arange(mask.shape[0]) + 0.5)) / area) if area else 0.0
    return {"area": round(float(area), 4), "x": round(x, 4), "y": round(y, 4), "runs": runs.encode(mask)}


def way(keys: list[MaskKey]) -> dict | None:
    """Of the first two keys, how one goes to the other."""
    forms = [Form(rasterize(key.shapes, HEIGHT, WIDTH)) for key in keys[:2]]
    if not all(form.inside.any() for form in forms) or keys[0].ease == "hold":
        return None
    between = Between(*forms, keys[0].turn)
    return {
        "angle": round(math.degrees(between.angle), 4),
        "growth": round(between.growth, 5),
        "stretch": np.round(between.stretch, 5).tolist(),
        "centers": [np.round(center, 4).tolist() for center in between.centers],
    }


def built() -> dict:
    """The whole fixture."""
    found = []
    for name, keys in cases().items():
        state = MaskState(WIDTH, HEIGHT, FRAMES, (MaskSlot(name, Masklet(tuple(keys), FRAMES)),))
        masks = state.rasterize()[0]
        frames = {str(frame): measured(masks[frame]) for frame in (0, 1, 3, 4, 5, 7)}
        found.append({"name": name, "state": json.loads(state_to_json(state)), "masks": frames, "way": way(keys)})
    return {"cases": found}


@pytest.fixture(scope="module")
def fixture() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_python_agrees_with_the_fixture(fixture):
    assert [case["name"] for case in fixture["cases"]] == list(cases())
    for case in fixture["cases"]:
        state = state_from_json(case["state"])
        masks = state.rasterize()[0]
        for frame, expected in case["masks"].items():
            mask = masks[int(frame)]
            found = measured(mask)
            where = f"{case['name']}, frame {frame}"
            assert found["area"] == pytest.approx(expected["area"], abs=0.5, rel=2e-3), where
            assert (found["x"], found["y"]) == pytest.approx((expected["x"], expected["y"]), abs=0.1), where
            other = runs.decode(expected["runs"], HEIGHT, WIDTH)
            assert ((mask > 0.5) != other).sum() <= 0.03 * max(200, other.sum()), where
        if case["way"] is not None:
            found = way(list(state.slots[0].masklet.keys))
            assert found["angle"] == pytest.approx(case["way"]["angle"], abs=1), case["name"]
            assert found["growth"] == pytest.approx(case["way"]["growth"], rel=5e-3), case["name"]


if __name__ == "__main__":
    FILE.write_text(json.dumps(built(), indent=1) + "\n", encoding="utf-8")
