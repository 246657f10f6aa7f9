"""The source video, which a checkpoint takes that was trained with it: those that were not refuse it by name."""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import pytest

from comfyui_fulldit.cli import build_parser, main
from comfyui_fulldit.cli.commands import ASSETS
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import (
    CONDITIONS,
    CameraCondition,
    Conditions,
    IdentityCondition,
    SourceCondition,
    VideoSize,
)
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import Identity
from comfyui_fulldit.evaluation.control.benchmark import condition_sets
from comfyui_fulldit.models.conditioning.registry import ENTRIES
from comfyui_fulldit.models.encode import check_conditions, count_tokens
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.checkpoint import embedded_path
from comfyui_fulldit.scenes import render
from comfyui_fulldit.training.generator.batches import parse_subset
from comfyui_fulldit.view.sheet import condition_frames

WITHOUT = "fulldit_mini_few_steps"  # takes camera, identities and depth alone
needs_weights = pytest.mark.skipif(
    not embedded_path(WITHOUT).exists() or not embedded_path("fulldit_mini_vae").exists(),
    reason="the embedded weights are not in this checkout",
)
CONFIG = PRESETS["mini-cpu"]
IMAGE = np.full((8, 8, 3), 0.4, np.float32)


def source(video: VideoSize) -> SourceCondition:
    return SourceCondition(frames=np.full((video.frames, video.height, video.width, 3), 0.25, np.float32))


def test_it_is_a_condition_that_the_presets_do_not_have():
    assert "source" in CONDITIONS and "source" in ENTRIES
    assert CONFIG.conditions == ("camera", "identity", "depth")
    assert not any("source" in names for names in condition_sets(CONFIG.conditions))


@pytest.mark.parametrize("use", [check_conditions, count_tokens])
def test_a_checkpoint_without_it_refuses_it_and_says_what_takes_it(use):
    conditions = Conditions(CONFIG.video, (source(CONFIG.video),))
    with pytest.raises(UserError, match="does not take the condition 'source'.*trained with it, or use a public model"):
        use(conditions, CONFIG)


def test_it_lies_beside_the_video_token_by_token():
    config = dataclasses.replace(CONFIG, streams=(*CONFIG.streams, "source"))
    counts = count_tokens(Conditions(config.video, (source(config.video),)), config)
    assert counts["source"] == counts["video"]


def test_a_condition_with_tokens_is_still_said_to_need_another_checkpoint():
    conditions = Conditions(CONFIG.video, (CameraCondition(trajectory=preset("static")),))
    check_conditions(conditions, CONFIG)
    with pytest.raises(UserError, match="'camera'.*load a checkpoint that was trained with it"):
        check_conditions(conditions, dataclasses.replace(CONFIG, streams=("depth",)))


def test_every_scene_has_one_where_it_is_wanted():
    clips = render([0], 5, 32, 48)
    assert "source" in clips.conditions(0).names
    assert clips.conditions(0, ["depth", "camera"]).names == ("camera", "depth")
    assert parse_subset("camera+source") == ("camera", "source")
    with pytest.raises(UserError, match="'smell', but only camera, identity, depth, source, known"):
        parse_subset("camera+smell")


def test_the_command_line_has_its_options():
    (command,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    given = command.choices["generate"].parse_args(["--source", "clip.mp4", "--source-strength", "0.5"])
    assert given.source == "clip.mp4" and given.source_strength == 0.5 and given.source_guidance is None


@needs_weights
def test_the_command_line_refuses_it_before_its_file_is_read(tmp_path, capsys):
    arguments = ["generate", "--quiet", "--checkpoint", WITHOUT, "--out", str(tmp_path / "out")]
    assert main([*arguments, "--source", str(tmp_path / "missing.mp4")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fulldit: This checkpoint does not take the condition 'source'")
    assert "docs/models.md" in line and "missing.mp4" not in line and not (tmp_path / "out").exists()
    assert main([*arguments, "--source-guidance", "2"]) == 2
    assert "'source', but this condition is not present" in capsys.readouterr().err


@needs_weights
def test_the_command_line_refuses_known_frames_too(tmp_path, capsys):
    arguments = ["generate", "--quiet", "--known", f"{tmp_path}/a.png,frames=first", "--known", f"{tmp_path}/b.png"]
    assert main([*arguments, "--checkpoint", WITHOUT, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fulldit: This checkpoint does not take the condition 'known'") and "a.png" not in line


@needs_weights
def test_more_identities_than_slots_are_refused_by_the_checkpoint_alone(tmp_path, capsys):
    """Conditions carries eight, since public models take as many."""
    eight = IdentityCondition(identities=tuple(Identity(f"thing {k}", (IMAGE,)) for k in range(8)))
    Conditions(CONFIG.video, (eight,)).validate()
    with pytest.raises(UserError, match="8 identities were given, but the model has 3 slots: leave 5 out"):
        check_conditions(Conditions(CONFIG.video, (eight,)), CONFIG)
    nine = [f"--identity={ASSETS / 'reference.png'}" for _ in range(9)]
    assert main(["generate", "--quiet", *nine, "--out", str(tmp_path / "out")]) == 2
    assert "9 identities were given, but no model takes more than 8: leave 1 out" in capsys.readouterr().err


def test_the_sheet_shows_it_and_each_of_many_identities():
    video = VideoSize(2, 16, 24)
    mask = np.zeros((2, 16, 24), np.float32)
    mask[:, :, 12:] = 1
    identities = [Identity(f"thing {k}", (IMAGE,), mask_video=mask if k % 2 else None) for k in range(4)]
    shown = condition_frames(
        Conditions(video, (IdentityCondition(identities=tuple(identities)), source(video))), 32, 48
    )
    titles = [title for title, _ in shown]
    assert titles == [*(f"reference: thing {k}" for k in range(4)), "where: thing 1", "where: thing 3", "source"]
    rows = dict(shown)
    assert all(frames.shape == (2, 32, 48, 3) for frames in rows.values())
    assert rows["source"] == pytest.approx(0.25)
    assert (rows["where: thing 1"][:, :, 30:] == 1).all() and (rows["where: thing 1"][:, :, :18] == 0).all()
    three = Conditions(video, (IdentityCondition(identities=tuple(identities[:3])),))
    assert [title for title, _ in condition_frames(three, 32, 48)][-1] == "who is where"
