"""Damaged camera files: no crash, no hang, no flood of memory; always a clear error or a valid path.

A few hundred files run with the tests. As long as one likes: python -m tests.fuzz cameras scenes --minutes 60
"""

from __future__ import annotations

import importlib.util
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from ..fuzz.cameras import CameraDoor, SceneDoor
from ..fuzz.door import READ, REFUSED, Door


def campaign(door: Door, count: int) -> Counter[str]:
    """Attack so many times; a failure says which it was, and leaves its file."""
    results: Counter[str] = Counter()
    for number in range(count):
        began = time.process_time()
        try:
            results[door.attack(random.Random(f"{door.name} 0 {number}"))] += 1
        except Exception as error:
            raise AssertionError(f"attack {number} of {door.name}, kept as {door.damaged}: {error!r}") from error
        assert time.process_time() - began < door.seconds
    return results


def test_damaged_files_are_read_or_refused(tmp_path: Path):
    results = campaign(CameraDoor(tmp_path), 400)
    assert results[REFUSED] > 100 and results[READ] > 20


@pytest.mark.skipif(
    importlib.util.find_spec("pxr") is None or importlib.util.find_spec("ufbx") is None,
    reason="usd-core and ufbx are not installed",
)
def test_damaged_scenes_are_read_or_refused(tmp_path: Path):
    assert sum(campaign(SceneDoor(tmp_path), 6).values()) == 6
