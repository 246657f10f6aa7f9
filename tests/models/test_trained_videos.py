"""A checkpoint that was trained on clips of several sizes says so, and warns of what lies beyond all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comfyui_fulldit.cli.options import conditions_of
from comfyui_fulldit.cli.parser import build_parser
from comfyui_fulldit.control.conditions import Conditions, VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.encode import trained_range_warnings
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.generator.start import config_of

ONE = PRESETS["mini-cpu"]
SEVERAL = replace(ONE, other_videos=((17, 64, 96, 12.0), (25, 96, 160, 12)))


def warned(*video: float) -> list[str]:
    return trained_range_warnings(Conditions(VideoSize(*video)), SEVERAL)


def test_a_file_keeps_them():
    assert FullDiTConfig.from_json(SEVERAL.to_json()) == SEVERAL and SEVERAL.videos[0] == ONE.video
    assert SEVERAL.videos[2] == VideoSize(25, 96, 160, 12.0)


@pytest.mark.parametrize("odd", [3, [[17, 64, 96]], [[17, 64, 96, "8"]], [[17, 0, 96, 8]], [[17, 64, True, 8]]])
def test_what_is_no_video_is_refused(odd):
    with pytest.raises(UserError, match="other_videos"):
        FullDiTConfig.from_dict({"other_videos": odd})


def test_warnings_are_of_the_nearest():
    for video in ((17, 64, 96, 8.0), (17, 64, 96, 12.0), (13, 64, 96, 8.0), (25, 96, 160, 12.0)):
        assert warned(*video) == []
    assert trained_range_warnings(Conditions(VideoSize(25, 96, 160, 12.0)), ONE) != []
    assert warned(33, 96, 160, 12.0) == ["The video has 33 frames; the model was trained on 25."]
    (rate,) = warned(25, 96, 160, 8.0)
    assert rate.startswith("The video has 8 frames per second; the model was trained on 12.")
    size, length = warned(25, 64, 112, 8.0)
    assert size == "The video has 25 frames; the model was trained on 17." and "112x64" in length
    # Four times the tokens of the largest, not of the first.
    assert not any("times the tokens" in line for line in warned(25, 176, 256, 12.0))
    assert any("times the tokens" in line for line in warned(81, 176, 256, 12.0))


def test_what_the_command_does_not_say_is_that_of_the_nearest():
    def video(*options: str) -> VideoSize:
        args = build_parser().parse_args(["generate", "--prompt", "a ball", *options])
        return conditions_of(args, SEVERAL).video

    assert video() == ONE.video
    assert video("--height", "96", "--width", "160") == VideoSize(25, 96, 160, 12.0)
    assert video("--frames", "13") == VideoSize(13, 64, 96, 8.0)
    assert video("--fps", "12") == VideoSize(17, 64, 96, 12.0)
    assert video("--frames", "9", "--height", "96", "--width", "160", "--fps", "8") == VideoSize(9, 96, 160, 8.0)


def test_a_training_says_which_clips_it_had():
    config = config_of(read_settings(config_path("generator", "more_sizes"), GeneratorSettings))
    assert set(config.other_videos) == {(17, 64, 96, 12.0), (25, 96, 160, 12.0)}
    assert config.video == ONE.video
    assert config_of(read_settings(config_path("generator", "cpu"), GeneratorSettings)).other_videos == ()
