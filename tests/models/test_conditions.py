"""Condition streams: order, memory, strengths, windows, positions, budget and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.control_video import KINDS
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.positions import apply_rope, grid, make_rope, stream_positions
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.camera_features import CAMERA_MEAN, CAMERA_SCALE, camera_features
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.config import FIRST_STREAMS

from .nets import GEOMETRY, apart, conditions, latent, randomized, small, words

T = torch.tensor([640.0])
ALL = [(a, j) for a in ("decoupled", "full") for j in (False, True)]


@pytest.mark.parametrize("attention, joint", ALL)
@torch.no_grad()
def test_order_memory_and_effect(attention, joint):
    model = randomized(small(attention=attention, joint_text=joint))
    x, context, given = latent(), words(model.config), conditions()
    found = model(x, T, context, given)
    assert found.shape == x.shape
    assert apart(model(x, T, context, given.subset(reversed(range(5)))), found) < 2e-6
    kv_cache = model.prefill(given)
    assert torch.equal(model(x, T, context, given, kv_cache=kv_cache), found)
    assert torch.equal(model(x, T, context, kv_cache=kv_cache), found)
    for name in given.names:
        assert apart(model(x, T, context, given.select([n for n in given.names if n != name])), found) > 1e-3
    assert apart(model(x, T, words(model.config, seed=3), given), found) > 1e-3
    assert apart(model(x, T, context), found) > 1e-3
    assert torch.equal(model(x, T, context, given.select(())), model(x, T, context))


@torch.no_grad()
def test_memory_holds_for_every_time_prompt_and_batch():
    model = randomized(small())
    given = conditions()
    kv_cache = model.prefill(given)
    assert kv_cache.nbytes == 2 * model.config.num_layers * sum(s.tokens for s in given.streams) * model.config.dim * 4
    for t in (0.0, 333.0, 1000.0):
        x, context = latent(batch=3, seed=int(t)), words(model.config, 3, seed=int(t))
        times = torch.full((3,), t)
        found = model(x, times, context, kv_cache=kv_cache)
        assert torch.equal(found, model(x, times, context, given))
        one = model(x[1:2], times[:1], context[1:2], kv_cache=kv_cache)
        assert apart(one, found[1:2]) < 1e-5


@torch.no_grad()
def test_gradients_reach_every_condition_weight():
    with torch.enable_grad():
        model = randomized(small(streams=(*FIRST_STREAMS, *KINDS, "sound")))
        controls = [Stream(kind, torch.randn(1, 16, 3, 4, 6)) for kind in KINDS]
        given = replace(conditions(), streams=(*conditions().streams, *controls, Stream("sound", torch.randn(1, 3, 8))))
        model(latent(), T, words(model.config), given).square().mean().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


@pytest.mark.parametrize("attention", ["decoupled", "full"])
@torch.no_grad()
def test_strength_scales_values_only(attention):
    model = randomized(small(attention=attention))
    x, context, given = latent(), words(model.config), conditions()
    full = model(x, T, context, given)
    half = model(x, T, context, conditions(strength=0.5))
    assert apart(half, full) > 1e-3
    if attention == "decoupled":
        strong, weak = model.prefill(given), model.prefill(conditions(strength=0.5))
        for (k, v), (k_half, v_half) in zip(strong.layers, weak.layers, strict=True):
            assert torch.equal(k, k_half) and torch.equal(v * 0.5, v_half)
    streams = list(given.streams)
    streams[4] = replace(streams[4], strength=0.3)
    mixed = model(x, T, context, ConditionStreams(tuple(streams), GEOMETRY))
    assert apart(mixed, full) > 1e-4 and apart(mixed, half) > 1e-4


@torch.no_grad()
def test_slots_and_types_tell_streams_apart():
    model = randomized(small())
    x, context, given = latent(), words(model.config), conditions()
    streams = list(given.streams)
    streams[1], streams[2] = replace(streams[1], slot=2), replace(streams[2], slot=0)
    swapped = model(x, T, context, ConditionStreams(tuple(streams), GEOMETRY))
    assert apart(swapped, model(x, T, context, given)) > 1e-3


def test_positions():
    given = {s.name + (str(s.slot) if s.slot is not None else ""): s for s in conditions().streams}
    at = {name: stream_positions(s, GEOMETRY, (1, 2, 2)) for name, s in given.items()}
    assert at["depth"].tolist() == [[t, y, x] for t in range(3) for y in range(2) for x in range(3)]
    assert at["camera"].tolist() == [[t, 0.5, 1.0] for t in range(3)]
    # 4x6 latents are one row of two coarse patches; the second hangs over the edge.
    assert at["identity_map"].tolist() == [[t, 0.5, x] for t in range(3) for x in (0.5, 2.5)]
    assert at["reference0"][:, 0].tolist() == [-8] * 6 and at["reference2"][:, 0].tolist() == [-10] * 6
    sparse = Stream("depth", torch.zeros(1, 16, 6, 4, 6))
    times = stream_positions(sparse, (20, 4, 6), (1, 2, 2))[::6, 0]
    assert times.tolist() == pytest.approx([0, 3.8, 7.6, 11.4, 15.2, 19])
    half = Stream("depth", torch.zeros(1, 16, 3, 4, 6))
    assert stream_positions(half, (3, 8, 12), (1, 2, 2))[:, 1].unique().tolist() == [0.5, 2.5]


def test_a_checkpoint_may_cut_a_stream_in_its_own_way():
    """The same map in patches of one, in the config, in the budget, in the positions and in the network."""
    fine = small(patches=(("identity_map", (1, 2, 2)),))
    assert fine.patch_of("identity_map") == (1, 2, 2) and fine.patch_of("depth") == small().patch_of("depth")
    coarse = next(s for s in conditions().streams if s.name == "identity_map")
    own = replace(coarse, patch=fine.patch_of("identity_map"))
    assert (coarse.tokens, own.tokens) == (6, 18)
    assert torch.equal(stream_positions(own, GEOMETRY, (1, 2, 2)), grid(range(3), range(2), range(3)))
    given = ConditionStreams((own,), GEOMETRY)
    assert given.tokens(fine.geometry) == {"video": 18, "identity_map": 18}
    model = FullDiT(fine)
    initialize(model)
    assert model.prefill(given).layers[0][0].shape[1] == 18
    with pytest.raises(UserError, match=r"patches of \(1, 4, 4\), but the checkpoint reads patches of \(1, 2, 2\)"):
        model.prefill(ConditionStreams((coarse,), GEOMETRY))


def test_rotation_keeps_lengths_and_depends_on_distance_only():
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 1, 1, 32, generator=generator) for _ in range(2))

    def score(a, b):
        tables = [make_rope(torch.tensor([p]), 32) for p in (a, b)]
        return (apply_rope(q, tables[0]) * apply_rope(k, tables[1])).sum().item()

    assert score((0.0, 0, 0), (0.0, 0, 0)) == pytest.approx((q * k).sum().item(), rel=1e-6)
    assert score((3.8, 1, 2), (7.6, 0.5, 2)) == pytest.approx(score((13.8, 4, 0), (17.6, 3.5, 0)), abs=1e-5)
    assert score((1.0, 0, 0), (0.0, 0, 0)) != pytest.approx(score((0.0, 1, 0), (0.0, 0, 0)), abs=1e-3)


def test_subsets_keys_and_budget():
    given = conditions()
    assert given.names == ("camera", "identity", "depth")
    assert given.tokens(small().geometry) == {"video": 18, "camera": 3, "reference": 12, "identity_map": 6, "depth": 18}
    some = given.select(["identity"])
    assert [s.name for s in some.streams] == ["reference", "reference", "identity_map"]
    assert some.names == ("identity",) and some.key == given.subset([1, 2, 3]).key != given.key
    assert conditions().key != given.key
    assert given.to("cpu") is given and given.select(given.names) is given
    narrow = given.to(dtype=torch.bfloat16)
    assert narrow.streams[0].data.dtype == torch.float32 and narrow.streams[4].data.dtype == torch.bfloat16
    assert narrow.nbytes < given.nbytes


def turn(angle: float) -> torch.Tensor:
    a = torch.tensor(angle, dtype=torch.float64)
    c, s, o, l = a.cos(), a.sin(), torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    return torch.stack([torch.stack([c, o, s]), torch.stack([o, l, o]), torch.stack([-s, o, c])])


def panning(first: int, frames: int) -> torch.Tensor:
    """A pan with a dolly from frame `first`, relative to that frame: (1, F, 3, 4)."""
    start = torch.linalg.inv(torch.cat([pose(first), torch.tensor([[0, 0, 0, 1.0]])]).double())
    poses = [start @ torch.cat([pose(first + i), torch.tensor([[0, 0, 0, 1.0]])]).double() for i in range(frames)]
    return torch.stack(poses)[None, :, :3].float()


def pose(frame: int) -> torch.Tensor:
    shift = torch.tensor([0.02 * frame, 0.0, 0.05 * frame], dtype=torch.float64)[:, None]
    return torch.cat([turn(0.03 * frame), shift], 1)


def test_camera_features_pack_four_frames_and_are_standardized():
    intrinsics = torch.tensor([1.0, 1.5, 0.5, 0.5]).expand(1, 9, 4)
    features = camera_features(panning(0, 9), intrinsics, fps=8.0)
    assert features.shape == (1, 3, 68) and features.dtype == torch.float32
    plain = features.view(1, 3, 4, 17) * torch.tensor(CAMERA_SCALE) + torch.tensor(CAMERA_MEAN)
    assert plain[0, 0, :, :12].abs().max() < 1e-6  # frame 0 stands in before the clip
    expected = panning(0, 9)[0]
    for latent_frame, slot, frame in ((1, 0, 1), (1, 3, 4), (2, 0, 5), (2, 3, 8)):
        got = plain[0, latent_frame, slot]
        assert torch.allclose(got[:9].view(3, 3) + torch.eye(3), expected[frame, :, :3], atol=1e-6)
        assert torch.allclose(got[9:12], expected[frame, :, 3], atol=1e-6)
        assert got[16].item() == pytest.approx(frame / 8.0, abs=1e-6)
    # A pan of fifteen degrees must not drown beside constants.
    assert features[0, 2].view(4, 17)[-1, [2, 6]].abs().min() > 1


@torch.no_grad()
def test_windows_slice_every_stream():
    intrinsics = torch.tensor([1.0, 1.5, 0.5, 0.5]).expand(1, 33, 4)
    path = camera_features(panning(0, 33), intrinsics, 8.0)
    depth, sparse = torch.randn(1, 16, 9, 4, 6), torch.randn(1, 16, 3, 4, 6)
    reference = torch.randn(1, 16, 1, 4, 6)
    whole = ConditionStreams(
        (
            Stream("camera", path),
            Stream("reference", reference, slot=0),
            Stream("depth", depth),
            Stream("identity_map", sparse),
        ),
        (9, 4, 6),
    )
    piece = whole.window([4, 5, 6, 7])
    camera, ref, dense, few = piece.streams
    assert piece.latent_size == (4, 4, 6) and piece.key != whole.key
    assert torch.equal(dense.data, depth[:, :, 4:8]) and ref.data is reference
    assert torch.equal(few.data, sparse[:, :, 1:2]) and few.times == (0.0,)  # of the frames at 0, 4 and 8 one is inside
    # The window's camera is what a clip that starts there would have, from its second latent frame on exactly.
    fresh = camera_features(panning(16, 13), intrinsics[:, :13], 8.0)
    assert torch.allclose(camera.data, fresh, atol=2e-4)
    assert whole.window(range(9)) is whole
    first = whole.window([0, 1, 2])
    assert torch.equal(first.streams[0].data, path[:, :3])
    nearest = whole.window([5, 6])
    assert torch.equal(nearest.streams[3].data, sparse[:, :, 1:2])
    model = randomized(small())
    out = model(torch.randn(1, 16, 4, 4, 6), T, words(model.config), piece)
    assert torch.isfinite(out).all()
    with pytest.raises(UserError, match="9 latent frames"):
        whole.window([8, 9])


@torch.no_grad()
def test_refusals():
    with pytest.raises(UserError, match="no condition stream"):
        Stream("smell", torch.zeros(1, 3, 68))
    with pytest.raises(UserError, match="5 features, expected a multiple of 17"):
        Stream("camera", torch.zeros(1, 3, 5))
    with pytest.raises(UserError, match="slot"):
        Stream("reference", torch.zeros(1, 16, 1, 4, 6))
    with pytest.raises(UserError, match="slot"):
        Stream("depth", torch.zeros(1, 16, 1, 4, 6), slot=1)
    model = randomized(small(streams=("camera",)))
    x, context = latent(), words(model.config)
    with pytest.raises(UserError, match="does not take the condition 'depth'"):
        model(x, T, context, conditions().select(["depth"]))
    model = randomized(small())
    with pytest.raises(UserError, match="same size"):
        model(latent(frames=2), T, context, conditions())
    with pytest.raises(UserError, match="batch"):
        model(latent(batch=3), T.expand(3), words(model.config, 3), conditions(2))
    with pytest.raises(UserError, match="slots 0 to 2"):
        model(x, T, context, ConditionStreams((Stream("reference", torch.zeros(1, 16, 1, 4, 6), slot=3),), GEOMETRY))


@torch.no_grad()
def test_odd_sides_are_padded():
    model = randomized(small())
    x = torch.randn(1, 16, 2, 5, 7)
    given = ConditionStreams((Stream("depth", x), Stream("identity_map", x)), (2, 5, 7))
    assert model(x, T, words(model.config), given).shape == x.shape


def test_ropes_are_kept_within_a_bound_of_bytes(monkeypatch):
    from comfyui_fulldit.models.backbone import positions as module

    monkeypatch.setattr(module, "MAX_ROPE_BYTES", 10_000)
    ropes = module.RopeCache(16)
    made = [ropes(module.grid(range(10 + k), [0], [0]), (k,), "cpu", {}) for k in range(20)]
    assert 5_000 < ropes.nbytes <= 10_000
    again = ropes(module.grid(range(29), [0], [0]), (19,), "cpu", {})
    assert again[0] is made[19][0]  # the newest are kept
    large = ropes(module.grid(range(1000), [0], [0]), ("large",), "cpu", {})
    assert large[0].shape[0] == 1000 and ropes.nbytes == large[0].nbytes * 2
