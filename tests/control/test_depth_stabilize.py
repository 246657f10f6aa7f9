"""Depth that does not flicker: against exact depth of rendered clips, to which an estimator's faults are added."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.depth import normalize_depth
from comfyui_fulldit.control.depth.flicker import static_flicker
from comfyui_fulldit.control.depth.scene_flow import sample, to_gray, trace_back
from comfyui_fulldit.control.depth.stabilize import Stabilizer, StabilizerOptions, stabilize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.scenes import FAR, WorldOptions, render

cv2 = pytest.importorskip("cv2")
FRAMES, HEIGHT, WIDTH = 10, 96, 144


class Clip:
    """A rendered clip with its exact disparity, and the same as an estimator with moods would see it."""

    def __init__(self, kind: str, seed: int):
        options = WorldOptions(cameras=(kind,), objects=(1, 1), supersample=False)
        clip = render([2_000_000_000 + seed], FRAMES, HEIGHT, WIDTH, options=options)
        self.video = clip.video[0].permute(1, 2, 3, 0).numpy()
        self.depth = clip.depth[0].numpy()
        self.things = clip.identity[0].numpy() >= 0
        self.camera = clip.trajectory(0)
        self.c2w, self.lens = clip.c2w[0].double().numpy(), clip.intrinsics[0].double().numpy()
        self.exact = 1 / self.depth
        rng = np.random.default_rng(seed)
        blotches = rng.normal(0, 0.04, (FRAMES, 6, 9)).astype(np.float32)
        noise = np.stack([cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for frame in blotches])
        moods = np.exp(rng.normal(0, 0.08, (FRAMES, 1, 1))), rng.normal(0, 0.04, (FRAMES, 1, 1))
        self.moody = ((self.exact + noise * np.ptp(self.exact)) * moods[0] + moods[1]).astype(np.float32)
        near = [cv2.dilate(f.astype(np.uint8), np.ones((7, 7))) > 0 for f in self.things | (self.depth > FAR * 0.99)]
        self.background = ~np.stack(near)

    def flicker(self, values: np.ndarray):
        clip = normalize_depth(values, "disparity").values
        return static_flicker(clip, self.depth, self.c2w, self.lens, self.background)


@pytest.fixture(scope="module")
def clips():
    return {kind: Clip(kind, seed) for kind, seed in (("static", 3), ("truck", 4), ("dolly", 8))}


def test_exact_depth_does_not_flicker(clips):
    for kind, clip in clips.items():
        found = clip.flicker(clip.exact)
        assert found.unexplained < 2e-3 and found.points > 10_000, kind
    assert (
        clips["dolly"].flicker(clips["dolly"].exact).whole
        > 5 * clips["dolly"].flicker(clips["dolly"].exact).unexplained
    ), "a camera that moves in changes depth, which is no flicker"


def test_flicker_is_the_change_from_frame_to_frame(clips):
    """A tenth of the range, up in every other frame, is a change of a tenth from frame to frame."""
    clip = clips["static"]
    values = normalize_depth(clip.exact, "disparity").values * 0.8
    values[::2] += 0.1
    found = static_flicker(values, clip.depth, clip.c2w, clip.lens, clip.background)
    assert found.whole == pytest.approx(0.1, abs=1e-3) and found.unexplained == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("kind", ["static", "truck", "dolly"])
def test_jumps_and_blotches_of_an_estimator_are_calmed(clips, kind):
    clip = clips[kind]
    camera = clip.camera if kind == "dolly" else None
    calmed = np.stack(list(stabilize(clip.moody, clip.video, camera=camera)))
    frame_by_frame = static_flicker(
        normalize_depth(clip.moody, "disparity", scope="frame").values, clip.depth, clip.c2w, clip.lens, clip.background
    )
    assert clip.flicker(calmed).unexplained < 0.4 * frame_by_frame.unexplained
    calm, moody, exact = (normalize_depth(v, "disparity").values for v in (calmed, clip.moody, clip.exact))
    assert np.abs(calm - exact).mean() < np.abs(moody - exact).mean(), "calm and farther from the truth is no gain"


def test_a_camera_that_moves_in_is_followed(clips):
    clip = clips["dolly"]
    known = np.stack(list(stabilize(clip.exact, clip.video, camera=clip.camera)))
    unknown = np.stack(list(stabilize(clip.exact, clip.video)))
    off = np.abs(known - clip.exact)[clip.background].mean() / np.ptp(clip.exact)
    assert off < 0.5 * np.abs(unknown - clip.exact)[clip.background].mean() / np.ptp(clip.exact)
    assert off < 0.03


def test_nothing_is_kept_farther_from_its_estimate_than_the_tolerance(clips):
    clip = clips["truck"]
    options = StabilizerOptions(tolerance=0.05, leak=1.0)  # full leak: no correction of scale and shift is carried
    worker = Stabilizer(options)
    for values, image in zip(clip.moody, clip.video, strict=True):
        out = worker.step(values, image)
        assert np.abs(out - values).max() <= 0.05 * worker._range + 1e-5
    as_it_was = stabilize(clip.exact, clip.video, StabilizerOptions(memory=0, leak=1.0))
    assert np.array_equal(np.stack(list(as_it_was)), clip.exact)


def test_a_cut_begins_anew(clips):
    one, two = clips["static"], clips["truck"]
    worker = Stabilizer()
    for clip in (one, two):
        for values, image in zip(clip.exact[:4], clip.video[:4], strict=True):
            out = worker.step(values, image)
    # Whether or not the cut is seen as one, nothing of the other shot stays.
    assert np.abs(out - two.exact[3]).mean() < 0.05 * np.ptp(two.exact)
    noise = np.random.default_rng(0).uniform(0, 1, (HEIGHT, WIDTH, 3))
    worker.step(two.exact[4], noise)
    out = worker.step(two.exact[5], 1 - noise[::-1, ::-1])
    assert worker.cuts and np.array_equal(out, two.exact[5])


def test_unknown_and_even_frames_pass(clips):
    clip = clips["static"]
    holed = clip.exact.copy()
    holed[1:3, :20] = np.nan
    holed[3] = np.nan
    holed[4, 5, 5] = np.inf
    out = np.stack(list(stabilize(holed, clip.video)))
    assert np.isnan(out[3]).all() and np.isnan(out[4, 5, 5])
    assert np.isfinite(np.nanmean(out[4, :20])) and np.isfinite(out[5:]).all()
    flat = np.ones((3, HEIGHT, WIDTH), np.float32)
    assert np.array_equal(np.stack(list(stabilize(flat, clip.video[:3]))), flat)
    tiny = np.stack(list(stabilize(flat[:, :2, :2], clip.video[:3, :3, :3])))
    assert tiny.shape == (3, 2, 2)


def test_the_state_carries_over_exactly(clips):
    clip = clips["truck"]
    whole = np.stack(list(stabilize(clip.moody, clip.video)))
    worker, out = Stabilizer(), []
    for values, image in zip(clip.moody, clip.video, strict=True):
        worker = Stabilizer.from_state(json.loads(json.dumps(worker.state())))
        out.append(worker.step(values, image))
    assert np.array_equal(np.stack(out), whole)


def test_points_of_a_shifted_image_are_traced_back():
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.uniform(0, 1, (30, 45, 3)).astype(np.float32), (WIDTH, HEIGHT))
    gray = to_gray(texture)
    where, sure = trace_back(gray, np.roll(gray, 3, 1), (HEIGHT, WIDTH), np.ones((HEIGHT, WIDTH), np.float32))
    moved = where[8:-8, 12:-12] - np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1)[8:-8, 12:-12]
    assert np.median(moved[..., 0]) == pytest.approx(-3, abs=0.2) and np.abs(moved[..., 1]).mean() < 0.1
    assert sure[8:-8, 12:-12].mean() > 0.95
    values = np.arange(WIDTH, dtype=np.float32)[None].repeat(HEIGHT, 0)
    assert np.median(sample(values, where)[8:-8, 12:-12] - values[8:-8, 12:-12]) == pytest.approx(-3, abs=0.2)


def test_what_does_not_fit_is_refused(clips):
    clip = clips["static"]
    worker = Stabilizer()
    worker.step(clip.exact[0], clip.video[0])
    for values, image, says in (
        (clip.exact[1][:50], clip.video[1], "before it"),
        (clip.exact[1], clip.video[1][:50], "another size"),
        (clip.exact[1][0], clip.video[1], "shape"),
        (clip.exact[1], clip.video[1][..., 0], "shape"),
    ):
        with pytest.raises(UserError, match=says):
            worker.step(values, image)
    with pytest.raises(UserError, match="more depth frames"):
        list(stabilize(clip.exact[:3], clip.video[:2]))
    with pytest.raises(UserError, match="more images"):
        list(stabilize(clip.exact[:2], clip.video[:3]))
    with pytest.raises(UserError, match="ends before"):
        list(stabilize(clip.exact, clip.video, camera=clip.camera.at([0.0, 0.5])))
    with pytest.raises(UserError, match="stopped at frame 0"):
        list(stabilize(clip.exact, clip.video, cancel=lambda: True))
    for options in ({"memory": 1.0}, {"memory": "all"}, {"tolerance": -1}, {"leak": np.nan}):
        with pytest.raises(UserError, match="stabilization"):
            StabilizerOptions(**options)
    state = worker.state()
    for change in ({"out": None}, {"correct": [0, 1]}, {"range": "x"}, {"options": {"speed": 1}}, {"course": [1]}):
        with pytest.raises(UserError):
            Stabilizer.from_state({**state, **change})
