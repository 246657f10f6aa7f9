"""Nodes about the prompt: what they give is what they show, and it is what `control` says."""

from __future__ import annotations

import pytest

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import CameraCondition, Conditions, VideoSize
from comfyui_fulldit.control.errors import UserError


def test_a_camera_in_words_is_given_and_shown(host):
    out = host.nodes["FullDiTDescribeCamera"].execute(camera=preset("orbit_left"))
    assert out.args == ("The camera orbits left by 25 degrees.",) and out.kwargs["ui"]["text"] == [out.args[0]]


@pytest.mark.parametrize("form", ["structured", "paragraph"])
def test_the_request_for_a_caption_agrees_with_the_conditions(host, form):
    conditions = Conditions(VideoSize(17, 64, 96), (CameraCondition(trajectory=preset("dolly_in")),))
    out = host.nodes["FullDiTEnhancePrompt"].execute(prompt="a cup", form=form, conditions=conditions)
    assert "The camera moves forward." in out.args[0] and out.args[0].endswith("Prompt: a cup")
    alone = host.nodes["FullDiTEnhancePrompt"].execute(prompt="a cup", form=form)
    assert "camera moves" not in alone.args[0] and alone.kwargs["ui"]["text"] == [alone.args[0]]


def test_the_example_of_the_story_node_is_a_story(host):
    from comfyui_fulldit.control.story import parse_story

    entry = next(entry for entry in host.schemas["FullDiTStory"].inputs if entry.id == "story")
    assert len(parse_story(entry.default).spans) == 2
    with pytest.raises(UserError):
        parse_story("a red ball")
