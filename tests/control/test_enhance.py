"""The request for a caption: it holds the prompt, what the conditions decide, and nothing of what is switched off."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    SourceCondition,
    VideoSize,
)
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.enhance import PARTS, CaptionForm, enhancement_request
from comfyui_fulldit.control.identity import Identity

VIDEO = VideoSize(17, 32, 48)
IMAGE = np.full((8, 8, 3), 0.4, np.float32)


def everything(strength=1.0) -> Conditions:
    people = (Identity("cup", (IMAGE,), strength=strength), Identity("object", (IMAGE,), strength=strength))
    items = (
        CameraCondition(trajectory=preset("orbit_left"), strength=strength),
        IdentityCondition(identities=people),
        DepthCondition(clip=DepthClip(np.linspace(0, 1, 17 * 32 * 48).reshape(17, 32, 48)), strength=strength),
        SourceCondition(frames=np.zeros((17, 32, 48, 3), np.float32), strength=strength),
    )
    return Conditions(VIDEO, items)


def test_a_prompt_alone_asks_for_six_parts_and_states_no_facts():
    text = enhancement_request("  a cup on a table \n")
    assert text.endswith("\nPrompt: a cup on a table") and "given and decided" not in text
    lines = text.splitlines()
    assert [line.partition(":")[0] for line in lines if line.partition(":")[0] in PARTS] == list(PARTS)


def test_a_paragraph_has_no_parts():
    text = enhancement_request("a cup", form=CaptionForm.PARAGRAPH)
    assert "one paragraph" in text and not any(f"\n{part}:" in text for part in PARTS)


def test_what_conditions_decide_is_said():
    text = enhancement_request("a cup", everything())
    assert "- The camera orbits left by 25 degrees. Say so in the caption." in text
    assert "- The reference image0 is cup. Call it 'image0' wherever it appears." in text
    assert "- The reference image1 is one of the subjects." in text
    assert "depth clip" in text and "source video" in text and "lasts 2.1 seconds" in text


def test_what_has_no_effect_is_not_said():
    text = enhancement_request("a cup", everything(strength=0.0))
    for word in ("camera orbits", "image0", "depth clip", "source video"):
        assert word not in text


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_an_empty_prompt_says_so(prompt):
    assert enhancement_request(prompt).endswith("Prompt: (none: describe a fitting scene)")
