"""World 3: soft grounds, coarse patterns, slow turns, motion blur and 12 frames per second."""

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.scenes import WorldOptions, make_scene, patterns, render
from comfyui_fulldit.scenes.trace import Tracer

OPTIONS = WorldOptions(version=3)


def test_a_frame_is_the_mean_of_three_moments_around_it():
    clips = render([3], frames=5, height=32, width=48, options=OPTIONS)
    fine = make_scene(3, 25, 1.5, OPTIONS)
    moments = [Tracer(fine.at([12 + k])).render(32, 48)[0] for k in (-1, 0, 1)]
    torch.testing.assert_close(clips.video[0, :, 2:3], torch.stack(moments).mean(0), atol=1e-5, rtol=0)
    sharp, depth, slot = Tracer(clips.scenes[0]).render(32, 48)
    assert torch.equal(clips.depth[0], depth) and torch.equal(clips.identity[0], slot)  # of the middle moment
    assert not torch.allclose(clips.video[0], sharp, atol=1e-2)


def test_what_does_not_move_is_not_blurred():
    options = WorldOptions(version=3, cameras=("static",), moving=0.0)
    clips = render([5], frames=3, height=32, width=48, options=options)
    torch.testing.assert_close(clips.video[0], Tracer(clips.scenes[0]).render(32, 48)[0], atol=1e-6, rtol=0)


def test_frames_of_a_scene_are_those_of_a_finer_one():
    coarse, fine = make_scene(8, 5, 1.5, OPTIONS), make_scene(8, 25, 1.5, OPTIONS).at(range(0, 25, 6))
    np.testing.assert_allclose(fine.camera.c2w, coarse.camera.c2w, atol=1e-9)
    for ours, theirs in zip(fine.objects, coarse.objects, strict=True):
        np.testing.assert_allclose(ours.center, theirs.center, atol=1e-9)
        np.testing.assert_allclose(ours.rotation, theirs.rotation, atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(patterns.SOFT_GROUND_PATTERNS) - {"blotches", "bricks"}))
def test_a_soft_ground_is_the_hard_one_away_from_its_edges(name):
    hard = {**patterns.GROUND_PATTERNS, **patterns.UNSEEN_GROUND_PATTERNS}[name]
    u, v = (torch.rand(20_000, generator=torch.Generator().manual_seed(k)) * 8 for k in (0, 1))
    soft, sides = patterns.SOFT_GROUND_PATTERNS[name](u, v), hard(u, v)
    assert ((soft > 0.5) == (sides > 0.5)).float().mean() > 0.995
    steps = torch.linspace(0, 8, 8001)
    assert patterns.SOFT_GROUND_PATTERNS[name](steps, steps * 0.3).diff().abs().max() < 0.05  # no jump anywhere


def test_every_soft_pattern_has_a_hard_one_and_bricks_are_laid_in_rows():
    assert set(patterns.SOFT_GROUND_PATTERNS) == {*patterns.GROUND_PATTERNS, *patterns.UNSEEN_GROUND_PATTERNS}
    u = torch.linspace(0.0, 1.9, 20)
    lower, upper = (patterns.SOFT_GROUND_PATTERNS["bricks"](u, torch.full_like(u, v)) for v in (0.5, 1.5))
    torch.testing.assert_close(
        lower, patterns.SOFT_GROUND_PATTERNS["bricks"](u - 0.5, torch.full_like(u, 1.5)), atol=0.05, rtol=0
    )
    assert (lower - upper).abs().max() > 0.9  # the next row is shifted by half a brick


def test_its_patterns_are_coarse_and_its_objects_turn_at_most_a_quarter():
    scenes = [make_scene(seed, 9, 1.5, OPTIONS) for seed in range(300)]
    objects = [item for scene in scenes for item in scene.objects]
    names = {item.pattern for item in objects}
    assert names == set(patterns.COARSE_OBJECT_PATTERNS) and not names & {"dotted", "segmented"}
    spinning = [item.rotation for item in objects if item.motion == "spin"]
    angles = [np.degrees(np.arccos((np.trace(r[0].T @ r[-1]) - 1) / 2)) for r in spinning]
    assert len(angles) > 10 and max(angles) <= 90.01


def test_its_clips_have_twelve_frames_a_second():
    clips = render([1], frames=2, height=16, width=24, options=OPTIONS)
    assert clips.fps == clips.trajectory(0).fps == clips.conditions(0).video.fps == 12
    assert render([1], frames=2, height=16, width=24).fps == 8
    with pytest.raises(UserError, match="there are 2, 3"):
        WorldOptions(version=4)
