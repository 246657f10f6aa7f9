"""Raw depth to a finished clip: the same as its parts, in one piece or many, with a report that says what was done."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.depth.along_camera import carry_clip, fill_behind
from comfyui_fulldit.control.depth.extract import Chunk, DepthRange, RawDepth, extract, shrink_frames
from comfyui_fulldit.control.depth.stabilize import StabilizerOptions, stabilize
from comfyui_fulldit.control.errors import UserError

FRAMES, HEIGHT, WIDTH = 9, 24, 36


@pytest.fixture(scope="module")
def scene():
    """A textured ground seen by a still camera; an estimator whose scale and shift change in every frame."""
    rng = np.random.default_rng(0)
    image = np.kron(rng.random((12, 18)), np.ones((8, 8)))[..., None].repeat(3, -1).astype(np.float32)
    images = np.stack([image] * FRAMES)
    ground = 0.5 + 2 * np.linspace(0, 1, HEIGHT)[:, None] * np.ones((1, WIDTH))
    moods = np.exp(rng.normal(0, 0.1, (FRAMES, 1, 1)))
    return (ground * moods).astype(np.float32), images


class Streamed:
    """Frames that are made when they are asked for, and counted."""

    def __init__(self, frames):
        self.frames, self.read = frames, 0

    def __len__(self):
        return len(self.frames)

    def __iter__(self):
        for frame in self.frames:
            self.read += 1
            yield frame


@pytest.mark.parametrize("kind", ["depth", "disparity", "inverted", "auto"])
@pytest.mark.parametrize("depth_range", [DepthRange(), DepthRange("frame", 0.1, 0.9), DepthRange("clip", 0.0, 1.0)])
def test_extracted_depth_is_what_normalize_depth_gives(scene, kind, depth_range):
    values = scene[0].copy()
    values[2, :3, :5] = np.nan
    sky = np.zeros(values.shape, bool)
    sky[:, :2] = True
    expected = normalize_depth(
        values, kind, depth_range.low, depth_range.high, scope=depth_range.scope, sky=sky, fill=True
    )
    streamed = Streamed(values)
    found = extract(RawDepth("a test", streamed, kind, sky), depth_range)
    assert np.array_equal(found.clip.values, expected.values) and streamed.read == 2 * FRAMES
    for key in ("kind", "asked", "range", "unknown", "sky"):
        assert found.clip.recipe[key] == expected.recipe[key], key
    assert "of the whole clip" in found.report or "each frame by itself" in found.report
    assert "sky" in found.report and "unknown" in found.report


def test_near_and_far_are_in_the_sources_own_unit(scene):
    depth = 1 / scene[0]
    for kind, ends in (("depth", (0.5, 4.0)), ("disparity", (2.0, 0.25))):
        values = depth if kind == "depth" else scene[0]
        expected = normalize_depth(values, kind, near=ends[0], far=ends[1])
        for steady in (None, StabilizerOptions(memory=0, leak=1)):
            found = extract(
                RawDepth("a test", values, kind),
                DepthRange("fixed", near=ends[0], far=ends[1]),
                images=scene[1],
                stabilizing=steady,
            )
            assert found.clip.recipe["range"] == expected.recipe["range"] and found.clip.recipe["scope"] == "fixed"
            if steady is None:
                assert np.array_equal(found.clip.values, expected.values)
    with pytest.raises(UserError, match="needs both"):
        DepthRange("fixed", near=1.0)
    with pytest.raises(UserError, match="0 < near < far"):
        extract(RawDepth("a test", depth, "depth"), DepthRange("fixed", near=4.0, far=1.0))


def test_stabilized_depth_is_reported_with_its_change(scene):
    values, images = scene
    steady = np.stack(list(stabilize(values, images)))
    expected = normalize_depth(steady, "disparity")
    found = extract(RawDepth("an estimator", values, "disparity"), images=images, stabilizing=StabilizerOptions())
    assert np.abs(found.clip.values - expected.values).max() < 1e-6
    assert found.clip.recipe["stabilized"] is True
    given, put_out = found.state.stabilizer.change()
    line = next(line for line in found.report.split("\n") if line.startswith("Stabilized"))
    assert f"{put_out:.2%}" in line and f"{given:.2%} before" in line and put_out < given / 4
    recipe = json.loads(found.report.split("Recipe: ")[1])
    assert recipe["kind"] == "disparity" and recipe["source"] == "an estimator"


def test_exact_depth_and_depth_without_images_are_left_alone(scene):
    values, images = scene
    plain = normalize_depth(values, "disparity").values
    exact = extract(
        RawDepth("a scene", values, "disparity", exact=True), images=images, stabilizing=StabilizerOptions()
    )
    assert np.array_equal(exact.clip.values, plain) and "stabilized:" not in exact.report.lower()
    blind = extract(RawDepth("a video", values, "disparity"), stabilizing=StabilizerOptions())
    assert np.array_equal(blind.clip.values, plain) and "connect the images" in blind.report


@pytest.mark.parametrize("steady", [None, StabilizerOptions()])
@pytest.mark.parametrize("scope", ["clip", "fixed"])
def test_chunks_come_out_as_one_clip(scene, steady, scope):
    """With the same range, chunk after chunk is the whole; without one, the first chunk's holds and is said."""
    values, images = scene
    depth_range = DepthRange("fixed", near=3.0, far=0.2) if scope == "fixed" else DepthRange()
    whole = extract(RawDepth("a test", values, "disparity"), depth_range, images=images, stabilizing=steady)
    state, parts = None, []
    for part in (slice(0, 4), slice(4, 5), slice(5, 9)):
        made = extract(
            RawDepth("a test", values[part], "disparity"),
            depth_range,
            images=images[part],
            stabilizing=steady,
            chunk=Chunk(),
            state=state,
        )
        again = extract(
            RawDepth("a test", values[part], "disparity"),
            depth_range,
            images=images[part],
            stabilizing=steady,
            chunk=Chunk(),
            state=state,
        )
        assert np.array_equal(made.clip.values, again.clip.values), "the state that was handed in is not used up"
        state = made.state
        parts.append(made.clip.values)
    assert state.frames == FRAMES and "continue a clip of 5 frames" in made.report
    joined = np.concatenate(parts)
    if scope == "fixed":
        assert np.abs(joined - whole.clip.values).max() < 1e-6
    else:
        assert made.clip.recipe["scope"] == "first chunk" and "first chunk holds" in made.report
        bottom, top = made.clip.recipe["range"]
        lowest, highest = whole.clip.recipe["range"]
        inner = (joined > 0) & (joined < 1) & (whole.clip.values > 0) & (whole.clip.values < 1)
        same = (joined * (top - bottom) + bottom - lowest) / (highest - lowest)
        assert np.abs(same - whole.clip.values)[inner].max() < 1e-3
    if steady is not None:
        with pytest.raises(UserError, match="were not stabilized.*for all, or for none"):
            plain = extract(RawDepth("a test", values, "disparity"), chunk=Chunk()).state
            extract(RawDepth("a test", values, "disparity"), images=images, stabilizing=steady, state=plain)


def test_progress_counts_every_pass_and_canceling_ends_the_work(scene):
    values, images = scene
    steps = []

    @contextmanager
    def bar(total, title):
        steps.append(total)

        def step():
            steps.append(1)
            if len(steps) == stop:
                raise KeyboardInterrupt

        yield step

    stop = None
    extract(RawDepth("a test", values, "disparity"), images=images, stabilizing=StabilizerOptions(), progress=bar)
    assert steps[0] == 3 * FRAMES == sum(steps[1:])
    steps.clear()
    stop = 12
    with pytest.raises(KeyboardInterrupt):
        extract(RawDepth("a test", values, "disparity"), images=images, stabilizing=StabilizerOptions(), progress=bar)


@pytest.mark.parametrize(
    "values, kind, says",
    [
        (np.full((3, 8, 8), np.nan), "depth", "no usable value"),
        (np.full((3, 8, 8), np.inf), "disparity", "no usable value"),
        (np.full((3, 8, 8), 2.0), "depth", "the same everywhere"),
        (np.zeros((3, 8, 8)), "depth", "no usable value"),
        (np.zeros((0, 8, 8)), "depth", "no frames"),
        (np.zeros((3, 8)), "depth", "shape"),
    ],
)
def test_depth_without_information_is_refused(values, kind, says):
    with pytest.raises(UserError, match=says):
        extract(RawDepth("a test", values, kind))


def test_odd_depth_is_handled_and_reported(scene):
    values, images = scene
    broken = values.copy()
    broken[:, :4, :4], broken[:, 4:8, :4] = np.nan, np.inf
    found = extract(RawDepth("a test", broken, "disparity"))
    assert np.isfinite(found.clip.values).all() and "unknown and took the nearest known" in found.report
    assert "became far" in extract(RawDepth("a test", broken, "disparity"), fill=False).report
    upside_down = extract(RawDepth("a test", values / values.max() * -1 + 1, "auto"))
    assert upside_down.clip.recipe["kind"] == "inverted" and "near was taken to be dark" in upside_down.report
    stated = extract(RawDepth("a test", values[:, ::-1], "disparity"), images=images, stabilizing=StabilizerOptions())
    assert "check that near and far are not exchanged" in stated.report
    one = extract(RawDepth("a test", values[:1], "disparity"), images=images[:1], stabilizing=StabilizerOptions())
    assert one.clip.frames == 1 and "1 frame of" in one.report
    larger = extract(RawDepth("a test", values, "disparity"), size=(48, 72))
    assert larger.clip.values.shape == (FRAMES, 48, 72)


def test_what_does_not_fit_together_is_refused(scene):
    values, images = scene
    raw, steady = RawDepth("a test", values, "disparity", absolute=True), StabilizerOptions()
    with pytest.raises(UserError, match="9 depth frames and 8 images"):
        extract(raw, images=images[:-1], stabilizing=steady)
    with pytest.raises(UserError, match="ends before the depth clip"):
        extract(raw, images=images, stabilizing=steady, camera=preset("pan_left", frames=5))
    relative = RawDepth("a test", values, "disparity")
    found = extract(relative, images=images, stabilizing=steady, camera=preset("pan_left", frames=FRAMES))
    assert "The camera was left out" in found.report
    with pytest.raises(UserError, match="of sky"):
        extract(RawDepth("a test", values, "disparity", np.zeros((2, HEIGHT, WIDTH), bool)))
    with pytest.raises(UserError, match="depth range 'all'"):
        DepthRange("all")


def test_long_sides_are_made_small_as_they_are_read():
    frames = Streamed(np.arange(2 * 60 * 90, dtype=np.float32).reshape(2, 60, 90))
    small = shrink_frames(frames, 30)
    assert len(small) == 2 and frames.read == 0
    read = list(small)
    assert [frame.shape for frame in read] == [(20, 30)] * 2 and np.isin(read[0], frames.frames[0]).all()
    assert shrink_frames(frames, 0) is frames and list(shrink_frames(frames, 500))[0].shape == (60, 90)


def test_a_long_clip_takes_little_more_than_its_result():
    """300 frames that are made when they are read: beside the result, the samples of the range, whatever the length."""

    class Endless:
        def __len__(self):
            return 300

        def __iter__(self):
            for number in range(len(self)):
                yield np.linspace(1 + number / 300, 5, 128 * 192, dtype=np.float32).reshape(128, 192)

    tracemalloc.start()
    try:
        made = extract(RawDepth("a long test", Endless(), "depth"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made.clip.values.nbytes == 300 * 128 * 192 * 4
    assert peak < 1.5 * made.clip.values.nbytes + 30e6


# ---- along a camera -----------------------------------------------------------------------------------------------


def walk(*steps: float, unit: str = "metre") -> CameraTrajectory:
    c2w = np.tile(np.eye(3, 4), (len(steps), 1, 1))
    c2w[:, 2, 3] = steps
    return CameraTrajectory(c2w, np.array([0.5, 0.75, 0.5, 0.5]), unit=unit)


def test_metric_depth_moves_in_its_own_unit():
    """A wall 4 m away with a nearer post; moving in by 1 m puts them at 3 m and 1 m."""
    depth = np.full((1, HEIGHT, WIDTH), 4.0)
    depth[0, :, 16:20] = 2.0
    clip = normalize_depth(depth, "depth", near=0.5, far=8.0)
    made = carry_clip(clip, walk(0, 1.0, -1.0))
    back = normalize_depth(np.array([[[3.0, 1.0]]]), "depth", near=0.5, far=8.0).values[0, 0]
    assert np.abs(made.clip.values[0] - clip.values[0]).max() < 1e-6 and not made.holes[0].any()
    assert made.clip.values[1, 12, 2] == pytest.approx(back[0], abs=1e-5)
    assert made.clip.values[1, 12, 18] == pytest.approx(back[1], abs=1e-5)
    assert made.holes[2].mean() > 0.2 and "are holes" in made.report[0]
    assert np.isfinite(made.clip.values).all()


def test_relative_depth_is_put_before_infinity_by_the_offset():
    values = np.linspace(0, 1, HEIGHT)[None, :, None].repeat(WIDTH, 2).astype(np.float32)
    clip = DepthClip(values, {"kind": "disparity", "range": [0.0, 1.0], "scope": "whole clip"})
    unit = "median depth of the first frame"
    little, much = (carry_clip(clip, walk(0, 0.3, unit=unit), offset) for offset in (0.02, 1.0))
    assert np.abs(little.clip.values[0] - values[0]).max() < 1e-6
    # The farther the far end is from infinity, the more it moves.
    assert much.clip.values[1, 0].mean() > little.clip.values[1, 0].mean() + 0.05
    assert any("far end was put 0.02" in sentence for sentence in little.report)
    with pytest.raises(UserError, match="without a unit"):
        carry_clip(clip, walk(0, 0.3))
    with pytest.raises(UserError, match="offset"):
        carry_clip(clip, walk(0, 0.3, unit=unit), 0.0)


def test_a_camera_that_turns_away_sees_nothing_and_says_so():
    clip = normalize_depth(np.linspace(1, 4, HEIGHT * WIDTH).reshape(1, HEIGHT, WIDTH), "depth")
    made = carry_clip(clip, preset("pan_left", frames=5, amount=180, fov=60))
    assert made.holes[-1].all() and (made.clip.values[-1] == 0).all()
    assert any("sees nothing" in sentence for sentence in made.report)


def test_holes_take_what_lies_behind():
    nan = np.nan
    frame = np.float32([[0.9, nan, nan, 0.2, nan], [nan] * 5, [nan, 0.5, 0.5, nan, 0.7]])
    filled = fill_behind(frame)
    assert filled[0].tolist() == pytest.approx([0.9, 0.2, 0.2, 0.2, 0.2])
    assert filled[2].tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.7])
    assert filled[1].tolist() == pytest.approx([0.5, 0.2, 0.2, 0.2, 0.2])
    assert (fill_behind(np.full((2, 2), nan, np.float32)) == 0).all()
