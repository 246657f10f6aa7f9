"""Own errors of control videos: small where a clip has them, large where another clip is shown, some in between."""

from dataclasses import replace

import numpy as np
import pytest

from comfyui_fulldit.control.control_video import KINDS, ControlVideo
from comfyui_fulldit.models.estimators.control_error import EDGES, MEASURED, UNITS, own_error, track_error
from comfyui_fulldit.models.estimators.judge import METRICS, OWN_ERRORS, Judge
from comfyui_fulldit.models.estimators.region_error import Look, box_error, normal_error, normals_of, pose_error
from comfyui_fulldit.models.estimators.sound_match import sound_match
from comfyui_fulldit.scenes import HELD_OUT_SEED, WorldOptions, render


@pytest.fixture(scope="module")
def clips():
    """Two scenes that move, the first with a figure."""
    options = WorldOptions(version=3, cameras=("orbit",), figures=1.0)
    return render([3, 11], 5, 64, 96, options=options)


def frames(clips, index: int) -> np.ndarray:
    return clips.video[index].permute(1, 2, 3, 0).numpy()


def exact(clips, index: int) -> Look:
    """What an estimator that makes no mistake sees."""
    disparity = 1 / clips.depth[index].numpy()
    depth = disparity / disparity.max()
    objects = (clips.identity[index] >= 0).numpy()
    return Look(frames(clips, index), objects, depth, disparity, clips.intrinsics[index, :, :2].numpy())


# The largest error of the truth, of another scene's: what is exact in the world is not what a detector finds.
FLOORS = {**dict.fromkeys(EDGES, 0.0), "segmentation": 0.5, "normals": 0.5, "flow": 0.6, "tracks": 0.6, "boxes": 0.4}


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_near_and_another_scene_is_far(clips, kind):
    (asked,) = clips.control_videos(0, (kind,))
    truth, other = (own_error(asked, frames(clips, index), exact(clips, index)) for index in (0, 1))
    assert other > 0 and truth <= FLOORS.get(kind, 0.8) * other


@pytest.mark.skipif(not Judge.path().exists(), reason="the estimators are not in this checkout")
@pytest.mark.parametrize("kind", ["segmentation", "normals", "boxes"])
def test_the_shipped_estimators_see_what_is_asked(clips, kind):
    judge, (asked,) = Judge.load(), clips.control_videos(0, (kind,))
    errors = []
    for index in (0, 1):
        depth, objects, _, disparity = judge.perceive(frames(clips, index))
        look = replace(exact(clips, index), objects=objects, depth=depth, disparity=disparity)
        errors.append(own_error(asked, frames(clips, index), look))
    assert errors[0] < 0.75 * errors[1]


def test_a_clip_that_is_slightly_off_is_in_between(clips):
    (asked,) = clips.control_videos(0, ("soft_edge",))
    clip, look = frames(clips, 0), exact(clips, 0)
    errors = [own_error(asked, np.roll(clip, shift, 2), look) for shift in (0, 1, 3, 8)]
    assert errors == sorted(errors) and errors[0] == 0
    noisy = own_error(asked, np.clip(clip + np.random.default_rng(0).normal(0, 0.02, clip.shape), 0, 1), look)
    assert 0 < noisy < own_error(asked, frames(clips, 1), look) / 2


def test_a_blurred_clip_has_most_of_its_edges(clips):
    """A VAE takes contrast away; an error that only counts pixels above a threshold would miss them all."""
    (asked,) = clips.control_videos(0, ("canny",))
    clip, look = frames(clips, 0), exact(clips, 0)
    faint = clip.mean() + 0.5 * (clip - clip.mean())
    assert own_error(asked, faint, look) < 0.3


def test_boxes_and_normals_by_hand():
    drawn = np.zeros((1, 64, 96, 3), np.float32)
    drawn[0, 10:30, 20:50] = (1, 0, 0)
    objects = np.zeros((1, 64, 96), bool)
    objects[0, 10:30, 20:50] = True
    flat = np.full((1, 64, 96), 0.25, np.float32)  # a wall across the view, 4 away
    look = Look(np.zeros((1, 64, 96, 3), np.float32), objects, flat, flat, np.array([[1.0, 1.5]]))
    assert box_error(drawn, look) == 0
    half = replace(look, objects=objects & (np.arange(96) < 35))
    assert box_error(drawn, half) == pytest.approx(0.5)
    assert box_error(drawn, replace(look, objects=~objects & False)) == 1
    assert np.allclose(
        normals_of(flat, look.lens)[0, 10, 10] / np.linalg.norm(normals_of(flat, look.lens)[0, 10, 10]), [0, 0, -1]
    )
    toward = np.broadcast_to(np.float32([0.5, 0.5, 1.0]), (1, 64, 96, 3))
    up = np.broadcast_to(np.float32([0.5, 1.0, 0.5]), (1, 64, 96, 3))
    assert normal_error(toward, look) == pytest.approx(0, abs=0.1) and normal_error(up, look) == pytest.approx(90)


def test_tracks_that_move_are_missed_by_a_clip_that_stands_still():
    texture = np.random.default_rng(0).random((16, 24, 3)).repeat(4, 0).repeat(4, 1).astype(np.float32)
    still, drawn = np.stack([texture] * 4), np.zeros((4, 64, 96, 3), np.float32)
    moving = np.stack([np.roll(texture, 2 * t, 1) for t in range(4)])
    for t in range(4):
        drawn[t, 30:33, 20 + 2 * t : 23 + 2 * t] = (1, 0, 0)
    assert track_error(drawn, still) == pytest.approx(4, abs=0.3)  # 2, 4 and 6 pixels off
    assert track_error(drawn, moving) < 1


def test_what_shows_nothing_has_no_figure(clips):
    clip, look = frames(clips, 0), exact(clips, 0)
    black = np.zeros((5, 64, 96, 3), np.float32)
    for kind in set(KINDS) - {"flow"}:
        assert own_error(ControlVideo(kind, black), clip, look) is None
    assert own_error(ControlVideo("flow", black[:1]), clip[:1], look) is None
    assert pose_error(black, look) is None
    assert tuple(KINDS) == MEASURED == tuple(kind for kind in KINDS if kind in UNITS) and set(OWN_ERRORS) <= set(
        METRICS
    )


@pytest.mark.skipif(not Judge.path().exists(), reason="the estimators are not in this checkout")
def test_a_clip_that_hops_to_its_sound_is_told_from_one_that_hops_to_another():
    judge, names = Judge.load(), ("sound_match",)
    clips = render([HELD_OUT_SEED, HELD_OUT_SEED + 2, HELD_OUT_SEED + 3], 25, options=WorldOptions(version=3, sounds=1))
    sounds = [clips.conditions(index, ("sound",)) for index in range(3)]
    for index in range(3):
        seen = judge.see(frames(clips, index))
        found = [judge.measure(seen, sound, names).values["sound_match"] for sound in sounds]
        assert found[index] > 0.8 and max(found[:index] + found[index + 1 :]) < 0.6


def test_the_match_of_a_sound_by_hand():
    loudness = np.float32([0, 1, 0, 0.5, 0.5])
    objects = np.zeros((5, 8, 8), bool)
    objects[:, 2:5, 2:5] = True
    flow = np.full((4, 8, 8, 2), 3, np.float32)  # the camera rises
    flow[:, 2:5, 2:5, 1] -= np.diff(loudness)[:, None, None]
    assert sound_match(flow, objects, loudness) == pytest.approx(1)
    flow[:, 2:5, 2:5, 1] += 2 * np.diff(loudness)[:, None, None]
    assert sound_match(flow, objects, loudness) == pytest.approx(-1)
    assert sound_match(0 * flow, objects, loudness) == 0
    assert sound_match(flow, objects, 0 * loudness) is None
