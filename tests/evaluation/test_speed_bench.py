"""The speed benchmark: its figures are those of the same work, in a file of one shape."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.evaluation.speed import autoencoders, benchmark, clock, networks, peers
from comfyui_fulldit.models.families.presets import PRESETS

CPU = torch.device("cpu")
TINY = networks.NetworkSize("tiny", PRESETS["debug"], (3, 4, 6))
CLIP = autoencoders.AutoencoderSize("tiny clip", 8, (5, 16, 24))
QUARTILES = {"median", "q1", "q3"}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    path = tmp_path_factory.mktemp("speed") / "speed.json"
    made = benchmark.run_speed(path, "cpu", 2, steps=[TINY], clips=[CLIP])
    assert json.loads(path.read_text()) == made
    return made


def found_peers(result) -> list[str]:
    return [name for name, version in result["peers"].items() if not version.startswith("no: ")]


def test_every_work_has_times_by_both_clocks_and_a_peak(result):
    found = found_peers(result)
    expected = {networks.PLAIN, *networks.CONDITIONED, *found}
    expected |= {networks.PLAIN_ATTENTION, networks.CACHED_ATTENTION}
    coders = {f"{what}, {who}" for what in ("encode", "decode") for who in ("whole", "streamed", *found)}
    for measured, names in ((result["steps"]["tiny"], expected), (result["vae"]["tiny clip"], coders)):
        assert set(measured["works"]) == names
        for work in measured["works"].values():
            for spread in (work["wall"], work["process"]):
                assert set(spread) == QUARTILES and 0 < spread["q1"] <= spread["median"] <= spread["q3"]
            assert work["peak_mb"] > 0
        assert all(set(ratio) == QUARTILES for ratio in measured["ratios"].values())
    assert {"threads", "torch", "device", "format"} <= set(result["machine"])


def test_every_peer_is_compared_with_and_conditions_have_their_arithmetic(result):
    ratios = result["steps"]["tiny"]["ratios"]
    assert {f"plain / {peer}" for peer in found_peers(result)} <= set(ratios)
    arithmetic = result["steps"]["tiny"]["arithmetic"]
    assert set(arithmetic) == {f"{name} / plain" for name in networks.CONDITIONED} <= set(ratios)
    assert 1 < arithmetic["cached / plain"] < arithmetic["recomputed / plain"]
    table = benchmark.tables(result)
    assert all(name in table for name in (*ratios, "tiny clip"))


def test_the_arithmetic_is_that_of_the_formula():
    """The products of one step, counted by hand: the weights', and those of queries with keys and with values."""
    config, steps = TINY.config, networks.Steps(TINY, CPU, torch.float32)
    video, text = 3 * 2 * 3, config.text_len
    extra = sum(stream.tokens for stream in steps.conditions.streams)
    d, ffn = config.dim, config.ffn_dim
    block = 6 * video * d * d + 2 * video * video * d + 2 * text * d * d + 2 * video * text * d + 2 * video * d * ffn
    outside = 2 * video * 4 * 16 * d + text * (config.text_dim + d) * d + (config.freq_dim + 7 * d) * d
    plain = outside + config.num_layers * block
    cached = config.num_layers * 2 * video * extra * d
    assert networks.arithmetic(TINY)["cached / plain"] == pytest.approx(1 + cached / plain, abs=2e-4)


def test_peers_do_the_same_work_and_one_that_does_not_is_refused(monkeypatch):
    pytest.importorskip("diffusers")
    with torch.no_grad():
        steps = networks.Steps(TINY, CPU, torch.float32)
        theirs = steps.works_of(peers.DIFFUSERS)[peers.DIFFUSERS]()
        ours = steps.works()[networks.PLAIN]()
        assert (theirs - ours).norm() < 1e-5 * ours.norm()
        honest = peers.step_of
        monkeypatch.setattr(peers, "step_of", lambda *args: lambda x, t, text: honest(*args)(x, t + 30, text))
        with pytest.raises(AssertionError, match="diffusers does not compute what we do"):
            steps.works_of(peers.DIFFUSERS)


@torch.no_grad()
def test_attention_alone_attends_as_a_step_does(monkeypatch):
    steps, calls = networks.Steps(TINY, CPU, torch.float32), []
    attend = networks.sdpa

    def spy(q, k, v, heads, *more, **named):
        calls.append((q.shape[1], k.shape[1]))
        return attend(q, k, v, heads)

    alone = steps.attention_of(steps.works()[networks.CACHED])
    monkeypatch.setattr(networks, "sdpa", spy)
    alone()
    video, extra = 18, sum(stream.tokens for stream in steps.conditions.streams)
    layers, text = TINY.config.num_layers, TINY.config.text_len
    assert sorted(calls) == sorted(layers * [(video, video + extra), (video, text)])


def test_a_missing_peer_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    assert peers.available(CPU)[peers.COMFYUI] == f"no: no ComfyUI at {tmp_path} (COMFYUI_PATH)"


def test_works_run_in_turn_and_each_round_begins_with_another():
    order = []
    works = {name: (lambda name=name: order.append(name)) for name in "abc"}
    seconds = clock.time_in_turn(works, 3, CPU)
    assert "".join(order[3:]) == "abcbcacab" and sorted(order[:3]) == ["a", "b", "c"]
    assert all(len(values) == 3 for taken in seconds.values() for values in taken.values())


def test_the_peak_is_of_what_lives_at_once_beside_what_was_there():
    there = torch.zeros(1000)  # 4000 bytes each

    def work():
        one = there + 1
        two = one * 2
        del one
        two.add_(there.view(10, 100).flatten())
        return two + 1

    assert clock.peak_bytes(work, CPU) == 8000
