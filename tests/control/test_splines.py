"""Paths through keyframes: the editor's state means the same in Python and on the page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.camera import rotations
from comfyui_fulldit.control.camera.easing import EASING_NAMES, apply_easing
from comfyui_fulldit.control.camera.fit_keyframes import fit_keyframes, preset_states_json
from comfyui_fulldit.control.camera.presets import PRESETS, preset
from comfyui_fulldit.control.camera.rotation_splines import rotation_spline
from comfyui_fulldit.control.camera.splines import Keyframe, path_from_editor_state, path_through_keyframes
from comfyui_fulldit.control.camera.trajectory import project
from comfyui_fulldit.control.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
SUBJECT = [0.0, 0.0, 1.0]


def cases() -> dict[str, dict]:
    """States that touch every rule: one key, eases, held turns, half turns, targets that come and go, lenses."""
    random = np.random.default_rng(4)

    def wander(count, **more):
        times = np.linspace(0.05, 0.95, count) + random.uniform(-0.02, 0.02, count)
        return [
            {
                "time": float(times[k]),
                "position": random.normal(0, 0.4, 3).tolist(),
                "turn": (random.uniform(-1, 1, 3) * (150, 80, 60)).tolist(),
                "fov": float(random.uniform(25, 90)),
                **more,
            }
            for k in range(count)
        ]

    free = wander(6)
    eases = ("smooth", "back_in_out", "linear", "expo_in", "back_out", "in")
    spun = ([1, 0, 0, 0], [2, 1, -1, 0.5], [0, 0, 3, 1])
    return {
        "one key": {"keys": [{"time": 0.4, "turn": [20, 0, 0]}]},
        "two keys": {
            "keys": [{"time": 0}, {"time": 1, "position": [0.3, 0, 0.2], "turn": [40, 10, -5]}],
            "ease": "smooth",
        },
        "fluid": {"keys": free, "turns": "fluid"},
        "exact": {"keys": free, "turns": "exact"},
        "fluid, small turns": {
            "keys": [{"time": k / 4, "turn": [1e-3 * k * k, 2e-4 * k, 0]} for k in range(5)],
            "turns": "fluid",
        },
        "fluid, near half turns": {
            "keys": [{"time": k / 3, "turn": [179.0 * k, 10 * (-1) ** k, 0]} for k in range(4)],
            "turns": "fluid",
        },
        "many keys": {"keys": wander(25), "turns": "fluid", "ease": "sine_in_out"},
        "held turns": {
            "keys": [{"time": t, "turn": [p, 0, 0]} for t, p in ((0, 0), (0.2, 0), (0.4, 30), (0.7, 30), (1, -10))],
            "turns": "fluid",
        },
        "an ease on every key": {
            "keys": [{**key, "ease": ease} for key, ease in zip(free, eases, strict=True)],
            "turns": "fluid",
            "ease": "quad_out",
        },
        "looking at the subject": {
            "keys": [
                {"time": t, "position": p, "target": SUBJECT, "turn": [0, 0, r]}
                for t, p, r in ((0, [0, 0, 0], 0), (0.5, [1, -0.4, 1], 10), (1, [0, 0.1, 2], -15))
            ],
            "turns": "fluid",
        },
        "a target that comes and goes": {
            "keys": [
                {**free[0]},
                {**free[1], "target": SUBJECT},
                {**free[2], "target": [0.2, 0.1, 1.4]},
                {**free[3]},
                {**free[4], "target": SUBJECT},
                free[5],
            ],
            "turns": "exact",
        },
        "quaternions": {
            "keys": [{"time": k / 2, "rotation": q} for k, q in enumerate(spun)],
            "turns": "fluid",
        },
        "over the target": {
            "keys": [{"time": t, "position": [0, y, 1], "target": SUBJECT} for t, y in ((0, -1), (1, 1))]
        },
    }


def fixture() -> dict:
    """What the shared file must hold."""
    made = []
    for name, state in cases().items():
        state = {"format": "fulldit-camera", "version": 1, **state}
        path = path_from_editor_state(state, frames=33)
        poses = {"frames": 33, "c2w": path.c2w.tolist(), "fov": path.fov()[:, 0].tolist()}
        made.append({"name": name, "state": state, **poses})
    return {"cases": made, "eases": {name: apply_easing(np.linspace(0, 1, 41), name).tolist() for name in EASING_NAMES}}


def test_the_shared_fixtures_are_what_python_says():
    """After a change that is meant: FULLDIT_UPDATE=1 python -m pytest tests/control/test_splines.py"""
    now = fixture()
    place = FIXTURES / "camera_keys.json"
    if os.environ.get("FULLDIT_UPDATE"):
        place.write_text(json.dumps(now) + "\n", encoding="utf-8")
    kept = json.loads(place.read_text(encoding="utf-8"))
    assert [case["state"] for case in kept["cases"]] == [case["state"] for case in now["cases"]]
    for old, new in zip(kept["cases"], now["cases"], strict=True):
        assert np.abs(np.subtract(old["c2w"], new["c2w"])).max() < 1e-7, new["name"]
        assert np.abs(np.subtract(old["fov"], new["fov"])).max() < 1e-9, new["name"]
    assert list(kept["eases"]) == list(now["eases"])
    for name, values in now["eases"].items():
        assert kept["eases"][name] == pytest.approx(values, abs=1e-12), name


def in_node(script: str):
    """What a script of the fixtures prints, run with the page's modules."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the page's modules with")
    done = subprocess.run([node, FIXTURES / script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_computes_the_same_as_python():
    differences = in_node("camera_keys.mjs")
    assert set(differences["cases"]) == set(cases()) and set(differences["names"]) == set(EASING_NAMES)
    assert max(differences["cases"].values()) < 1e-6, differences["cases"]
    assert max(differences["eases"].values()) < 1e-12, differences["eases"]
    assert differences["turns"] < 1e-9


def test_fluid_turns_jump_in_no_derivative_and_exact_ones_never_pass_a_key():
    times = np.array([0, 0.3, 0.5, 1.0])
    pan = np.array([0.0, 25.0, 26.0, -10.0])
    keys = rotations.from_rotvec(np.radians(pan)[:, None] * np.array([0, 1.0, 0]))
    fine = np.linspace(0, 1, 4001)

    def angles(kind):
        turned = rotation_spline(times, keys, kind)(fine)
        return np.degrees(np.arctan2(turned[:, 0, 2], turned[:, 2, 2]))

    exact, fluid = angles("exact"), angles("fluid")
    assert exact.max() < 26 + 1e-9 and exact.min() > -10 - 1e-9
    assert fluid.max() > 26.5, "a curve without jumps swings past such a key"
    step = fine[1]

    def jumps(curve):
        acceleration = np.diff(curve, 2) / step**2
        return np.abs(np.diff(acceleration))[100:-100].max()

    assert jumps(fluid) < 10 < jumps(exact)


def test_a_held_turn_is_still():
    pans = ((0, 0), (0.25, 30), (0.75, 30), (1, 80))
    path = path_through_keyframes([Keyframe(time, turn=(pan, 0, 0)) for time, pan in pans], frames=41, turns="fluid")
    assert np.ptp(path.c2w[10:31], axis=0) == pytest.approx(0, abs=1e-12)


def test_between_keys_that_look_at_the_subject_it_stays_in_the_center():
    keys = [
        Keyframe(t, p, tuple(SUBJECT)) for t, p in ((0, (0.0, 0.0, 0.0)), (0.6, (0.9, -0.3, 0.7)), (1, (0.2, 0.4, 1.9)))
    ]
    path = path_through_keyframes(keys, frames=33, turns="fluid")
    assert project(np.array([SUBJECT]), path.w2c(), path.intrinsics)[:, 0] == pytest.approx(0.5)


def test_the_roll_of_a_key_that_looks_at_a_target_turns_the_image():
    """Rolling clockwise lets what is above the center go to the left."""
    path = path_through_keyframes(
        [Keyframe(0, target=(0, 0, 1)), Keyframe(1, target=(0, 0, 1), turn=(0, 0, 90))], frames=3, aspect=1.0
    )
    seen = project(np.array([[0, -0.1, 1.0]]), path.w2c(), path.intrinsics)[:, 0]
    assert seen[0, 1] < 0.5 and seen[0, 0] == pytest.approx(0.5)
    assert seen[2, 0] < 0.49 and seen[2, 1] == pytest.approx(0.5)


def test_the_ease_of_a_key_holds_until_the_next_and_one_of_the_path_for_all():
    keys = [Keyframe(0, ease="in"), Keyframe(0.5, (1, 0, 0)), Keyframe(1, (2, 0, 0))]
    path = path_through_keyframes(keys, frames=5)
    assert path.c2w[:, 0, 3] == pytest.approx([0, 0.25, 1, 1.5, 2])
    path = path_through_keyframes([Keyframe(0), Keyframe(1, (1, 0, 0))], frames=5, ease="in")
    assert path.c2w[:, 0, 3] == pytest.approx([0, 1 / 16, 0.25, 9 / 16, 1])
    assert (
        path_through_keyframes([Keyframe(0, ease="back_out"), Keyframe(1, (1, 0, 0))], frames=33).c2w[:, 0, 3].max()
        > 1.05
    )


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("{", "not JSON"),
        ("[]", "object with keys"),
        ('{"frames": []}', "object with keys"),
        ({"keys": [{"time": 0, "ease": "wobble"}]}, "ease of camera key 0"),
        ({"keys": [{"time": 0, "rotation": [0, 0, 0, 0]}]}, "quaternion"),
        ({"keys": [{"time": 0}, {"time": 1}], "turns": "jerky"}, "jerky"),
        ({"keys": [{"time": 0}, {"time": 1}], "ease": "jerky"}, "jerky"),
        ({"keys": [{"time": 0}, {"time": 2}]}, "increasing times"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_invalid_states_are_refused(state, says):
    with pytest.raises(UserError, match=says):
        path_from_editor_state(state)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "handheld"])
def test_the_presets_of_the_editor_follow_those_of_python(name):
    kept = json.loads((ROOT / "web" / "camera_path" / "presets.json").read_text(encoding="utf-8"))[name]
    assert kept["doc"] == PRESETS[name].doc
    made, meant = path_from_editor_state(kept["state"], frames=33), preset(name, frames=33)
    assert np.linalg.norm(made.c2w[:, :, 3] - meant.c2w[:, :, 3], axis=1).max() < 0.01
    assert np.degrees(rotations.angle_between(made.c2w[:, :, :3], meant.c2w[:, :, :3])).max() < 0.4
    assert np.abs(made.fov() - meant.fov()).max() < 0.6


def test_the_list_of_presets_is_the_generated_one():
    """After a change that is meant: FULLDIT_UPDATE=1 python -m pytest tests/control/test_splines.py"""
    place = ROOT / "web" / "camera_path" / "presets.json"
    if os.environ.get("FULLDIT_UPDATE"):
        place.write_text(preset_states_json(), encoding="utf-8")
    assert list(json.loads(place.read_text(encoding="utf-8"))) == [name for name in PRESETS if name != "handheld"]


def test_any_path_becomes_keys_that_follow_it():
    shaken = preset("handheld", frames=33, amount=4, seed=3)
    keys = fit_keyframes(shaken, max_keyframes=33)
    made = path_through_keyframes(keys, frames=33, turns="fluid")
    assert np.degrees(rotations.angle_between(made.c2w[:, :, :3], shaken.relative().c2w[:, :, :3])).max() < 0.21
    assert len(fit_keyframes(shaken, max_keyframes=5)) == 5
    with pytest.raises(UserError, match="at least 2"):
        fit_keyframes(shaken, max_keyframes=1)


def test_states_that_the_editor_writes_are_read():
    """Adding, removing, retiming, aiming, undoing: the page's own functions, in node."""
    for text in in_node("camera_state.mjs"):  # what the editor writes, Python reads
        path_from_editor_state(text)


def imported(path: Path, found: set[Path]) -> set[Path]:
    """A module of the page and all of ours that are loaded with it."""
    found.add(path)
    for name in re.findall(r'(?m)^import .*?"(\.[^"]*)"', path.read_text(encoding="utf-8")):
        target = (path.parent / name).resolve()
        if target.is_relative_to(ROOT / "web") and target not in found:
            imported(target, found)
    return found


def test_the_page_costs_little_until_the_editor_is_wanted():
    """ComfyUI loads every .js below web/ with the page: only a small one may be there, and what it imports."""
    scripts = list((ROOT / "web").rglob("*.js"))
    assert [path.name for path in scripts] == ["fulldit.js"]
    loaded = imported(scripts[0], set())
    assert {path.parent.name for path in loaded} == {"web", "page", "shared"}, "nothing of the editors"
    assert sum(path.stat().st_size for path in loaded) < 24_000
    text = (ROOT / "web" / "page" / "editors.mjs").read_text(encoding="utf-8")
    assert "import(module)" in text
    for editor in ("camera_path", "mask_painter"):
        assert f'"../{editor}/attach.mjs"' in text and (ROOT / "web" / editor / "attach.mjs").is_file()


def test_modules_of_the_page_stay_small():
    for path in (ROOT / "web").glob("*/*.mjs"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 400, path
