"""Long clips by windows: where they lie, how they are blended, and what each is given."""

from __future__ import annotations

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.conditioning.kv_cache import ConditionKVCache
from comfyui_fulldit.models.conditioning.timed_text import TimedText
from comfyui_fulldit.models.geometry import WAN_2_1
from comfyui_fulldit.models.sampling import windows as windows_file
from comfyui_fulldit.models.sampling.sampler import sample
from comfyui_fulldit.models.sampling.windows import WindowedModel, Windows

from .nets import apart, conditions, latent, randomized, small, words

SIZES = [(5, 2, 65), (5, 0, 12), (3, 2, 9), (4, 1, 5), (5, 2, 5), (5, 2, 6), (1, 0, 4), (6, 5, 40)]


@pytest.mark.parametrize(("length", "overlap", "frames"), SIZES)
def test_windows_cover_a_clip_and_overlap_by_what_was_asked(length, overlap, frames):
    places = Windows(length, overlap).places(frames)
    assert places[0].start == 0 and places[-1].stop == frames
    assert all(len(place) == min(length, frames) for place in places)
    for before, after in zip(places[:-1], places[1:], strict=True):
        assert before.start < after.start and before.stop - after.start >= overlap


@pytest.mark.parametrize(("length", "overlap", "frames"), SIZES)
def test_weights_of_a_frame_sum_to_one_and_fall_toward_the_ends(length, overlap, frames):
    windows, total = Windows(length, overlap), torch.zeros(frames)
    for place, weight in zip(windows.places(frames), windows.weights(frames), strict=True):
        assert weight.min() > 0
        total[place.start : place.stop] += weight
    assert torch.allclose(total, torch.ones(frames), atol=1e-6)


def test_two_windows_cross_in_even_steps():
    first, second = Windows(5, 3).weights(7)
    assert first.tolist() == pytest.approx([1, 1, 0.75, 0.5, 0.25])
    assert second.tolist() == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_frames_become_windows_of_latent_frames():
    assert Windows.of_frames(WAN_2_1, 17, 8) == Windows(5, 2) and Windows.of_frames(WAN_2_1, 17) == Windows(5, 2)
    assert Windows.of_frames(WAN_2_1, 81, 0) == Windows(21, 0)


@pytest.mark.parametrize(
    ("window", "overlap", "words"),
    [(16, 8, "take 13 or 17"), (0, 0, "4k.1"), (17, 7, "take 8"), (17, 17, "take 16"), (17, -4, "take 0")],
)
def test_frames_that_are_no_windows_are_refused(window, overlap, words):
    with pytest.raises(UserError, match=words):
        Windows.of_frames(WAN_2_1, window, overlap)
    with pytest.raises(UserError, match="shorter than the window"):
        Windows(3, 3)


class Constant:
    """A network that says the same of every frame, whatever it is given."""

    def __init__(self):
        self.seen = []

    def prefill(self, conditions):
        return ConditionKVCache()

    def __call__(self, x, timestep, context, conditions=None, kv_cache=None):
        self.seen.append((x, timestep, context, conditions))
        return torch.full_like(x, 0.25)


@pytest.mark.parametrize(("length", "overlap"), [(5, 2), (3, 0), (4, 3)])
@pytest.mark.parametrize("first_frame_pass", [0.0, 0.5])
def test_a_constant_network_walks_as_over_the_whole(length, overlap, first_frame_pass):
    noise, text = latent(frames=13), torch.zeros(1, 1, 1)
    walk = {"steps": 4, "guidance": 2.0, "first_frame_pass": first_frame_pass}
    whole = sample(Constant(), noise, text, text, **walk)
    windowed = sample(WindowedModel(Constant(), Windows(length, overlap)), noise, text, text, **walk)
    assert torch.allclose(windowed, whole, atol=1e-6)


@pytest.mark.parametrize("mode", ["decoupled", "full"])
def test_one_window_over_the_whole_is_the_network_to_the_bit(mode):
    config = small(attention=mode)
    model, text = randomized(config), words(config)
    walk = {"steps": 3, "guidance": 2.0, "condition_guidance": {"camera": 1.5}, "first_frame_pass": 0.4}
    noise = latent()
    whole = sample(model, noise, text, 0 * text, conditions(), **walk)
    for windows in (Windows(3, 1), Windows(9, 4)):
        assert torch.equal(sample(WindowedModel(model, windows), noise, text, 0 * text, conditions(), **walk), whole)


def long_conditions(frames=8) -> ConditionStreams:
    numbers = torch.Generator().manual_seed(3)
    streams = (
        Stream("camera", torch.randn(1, frames, 68, generator=numbers)),
        Stream("reference", torch.randn(1, 16, 1, 4, 6, generator=numbers), slot=0),
        Stream("depth", torch.randn(1, 16, frames, 4, 6, generator=numbers)),
    )
    return ConditionStreams(streams, (frames, 4, 6))


def test_a_step_is_the_mean_of_what_windows_say_of_their_own_frames_conditions_and_texts():
    """By hand: two windows of 5 over 8 frames, which share two."""
    config = small()
    model, streams = randomized(config), long_conditions()
    texts = torch.stack([words(config, seed=5), words(config, seed=6)])
    story = TimedText(texts, torch.tensor([[1.0] * 4 + [0.0] * 4, [0.0] * 4 + [1.0] * 4]))
    x, times = latent(frames=8), torch.linspace(0, 700, 8)[None]
    with torch.no_grad():
        ours = WindowedModel(model, Windows(5, 2))(x, times, story, streams)
        first = model(x[:, :, :5], times[:, :5], story.window(range(5)), streams.window(range(5)))
        second = model(x[:, :, 3:], times[:, 3:], story.window(range(3, 8)), streams.window(range(3, 8)))
    assert torch.equal(ours[:, :, :3], first[:, :, :3]) and torch.equal(ours[:, :, 5:], second[:, :, 2:])
    shared = [first[:, :, 3] * 2 / 3 + second[:, :, 0] / 3, first[:, :, 4] / 3 + second[:, :, 1] * 2 / 3]
    assert apart(ours[:, :, 3:5], torch.stack(shared, 2)) < 1e-5


def test_what_windows_keep_is_computed_once_and_bounded(monkeypatch):
    model, made = randomized(small()), []
    real = model.prefill
    monkeypatch.setattr(model, "prefill", lambda conditions: made.append(conditions.key) or real(conditions))
    x, time, text, streams = latent(frames=8), torch.tensor([500.0]), words(small()), long_conditions()
    with torch.no_grad():
        windowed = WindowedModel(model, Windows(5, 2))
        assert torch.equal(windowed(x, time, text, streams), windowed(x, time, text, streams))
        assert len(made) == 2
        monkeypatch.setattr(windows_file, "KEPT_BYTES", 0)
        unkept = WindowedModel(model, Windows(5, 2))
        assert torch.equal(unkept(x, time, text, streams), unkept(x, time, text, streams))
    assert len(made) == 6 and not unkept._kept
