"""What Camera from Video says about its own result: deviations, leaps, far points, lenses, halves that disagree.

Bundles are made here from points and cameras that are known, with noise of a known size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from comfyui_fulldit.control.camera import rotations
from comfyui_fulldit.control.camera.from_video import bundle_adjustment as ba
from comfyui_fulldit.control.camera.from_video import trust
from comfyui_fulldit.control.camera.from_video.consensus import Disagreement, compare_halves
from comfyui_fulldit.control.camera.from_video.focal import judge_focal
from comfyui_fulldit.control.camera.from_video.motion_fits import MotionFit
from comfyui_fulldit.control.camera.from_video.uncertainty import pose_uncertainty
from comfyui_fulldit.control.camera.trajectory import make_poses

FRAMES, POINTS, FOCAL = 7, 80, 600.0


def scene(
    way: float = 0.3, turn: float = 0.0, noise: float = 0.5, seed: int = 0, far_end: bool = False, kind: str = "moving"
) -> MotionFit:
    """The exact fit of a camera that goes right by `way` and pans by `turn` degrees past points at depths of 2 to 5,
    with noisy observations (pixels). far_end: the last frame sees only points a hundred times as far."""
    random = np.random.default_rng(seed)
    points = random.uniform((-2, -1.2, 2), (2, 1.2, 5), (POINTS, 3))
    far = np.arange(POINTS) % 2 == 0
    if far_end:
        points[far] *= 100
    share = np.linspace(0, 1, FRAMES)
    rotation = rotations.from_rotvec(share[:, None] * np.radians(turn) * np.array([0.0, -1.0, 0.0]))
    translation = -np.einsum("kij,kj->ki", rotation, share[:, None] * np.array([way, 0.0, 0.0]))
    camera, point = np.repeat(np.arange(FRAMES), POINTS), np.tile(np.arange(POINTS), FRAMES)
    seen = far[point] | (camera < FRAMES - 1) | (not far_end)
    camera, point = camera[seen], point[seen]
    inside = np.einsum("mij,mj->mi", rotation[camera], points[point]) + translation[camera]
    observed = FOCAL * inside[:, :2] / inside[:, 2:] + random.normal(0, noise, (len(camera), 2))
    bundle = ba.Bundle(
        rotation,
        translation,
        np.full(FRAMES, FOCAL),
        points,
        camera,
        point,
        observed,
        np.tile(np.eye(2), (len(camera), 1, 1)),
    )
    return MotionFit(kind, np.arange(FRAMES), np.arange(POINTS), bundle, np.ones(FRAMES, bool))


def adjusted(fit: MotionFit, focal: str = "fixed") -> MotionFit:
    free = ba.free_parameters(FRAMES, translate=fit.kind == "moving", focal=focal)
    return replace(fit, bundle=ba.adjust(fit.bundle, free, 3.0, rounds=30, tolerance=1e-7))


def deviations(**options):
    result = pose_uncertainty(scene(**options), 1.0, 3.0, adjusts_focal=False)
    return result.rotation[-1], result.position[-1] / options.get("way", 0.3)


def test_uncertainty_grows_with_noise_and_shrinks_with_parallax():
    little, usual, much = (deviations(noise=noise) for noise in (0.25, 0.5, 1.0))
    # Both grow as the noise does.
    assert np.array(usual) / little == pytest.approx([2, 2], rel=0.1)
    assert np.array(much) / usual == pytest.approx([2, 2], rel=0.1)
    positions = [deviations(way=way)[1] for way in (0.05, 0.2, 0.8)]
    assert positions[0] > 2 * positions[1] > 4 * positions[2]


def test_uncertainty_is_what_repeated_noise_shows():
    """The spread of solutions of the same scene with new noise; residuals count as three times as alike as here."""
    ends, angles = [], []
    for seed in range(24):
        fit = scene(turn=10.0)
        noisy = fit.bundle.observed + np.random.default_rng([9, seed]).normal(0, 0.5, fit.bundle.observed.shape)
        bundle = adjusted(replace(fit, bundle=replace(fit.bundle, observed=noisy))).bundle
        center = -np.einsum("kji,kj->ki", bundle.rotation, bundle.translation)
        ends.append(center[-1] / np.linalg.norm(center, axis=1).sum())
        angles.append(bundle.rotation[-1])
    spread = np.sqrt(np.var(ends, axis=0).sum()) / np.linalg.norm(np.mean(ends, axis=0))
    mean = rotations.nearest_rotation(np.mean(angles, axis=0))
    turned = np.sqrt(np.mean(np.degrees(rotations.angle_between(np.array(angles), mean)) ** 2))
    said = deviations(turn=10.0)
    assert 0.8 * turned < said[0] / np.sqrt(3) < 1.4 * turned
    assert 0.7 * spread < said[1] / np.sqrt(3) < 1.6 * spread


def test_the_first_frame_is_certain_and_a_camera_that_only_turns_has_no_place():
    fit = pose_uncertainty(scene(way=0.0, turn=20.0, kind="turning"), 1.0, 3.0, adjusts_focal=False)
    assert fit.rotation[0] == pytest.approx(0, abs=1e-9) and fit.position.max() < 1e-9 < fit.rotation[-1]


def test_long_clips_have_an_uncertainty_for_every_frame(monkeypatch):
    from comfyui_fulldit.control.camera.from_video import uncertainty

    every = pose_uncertainty(scene(), 1.0, 3.0, adjusts_focal=False)
    monkeypatch.setattr(uncertainty, "_JOINT_FRAMES", 4)
    some = pose_uncertainty(scene(), 1.0, 3.0, adjusts_focal=False)
    assert len(some.position) == FRAMES and (some.position[1:] > 0).all()
    assert 0.5 < some.position[-1] / every.position[-1] < 3


def doubts_of(c2w, support=None, **changes):
    frames = len(c2w)
    fine = {
        "inliers": np.ones(frames),
        "failed": (),
        "rotation_sd": np.zeros(frames),
        "position_sd": np.zeros(frames),
        "halves": Disagreement(np.zeros(frames), np.zeros(frames)),
    }
    return trust.doubts_of_path(c2w, support=support, **{**fine, **changes})


def straight(steps):
    position = np.concatenate([[0], np.cumsum(steps)])[:, None] * np.array([1.0, 0.0, 0.0])
    return make_poses(np.tile(np.eye(3), (len(position), 1, 1)), position)


def test_a_frame_that_sees_only_far_points_is_named():
    fit = scene(far_end=True)
    support = trust.near_support(fit, 1.0)
    assert support[-1] < trust.MIN_NEAR_POINTS < support[:-1].min()
    (doubt,) = doubts_of(straight(np.full(FRAMES - 1, 0.1)), support)
    assert doubt.frames == (FRAMES - 1,) and "in frame 6 rests on far points alone" in doubt.sentence


@pytest.mark.parametrize(
    ("steps", "leaps"),
    [
        (np.full(12, 0.1), ()),
        (np.linspace(0.01, 0.3, 12), ()),  # speeding up
        (np.r_[np.zeros(6), np.full(6, 0.1)], ()),  # standing, then moving
        (np.r_[np.full(11, 0.1), 1.1], (12,)),  # the last frame of the real clip
        (np.r_[np.full(5, 0.1), 0.9, np.full(6, 0.1)], (6,)),
    ],
)
def test_leaps_are_found_and_movements_are_not(steps, leaps):
    assert trust.find_leaps(straight(steps)) == leaps
    doubts = doubts_of(straight(steps))
    assert [doubt.frames for doubt in doubts] == [tuple(range(leap, 13)) for leap in leaps]


def test_a_leap_that_many_near_points_agree_with_is_only_said():
    path = straight(np.r_[np.full(11, 0.1), 1.1])
    near = np.full(13, trust.MANY_NEAR_POINTS)
    (said,) = doubts_of(path, near)
    assert said.frames == () and said.sentence.startswith("The camera leaps at frame 12")
    for frame in (11, 12):
        few = np.where(np.arange(13) == frame, trust.MANY_NEAR_POINTS - 1, near)
        assert [doubt.frames for doubt in doubts_of(path, few)] == [(12,)]
    uncertain = np.where(np.arange(13) == 12, 0.2, 0)
    assert all(doubt.frames == (12,) for doubt in doubts_of(path, near, position_sd=uncertain))


def test_little_parallax_holds_a_frame_where_points_are_exact():
    """A sway of a fiftieth of the nearest depth: half a degree of parallax."""
    exact, noisy = (trust.near_support(scene(way=0.04, noise=noise), 1.0) for noise in (0.05, 0.5))
    assert exact.min() > trust.MIN_NEAR_POINTS > noisy.max()


def test_a_turn_that_leaps_is_found():
    turn = np.r_[np.linspace(0, 4, 9), 20, np.linspace(20.5, 22, 4)]
    c2w = make_poses(rotations.from_rotvec(np.radians(turn)[:, None] * [0, 1, 0]), np.zeros((14, 3)))
    assert trust.find_leaps(c2w) == (9,)


def test_each_reason_for_doubt_names_its_frames():
    path, zero = straight(np.full(9, 0.1)), np.zeros(10)
    few = np.ones(10)
    few[[3, 4]] = 0.5
    large = np.where(np.arange(10) == 7, 2.0, 0.0)
    doubts = doubts_of(path, inliers=few, failed=(8, 9), rotation_sd=large)
    assert [doubt.frames for doubt in doubts] == [(8, 9), (3, 4), (7,)]
    assert "for frames 8-9: what" in doubts[0].sentence and "frames 3-4 only 50%" in doubts[1].sentence
    (apart,) = doubts_of(path, halves=Disagreement(large, zero))
    assert apart.frames == tuple(range(1, 10))  # what bends a path does so everywhere
    (apart,) = doubts_of(path, halves=Disagreement(zero, 0.2 + zero))
    assert apart.frames == tuple(range(1, 10))


def test_a_lens_is_determined_by_turning_and_not_by_moving_straight():
    assert not judge_focal(adjusted(scene(turn=0.0)), 1.0).is_determined
    assert judge_focal(adjusted(scene(turn=25.0)), 1.0).is_determined
    assert judge_focal(adjusted(scene(way=0.0, turn=25.0, kind="turning")), 1.0).is_determined
    assert judge_focal(scene(kind="zooming"), 1.0) is None


def test_a_lens_that_was_given_wrongly_is_noticed():
    fit = scene(turn=25.0)
    wrong = adjusted(replace(fit, bundle=replace(fit.bundle, focal=0.8 * fit.bundle.focal)))
    assert judge_focal(wrong, 1.0).better == 1.25
    assert judge_focal(adjusted(fit), 1.0).better is None


def zoomed(fit: MotionFit, ratio: float) -> MotionFit:
    """The fit of a lens that does not zoom to images of one that zooms by `ratio` from the first frame to the last."""
    share = ratio ** (fit.bundle.camera_index / (FRAMES - 1))
    return adjusted(replace(fit, bundle=replace(fit.bundle, observed=fit.bundle.observed * share[:, None])))


@pytest.mark.parametrize("ratio", [0.7, 1.5])
def test_a_lens_that_zooms_while_the_camera_moves_is_noticed(ratio):
    assert judge_focal(zoomed(scene(1.0, 5.0, 0.2), ratio), 1.0).zooms
    assert not judge_focal(zoomed(scene(1.0, 5.0, 0.2), 1.0), 1.0).zooms


def test_a_zoom_cannot_be_seen_by_a_camera_that_goes_along_its_axis():
    fit = scene(0.0, 0.0, 0.2)
    bundle = fit.bundle
    ahead = np.linspace(0, 1, FRAMES)[:, None] * np.array([0.0, 0.0, -1.0])
    inside = bundle.points[bundle.point_index] + ahead[bundle.camera_index]
    observed = FOCAL * inside[:, :2] / inside[:, 2:] + np.random.default_rng(4).normal(0, 0.2, bundle.observed.shape)
    straight = adjusted(replace(fit, bundle=replace(bundle, translation=ahead, observed=observed)))
    test = judge_focal(straight, 1.0)
    assert not test.zooms and not test.shows_zoom and min(test.zoom_costs.values()) == pytest.approx(1, abs=0.05)
    assert judge_focal(adjusted(scene(1.0, 0.0, 0.2)), 1.0).shows_zoom


def test_halves_of_one_world_agree_and_those_of_two_do_not():
    fit = scene(way=0.4, turn=5.0)
    same = compare_halves(adjusted(fit), 1.0, 3.0)
    assert same.rotation.max() == 0 and same.position.max() == 0
    bundle = fit.bundle
    # Everything in the left half moves by itself.
    left = bundle.points[bundle.point_index, 0] < 0
    slide = 25.0 * bundle.camera_index * left
    moving = replace(bundle, observed=bundle.observed + np.stack([slide, 0.5 * slide], 1))
    apart = compare_halves(adjusted(replace(fit, bundle=moving)), 1.0, 3.0)
    assert apart.rotation.max() > trust.MAX_TURN_APART or apart.position.max() > 0.4 * trust.MAX_APART
