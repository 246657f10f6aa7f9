"""What is known stays: in frames that are known whole, in regions, and whichever way the clip is sampled."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.sampling.kept import kept_of
from comfyui_fulldit.models.sampling.sampler import SOLVERS, sample

SIZE = (3, 4, 6)
TEXT, NULL = torch.ones(1, 2, 8), torch.zeros(1, 2, 8)
KNOWN = torch.randn(1, 16, *SIZE, generator=torch.Generator().manual_seed(1))


def known(mask: torch.Tensor, **changes) -> ConditionStreams:
    """Known frames whose mask (T, h, w) has a channel for each of the four frames of a latent frame."""
    data = torch.cat([KNOWN, mask.expand(1, 4, *SIZE)], 1)
    return ConditionStreams((Stream("known", data, **{"kept": True, **changes}),), SIZE)


def first_and_a_corner() -> torch.Tensor:
    mask = torch.zeros(SIZE)
    mask[0], mask[2, :2, :3] = 1, 1
    mask[1, 0, 0] = 0.9  # a pixel of the latent that is not known whole
    return mask


class Wrong:
    """A network whose velocity leads anywhere but to what is known, and which keeps what it was asked."""

    def __init__(self):
        self.times: list[torch.Tensor] = []
        self.seen: list[torch.Tensor] = []

    def prefill(self, streams):
        return None

    def __call__(self, x, timestep, context, conditions=None, kv_cache=None):
        self.times.append(timestep.clone())
        self.seen.append(x.clone())
        return torch.sin(7 * x) + 3


def walk(streams: ConditionStreams, **more):
    network = Wrong()
    options = {"steps": 6, "guidance": 2.0, **more}
    noise = torch.randn(1, 16, *SIZE, generator=torch.Generator().manual_seed(2))
    return sample(network, noise, TEXT, NULL, streams, **options), network, noise


@pytest.mark.parametrize("solver", list(SOLVERS))
@pytest.mark.parametrize("anchor", [0.0, 0.4])
def test_what_is_known_comes_out_as_it_is(solver, anchor):
    mask = first_and_a_corner()
    out, network, noise = walk(known(mask), solver=solver, first_frame_pass=anchor)
    there = (mask == 1).expand_as(out)
    assert torch.allclose(out[there], KNOWN[there], atol=1e-5)
    assert ((out - KNOWN)[~there].abs() > 1e-2).float().mean() > 0.9
    # The first frame is read as clean at every step, with no pass of its own; the others at the time of the step.
    assert all(t.shape == (1, 3) and t[0, 0] == 0 and t[0, 1] == t[0, 2] > 0 for t in network.times)
    assert all(torch.equal(x[:, :, 0], KNOWN[:, :, 0]) for x in network.seen)
    passes = {"euler": 6, "heun": 11}[solver]
    assert len(network.times) == 2 * passes
    # In the corner the network sees known and noise in the shares of the time.
    for x, t in zip(network.seen, network.times, strict=True):
        share = t[0, 2] / 1000
        expected = (1 - share) * KNOWN + share * noise
        assert torch.allclose(x[:, :, 2, :2, :3], expected[:, :, 2, :2, :3], atol=1e-5)


def test_a_region_alone_leaves_the_times_and_the_first_frame_pass_as_they_are():
    mask = torch.zeros(SIZE)
    mask[:, :2] = 1
    out, network, _ = walk(known(mask), first_frame_pass=0.5)
    there = (mask == 1).expand_as(out)
    assert torch.allclose(out[there], KNOWN[there], atol=1e-5)
    assert [t.ndim for t in network.times] == [1] * 6 + [2] * 6
    assert all(t[0, 0] == 0 for t in network.times[6:])


@pytest.mark.parametrize("changes", [{"strength": 0.9}, {"start": 0.1}, {"end": 0.9}, {"kept": False}])
def test_known_frames_that_only_guide(changes):
    """With noise, weakly or for a while: the video may depart from them, and is sampled as without a mask."""
    streams = known(first_and_a_corner(), **changes)
    nothing = kept_of(streams, KNOWN)
    assert not nothing.mask.any() and not any(nothing.whole)
    out, network, noise = walk(streams)
    plain = sample(Wrong(), noise, TEXT, NULL, None, steps=6, guidance=2.0)
    assert torch.equal(out, plain) and all(t.ndim == 1 for t in network.times)


def test_a_window_and_a_part_of_the_streams_keep_what_they_say():
    streams = known(first_and_a_corner())
    cut = streams.window([1, 2])
    assert cut.streams[0].kept and kept_of(cut, KNOWN[:, :, 1:]).whole == (False, False)
    assert kept_of(streams.to(dtype=torch.bfloat16), KNOWN).whole == (True, False, False)
    assert kept_of(None, KNOWN).whole == (False,) * 3
    both = ConditionStreams((*streams.streams, replace(streams.streams[0], strength=0.5)), SIZE)
    assert kept_of(both.select(["camera"]), KNOWN).mask.sum() == 0
