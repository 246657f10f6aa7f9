"""`fulldit describe`: a camera in words, and the request for a caption."""

from __future__ import annotations

import json

from comfyui_fulldit.cli import main


def test_a_camera_in_words(capsys):
    assert main(["describe", "--camera", "orbit_left:25@0-0.5 + dolly_in:0.4@0.5-1"]) == 0
    assert capsys.readouterr().out == "The camera orbits left by 25 degrees, then moves forward.\n"


def test_a_request_for_a_caption_names_the_camera(capsys):
    assert main(["describe", "--camera", "pan_right:20", "--prompt", "a cup", "--form", "paragraph", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["camera"] == "The camera pans right by 20 degrees."
    assert result["camera"] in result["request"] and result["request"].endswith("Prompt: a cup")


def test_nothing_to_describe_is_refused(capsys):
    assert main(["describe"]) == 2
    assert "give --camera, --prompt or both" in capsys.readouterr().err
