"""The painter's page and the server's routes understand each other: the page's own modules ask and read, in node."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.identity.state import state_from_json

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "mask_follow.mjs"
HEIGHT, WIDTH, FRAMES = 48, 96, 9


def in_page(**sent):
    """What the page's modules print about `sent`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the page's modules with")
    done = subprocess.run(
        [node, FIXTURE], input=json.dumps(sent), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def moving_square():
    """A textured square that moves right: frames (F, H, W, 3)."""
    random = np.random.default_rng(1)
    frames = np.stack([np.full((HEIGHT, WIDTH, 3), 0.35) + 0.05 * random.random((HEIGHT, WIDTH, 3))] * FRAMES)
    texture = 0.4 + 0.6 * random.random((5, 5, 3)).repeat(4, 0).repeat(4, 1)
    for number in range(FRAMES):
        frames[number, 14:34, 10 + 4 * number : 30 + 4 * number] = texture
    return torch.tensor(frames, dtype=torch.float32)


@pytest.fixture
def propagate(host, monkeypatch):
    """The route's function on the frames of `moving_square`, for what the page asked."""
    from comfyui_fulldit.nodes.page import routes, stage

    temp = host.folder / "temp"
    monkeypatch.setattr(sys.modules["folder_paths"], "get_temp_directory", lambda: str(temp), raising=False)
    name = stage.save_stage(moving_square())["stage"]
    from comfyui_fulldit.nodes.page.propagation import read_question

    return lambda asked: routes.propagate(
        read_question({**asked, "stage": name}), lambda done, total: None, lambda: False
    )


def square(frame):
    """A key with the square where it is in a frame."""
    center, size = [(20 + 4 * frame) / WIDTH, 24 / HEIGHT], [20 / WIDTH, 20 / HEIGHT]
    center, size = ([round(share, 5) for share in pair] for pair in (center, size))  # as states are written
    return {"frame": frame, "shapes": [{"kind": "box", "centre": center, "size": size}]}


def state(*keys):
    """The painter's state with one slot."""
    slots = [{"name": "square", "keys": keys}]
    return json.dumps(
        {"format": "fulldit-masks", "version": 1, "size": [WIDTH, HEIGHT], "frames": FRAMES, "slots": slots}
    )


def test_the_page_and_the_server_follow_a_mask_together(propagate):
    before = state(square(0))
    asked = in_page(state=before, frame=0)["asked"]
    answer = propagate(asked)
    after = in_page(state=before, frame=0, answer=answer)
    assert after["summary"] == f"Followed over {FRAMES - 1} frames: {len(answer['keys'])} keyframes."
    frames = [key.frame for key in state_from_json(after["state"]).slots[0].masklet.keys]
    assert frames[0] == 0 and frames[-1] == FRAMES - 1


def test_the_page_shows_the_warnings_of_the_server(propagate):
    before = state(square(0))
    answer = propagate(in_page(state=before, frame=0)["asked"])
    answer["warnings"] = ["The mask was lost in frame 3."]
    assert in_page(state=before, frame=0, answer=answer)["summary"] == "The mask was lost in frame 3."


def test_a_range_that_ends_in_a_keyframe_keeps_it(propagate):
    before = state(square(0), square(6))
    asked = in_page(state=before, frame=0)["asked"]
    after = in_page(state=before, frame=0, answer=propagate(asked))
    keys = state_from_json(after["state"]).slots[0].masklet.keys
    assert (asked["first"], asked["last"]) == (0, 6)
    assert keys[-1] == state_from_json(before).slots[0].masklet.keys[-1]
