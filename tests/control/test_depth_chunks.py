"""Long clips: streamed or in chunks, they come out as one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.depth import measure, measure_depth, normalize_depth, normalize_stream
from comfyui_fulldit.control.depth.align import fit_scale_shift
from comfyui_fulldit.control.depth.chunks import DepthState, shrink
from comfyui_fulldit.control.depth.extract import Chunk, DepthRange, RawDepth, extract
from comfyui_fulldit.control.depth.normalize import DepthClip, apply_recipe
from comfyui_fulldit.control.depth.stabilize import StabilizerOptions
from comfyui_fulldit.control.errors import UserError


def clip(frames=20, height=24, width=36, seed=0) -> np.ndarray:
    """Disparity of a tilted ground with a ball that comes nearer, in no unit."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    ground = 0.2 + 0.8 * y
    made = []
    for t in np.linspace(0, 1, frames):
        ball = (x - 0.3 - 0.4 * t) ** 2 + (y - 0.5) ** 2 < 0.04
        made.append(np.where(ball, 0.6 + t, ground) + rng.normal(0, 0.002, y.shape))
    return np.stack(made).astype(np.float32)


# ---- streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["disparity", "depth", "inverted", "auto"])
def test_a_stream_gives_the_clip_bit_for_bit(kind):
    values = clip() * 3
    values[3, :4] = np.nan
    calls = []
    recipe, frames = normalize_stream(lambda: iter(values), kind, progress=lambda: calls.append(1))
    whole = normalize_depth(values, kind)
    assert recipe == whole.recipe
    assert np.array_equal(np.stack(list(frames)), whole.values)
    assert len(calls) == 2 * len(values)


def test_samples_are_the_same_however_the_clip_is_cut(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLES", 1000)
    values = clip()
    recipes = [measure_depth([values[k : k + size] for k in range(0, 20, size)], "disparity") for size in (1, 3, 7, 20)]
    assert all(recipe == recipes[0] for recipe in recipes)
    assert recipes[0]["range"] == pytest.approx(np.quantile(values, [0.02, 0.98]), abs=0.02)
    meter = measure.RangeMeter().add(values)
    assert sum(part.size for part in meter._kept) <= 1000


def test_a_stream_can_be_stopped():
    with pytest.raises(UserError, match="stopped at frame 0"):
        normalize_stream(lambda: iter(clip()), cancel=lambda: True)
    with pytest.raises(UserError, match="no frames"):
        normalize_stream(lambda: iter(()))


# ---- scale and shift -------------------------------------------------------------------------------------------------


def test_scale_and_shift_are_fitted_in_spite_of_what_differs():
    source = clip(1)[0]
    target = 2.5 * source - 0.7
    assert fit_scale_shift(source, target) == pytest.approx((2.5, -0.7, 0), abs=1e-5)
    target[:6, :10] += 3
    target[0, 0] = np.nan
    scale, shift, residual = fit_scale_shift(source, target)
    assert (scale, shift) == pytest.approx((2.5, -0.7), abs=1e-4) and residual < 1e-4
    assert fit_scale_shift(source, target, robust=False)[0] != pytest.approx(2.5, abs=0.05)


def test_a_flat_source_leaves_the_scale_at_one():
    assert fit_scale_shift(np.ones((4, 4)), np.full((4, 4), 3.0)) == pytest.approx((1, 2, 0))
    with pytest.raises(UserError, match="no known value in common"):
        fit_scale_shift(np.array([np.nan, 1]), np.array([1, np.nan]))
    with pytest.raises(UserError, match="cannot be aligned"):
        fit_scale_shift(np.ones(3), np.ones(4))


def cut(values: np.ndarray, size: int, overlap: int, seed: int = 1) -> list[np.ndarray]:
    """Chunks that overlap, each in a scale and shift of its own but the first."""
    rng = np.random.default_rng(seed)
    chunks = []
    for start in range(0, len(values) - overlap, size - overlap):
        scale, shift = (1, 0) if not chunks else (rng.uniform(0.3, 3), rng.uniform(-2, 2))
        chunks.append(values[start : start + size] * np.float32(scale) + np.float32(shift))
    return chunks


def process_chunk(
    depth, state=None, *, kind="auto", recipe=None, near=None, far=None, overlap=0, images=None
) -> tuple[DepthClip, DepthState]:
    """One chunk, stabilized where it has images."""
    made = extract(
        RawDepth("a test", depth, kind),
        DepthRange() if near is None else DepthRange("fixed", near=near, far=far),
        images=images,
        stabilizing=None if images is None else StabilizerOptions(),
        fill=False,
        chunk=Chunk(overlap, recipe=recipe),
        state=state,
    )
    return made.clip, made.state


def test_chunks_of_their_own_scale_become_one_clip():
    values = clip(29, 40, 230)  # wider than what is kept of the overlap
    state, pieces = None, []
    for chunk in cut(values, 8, 3):
        piece, state = process_chunk(chunk, state, kind="disparity", near=2.0, far=0.0, overlap=3)
        pieces.append(piece.values * 2.0)
    assert np.abs(np.concatenate(pieces) - values).max() < 1e-4


def test_small_frames_keep_scale_and_shift():
    frame = clip(1, 64, 250)[0]
    assert shrink(frame).shape == (21, 83)
    assert shrink(2 * frame - 1) == pytest.approx(2 * shrink(frame) - 1, abs=1e-5)


@pytest.mark.parametrize("size", [6, 9, 16])
def test_chunks_give_what_the_whole_clip_gives(size):
    values = clip(29)
    recipe = measure_depth([values], "disparity")
    whole, state, parts = normalize_depth(values, "disparity").values, None, []
    for chunk in cut(values, size, 2):
        part, state = process_chunk(chunk, state, recipe=recipe, overlap=2)
        state = DepthState.from_json(json.loads(json.dumps(state.to_json())))
        parts.append(part.values)
    assert state.frames == 29 and not state.warnings
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-3


def test_stabilized_chunks_give_what_the_stabilized_clip_gives():
    rng = np.random.default_rng(0)
    values = clip(10) + rng.normal(0, 0.03, (10, 1, 1)).astype(np.float32)
    images = (rng.uniform(0, 1, (1, 24, 36, 3)) * np.ones((10, 1, 1, 1))).astype(np.float32)
    recipe = measure_depth([values], "disparity")
    whole, _ = process_chunk(values, recipe=recipe, images=images)
    state, parts = None, []
    for start in (0, 4, 7):
        stop = {0: 4, 4: 7, 7: 10}[start]
        part, state = process_chunk(values[start:stop], state, recipe=recipe, images=images[start:stop])
        state = DepthState.from_json(json.loads(json.dumps(state.to_json())))
        parts.append(part.values)
    assert np.array_equal(np.concatenate(parts), whole.values)
    assert (
        np.abs(np.diff(whole.values[:, -3:], axis=0)).mean()
        < 0.5 * np.abs(np.diff(apply_recipe(values, recipe)[:, -3:], axis=0)).mean()
    )


def test_the_range_of_the_first_chunk_holds_with_a_warning():
    values = clip(20) * 5
    first, state = process_chunk(values[:8], kind="disparity")
    second, after = process_chunk(values[8:], state)
    assert first.recipe["scope"] == second.recipe["scope"] == "first chunk"
    assert "range of the first chunk" in " ".join(second.recipe["warnings"])
    assert after.frames == 20 and state.frames == 8
    assert np.concatenate([first.values, second.values]) == pytest.approx(apply_recipe(values, state.recipe))


def test_kinds_and_fixed_range_go_through_chunks():
    meters = 1 / clip(12)
    whole = normalize_depth(meters, "depth", near=0.7, far=5)
    one, state = process_chunk(meters[:7], kind="depth", near=0.7, far=5)
    two, _ = process_chunk(meters[7:], state)
    assert np.concatenate([one.values, two.values]) == pytest.approx(whole.values, abs=1e-6)
    dark = 1 - clip(12) / 2
    one, state = process_chunk(dark[:7], kind="inverted", overlap=2)
    two, _ = process_chunk(dark[5:] * 3 + 1, state, overlap=2)
    assert np.concatenate([one.values, two.values]) == pytest.approx(apply_recipe(dark, state.recipe), abs=1e-4)


def test_chunks_that_do_not_belong_together_are_noticed():
    values = clip(12)
    _, state = process_chunk(values[:6], kind="disparity", overlap=2)
    other = np.random.default_rng(0).uniform(0, 1, (6, 24, 36)) + values[4:10]
    _, after = process_chunk(other, state, overlap=2)
    assert "differ by" in after.warnings[-1]
    for chunk, options, says in (
        (1 - values[4:10], {"overlap": 2}, "opposite"),
        (values[4:10, :8], {"overlap": 2}, "another size"),
        (values[4:10], {"overlap": 3}, "kept 2"),
        (values[4:6], {"overlap": 2}, "shorter"),
        (values[4:10], {"overlap": 2, "images": np.zeros((6, 8, 8, 3))}, "for all, or for none"),
        (values[0], {}, "shape"),
    ):
        with pytest.raises(UserError, match=says):
            process_chunk(chunk, state, **options)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.update(format="x"),
        lambda s: s.update(version=2),
        lambda s: s.pop("frames"),
        lambda s: s["recipe"].pop("range"),
        lambda s: s["recipe"].update(range=[1, 0]),
        lambda s: s["recipe"].update(range=[[], 1]),
        lambda s: s["recipe"].update(range=[0, 1e300]),
        lambda s: s["anchor"].update(data="!"),
        lambda s: s["anchor"].update(shape=[2, 1000, 1000]),
        lambda s: s["anchor"].update(shape=[2, 10**9, 10**9]),
        lambda s: s["anchor"].update(dtype="O"),
        lambda s: s.update(stabilizer={"frames": 1}),
    ],
)
def test_a_spoiled_state_is_refused(spoil):
    _, state = process_chunk(clip(6), kind="disparity", overlap=2)
    saved = json.loads(json.dumps(state.to_json()))
    spoil(saved)
    with pytest.raises(UserError):
        DepthState.from_json(saved)
