"""Flow, schedules and solvers, on flows whose answer is known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.devices import pick_device, pick_dtype
from comfyui_fulldit.models.sampling.flow import add_noise, broadcast_time, velocity
from comfyui_fulldit.models.sampling.sampler import GuidedVelocity, euler, first_frame_steps, heun, sample
from comfyui_fulldit.models.sampling.schedules import SCHEDULES, percent_to_time, schedule, shifted_time

SHAPE = (2, 16, 3, 4, 6)


def test_the_line_from_data_to_noise():
    data, noise = torch.randn(SHAPE), torch.randn(SHAPE)
    assert torch.equal(add_noise(data, noise, torch.zeros(2)), data)
    assert torch.equal(add_noise(data, noise, torch.ones(2)), noise)
    t = torch.tensor([0.3, 0.9])
    x = add_noise(data, noise, t)
    assert torch.allclose(x - broadcast_time(t, x) * velocity(data, noise), data, atol=1e-5)
    assert torch.allclose(add_noise(data, noise, t[:, None].expand(2, 3)), x)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 50])
def test_schedules_fall_from_one_to_zero(name, steps):
    times = schedule(name, steps, shift=3.0)
    assert len(times) == steps + 1 and times[0] == 1 and times[-1] == 0
    assert (times.diff() < 0).all()


def test_shift_spends_the_steps_at_the_noise_end():
    assert schedule("shifted", 10, 5.0)[5] == pytest.approx(5 / 6)
    assert torch.equal(schedule("shifted", 10, 1.0), schedule("linear", 10))
    assert percent_to_time(0.5, 3.0) == shifted_time(0.5, 3.0) == 0.75
    quadratic = 1 - schedule("linear_quadratic", 50)
    assert quadratic[25] == pytest.approx(0.025) and torch.allclose(
        quadratic[:26].diff(), torch.tensor(0.001), atol=1e-6
    )


def test_refusals():
    for call in (lambda: schedule("cosine", 4), lambda: schedule("linear", 0), lambda: schedule("shifted", 4, 0.0)):
        with pytest.raises(UserError):
            call()
    with pytest.raises(UserError, match="solver"):
        sample(None, torch.zeros(SHAPE), torch.zeros(1), torch.zeros(1), solver="rk45", steps=1, guidance=1.0)
    with pytest.raises(UserError, match="cannot be used"):
        pick_device("nonsense")
    assert pick_dtype("cpu") in (torch.float32, torch.bfloat16)


def test_heun_is_more_exact_than_euler():
    """On dx/dt = x the end is known: x(0) = x(1) / e."""
    x, times = torch.ones(SHAPE), schedule("linear", 10)
    exact = torch.exp(torch.tensor(-1.0))
    first = (euler(lambda x, t: x, x, times) - exact).abs().max()
    second = (heun(lambda x, t: x, x, times) - exact).abs().max()
    assert second < first / 5 and second < 0.02


class Counting:
    """A stand-in for the network: its velocity is the sum of what the pass was given."""

    WORTH = {"camera": 1.0, "identity": 10.0, "depth": 100.0}

    def __init__(self):
        self.prefilled = []

    def prefill(self, conditions):
        self.prefilled.append(conditions.indices)
        return conditions

    def __call__(self, x, timestep, context, conditions=None, kv_cache=None):
        assert (conditions is None) == (kv_cache is None)
        total = (
            context.sum() + sum(self.WORTH[s.condition] for s in conditions.streams) if conditions else context.sum()
        )
        return torch.zeros_like(x) + total


class Bundle:
    def __init__(self, streams, indices=None):
        self.streams = tuple(streams)
        self.indices = tuple(range(len(self.streams))) if indices is None else indices
        self.names = tuple(dict.fromkeys(s.condition for s in self.streams))

    def subset(self, indices):
        return Bundle([self.streams[i] for i in indices], indices)


def stream(condition, start=0.0, end=1.0):
    return SimpleNamespace(condition=condition, start=start, end=end, kept=False)


ALL = [stream("camera"), stream("identity"), stream("depth")]
X, TEXT, NULL = torch.zeros(1, 16, 1, 2, 2), torch.full((1, 1, 1), 0.5), torch.zeros(1, 1, 1)


def value(v, t=0.5):
    return float(v(X, t).flatten()[0])


def test_guidance_compares_with_a_branch_without_conditions():
    assert value(GuidedVelocity(Counting(), TEXT, NULL, Bundle(ALL), guidance=4.0)) == pytest.approx(4 * 111.5)
    plain = GuidedVelocity(Counting(), TEXT, NULL, Bundle(ALL), guidance=1.0)
    assert value(plain) == pytest.approx(111.5) and plain.passes == 1
    assert value(GuidedVelocity(Counting(), TEXT, NULL, None, guidance=3.0)) == pytest.approx(1.5)


def test_conditions_may_have_scales_of_their_own():
    guided = GuidedVelocity(
        Counting(), TEXT, NULL, Bundle(ALL), guidance=2.0, condition_guidance={"depth": 3.0, "camera": 5.0}
    )
    # joint: text and identity at 2; then camera at 5, then depth at 3
    assert value(guided) == pytest.approx(2 * 10.5 + 5 * 1 + 3 * 100)
    assert guided.passes == 4
    with pytest.raises(UserError, match="'depth'"):
        GuidedVelocity(Counting(), TEXT, NULL, Bundle(ALL[:1]), guidance=2.0, condition_guidance={"depth": 3.0})


def test_ranges_take_streams_in_and_out_and_memories_are_kept():
    model = Counting()
    guided = GuidedVelocity(
        model, TEXT, NULL, Bundle([stream("camera", end=0.5), stream("depth", start=0.5)]), guidance=1.0, shift=3.0
    )
    assert value(guided, 0.9) == pytest.approx(1.5)
    assert value(guided, 0.6) == pytest.approx(100.5)
    assert value(guided, 0.75) == pytest.approx(101.5)
    value(guided, 0.5)
    assert model.prefilled == [(0,), (1,), (0, 1)]


def test_sample_walks_in_float32_and_reports_every_step():
    seen = []
    out = sample(
        Counting(),
        X.bfloat16(),
        TEXT.bfloat16(),
        NULL.bfloat16(),
        Bundle(ALL),
        steps=4,
        guidance=1.0,
        callback=lambda step, denoised: seen.append((step, denoised.shape)),
    )
    assert out.dtype == torch.float32 and [step for step, _ in seen] == [0, 1, 2, 3]
    assert torch.allclose(out, X - 111.5)


class FirstFrame:
    """A stand-in for the network whose data is -1 where it reads noise, and 1 where the first frame is given."""

    def __init__(self):
        self.times = []

    def __call__(self, x, timestep, context):
        self.times.append(timestep)
        given = timestep.ndim == 2
        assert not given or (timestep[:, 0] == 0).all()
        t = timestep.view(1, 1, -1, 1, 1) / 1000
        return (x - (1.0 if given else -1.0)) / t.clamp(min=1e-6)


def test_the_first_frame_may_be_settled_first():
    """It comes from the first pass, the rest from a second that reads it as clean; together as many steps as asked."""
    model, steps = FirstFrame(), []
    noise = torch.randn(1, 16, 3, 2, 2)
    out = sample(
        model,
        noise,
        TEXT,
        NULL,
        steps=10,
        guidance=1.0,
        first_frame_pass=0.4,
        callback=lambda step, _: steps.append(step),
    )
    assert steps == list(range(10)) and [one.ndim for one in model.times] == [1] * 4 + [2] * 6
    assert torch.allclose(out[:, :, 0], torch.tensor(-1.0), atol=1e-5)
    assert torch.allclose(out[:, :, 1:], torch.tensor(1.0), atol=1e-5)
    assert [int(one[0, 1]) for one in model.times[4:]] == [int(1000 * t) for t in schedule("shifted", 6)[:-1]]


def test_an_anchor_needs_other_frames_and_steps_for_them():
    assert [first_frame_steps(*given) for given in ((20, 0.45, 5), (20, 0.0, 5), (20, 0.45, 1), (1, 0.9, 5))] == [
        9,
        0,
        0,
        0,
    ]
    with pytest.raises(UserError, match="from 0 to below 1"):
        first_frame_steps(20, 1.0, 5)
