"""A few attacks on every door, and what the attacks are made of. As long as one likes: python -m tests.fuzz"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest

import comfyui_fulldit

from .fuzz.__main__ import Watch
from .fuzz.bundles import BundleDoor
from .fuzz.clips import DepthDoor, MaskDoor, VideoDoor
from .fuzz.door import READ, REFUSED
from .fuzz.mutations import KINDS, mutate_value, mutated
from .fuzz.stories import StoryDoor
from .fuzz.weights import ConfigDoor, WeightDoor

pytest.importorskip("cv2")
ROOT = Path(__file__).resolve().parents[1]
KINDS_BEFORE = 12  # eight of bytes and four of JSON


@pytest.mark.parametrize("kind", [MaskDoor, DepthDoor, VideoDoor, BundleDoor, StoryDoor, WeightDoor, ConfigDoor])
def test_damaged_files_are_used_or_refused_in_a_sentence(kind, tmp_path):
    door, results = kind(tmp_path), {READ: 0, REFUSED: 0}
    for number in range(40):
        results[door.attack(random.Random(f"{door.name} 0 {number}"))] += 1
    assert results[READ] and results[REFUSED]


def test_every_kind_of_fault_changes_something():
    whole = json.dumps({"a": [1, 2.5, "x"], "b": {"c": None}}, indent=1).encode()
    changed = {mutated(whole, random.Random(number), b"\x89PNG\r\n\x1a\nother") for number in range(500)}
    assert len(changed) > 300 and len(set(KINDS)) == len(KINDS) > 4 * KINDS_BEFORE
    values = [mutate_value(json.loads(whole), random.Random(number)) for number in range(200)]
    assert sum(value != json.loads(whole) for value in values) > 120


BAD_DOOR = """
import os
import numpy as np
from tests.fuzz import __main__ as command
from tests.fuzz.door import READ, Door
class Bad(Door):
    name, seconds = "bad", 1.0
    def attack(self, chance):
        what = chance.choice(("fine", "crash", "hang", "traceback", "flood"))
        if what == "crash":
            os.abort()
        while what == "hang":
            pass
        if what == "traceback":
            raise KeyError("x")
        if what == "flood":
            np.ones(1200 * 2**17)
        return READ
command.doors = lambda: {"bad": Bad}
command.main()
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory and time are read from Linux")
def test_what_no_door_may_do_is_seen(tmp_path, monkeypatch, capsys):
    """A door that crashes, hangs, raises and floods the memory: the process that watches sees each, and goes on."""
    (tmp_path / "bad.py").write_text(BAD_DOOR)
    package = Path(comfyui_fulldit.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{package}")
    watch = Watch("bad", 1, tmp_path, (sys.executable, tmp_path / "bad.py"))
    for _ in range(6):
        watch.run(15)
        said = "\n".join(failure["problem"] for failure in watch.failures)
        if all(word in said for word in ("ended with -6", "more than 1 s of computing", "KeyError: 'x'", "GiB")):
            break
    else:
        raise AssertionError(said)
    assert watch.results[READ] and "failed" in watch.row(1.0) and "KeyError" in capsys.readouterr().out
