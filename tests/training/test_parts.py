"""The parts of training that need no network: optimizers, averages, saved states, configs, logs."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.loss_weights import channel_weights
from comfyui_fulldit.models.weights.tensor_file import write_tensors
from comfyui_fulldit.training.common import optimizers, precision
from comfyui_fulldit.training.common.ema import EMA, power_function_decay, warmed_up_decay
from comfyui_fulldit.training.common.log import Log, plot_losses, read_log, write_sheet
from comfyui_fulldit.training.common.loop import Loop
from comfyui_fulldit.training.common.optimizers import (
    Muon,
    learning_rate_share,
    muon_and_adam,
    orthogonalize,
    set_learning_rate,
)
from comfyui_fulldit.training.common.state import load_tree, save_tree


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8), (1, 16, 16), (2, 4, 108), (1, 108, 4)])
def test_orthogonalize_brings_every_singular_value_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
    assert values.min() > 0.4 and values.max() < 1.5


def test_muon_does_not_depend_on_which_matrices_share_a_stack():
    torch.manual_seed(0)
    start, grads = torch.randn(3, 6, 10), torch.randn(3, 6, 10)
    together = [torch.nn.Parameter(p.clone()) for p in start]
    apart = [torch.nn.Parameter(p.clone()) for p in start]
    for p, g in zip(together, grads, strict=True):
        p.grad = g.clone()
    Muon(together, lr=0.1).step()
    for p, g in zip(apart, grads, strict=True):
        p.grad = g.clone()
        Muon([p], lr=0.1).step()
    for a, b in zip(together, apart, strict=True):
        assert torch.allclose(a, b, atol=2e-3)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
@pytest.mark.parametrize("shape", [(24, 24), (40, 12), (12, 40)])
@pytest.mark.parametrize("like_adam", [False, True])
def test_muon_equals_that_of_torch_on_matrices(monkeypatch, shape, like_adam):
    """Same coefficients, momentum, scaling and decay: the same weights after several steps, but for the rounding of
    bfloat16, which torch's always computes in."""
    monkeypatch.setattr(optimizers, "pick_dtype", lambda _device: torch.bfloat16)
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
    steps = (
        Muon([ours], lr=0.02, momentum=0.9, weight_decay=0.1, like_adam=like_adam),
        torch.optim.Muon(
            [theirs],
            lr=0.02,
            momentum=0.9,
            weight_decay=0.1,
            adjust_lr_fn="match_rms_adamw" if like_adam else "original",
        ),
    )
    for _ in range(5):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        for optimizer in steps:
            optimizer.step()
    assert (theirs - 1).abs().mean() > 0.01
    assert (ours - theirs).norm() < 0.05 * (theirs - 1).norm()


def test_muon_computes_in_the_format_of_the_device(monkeypatch):
    """Where a device has no bfloat16 units its updates are those of float32, which are close to the same."""
    matrices = torch.randn(2, 12, 20, generator=torch.Generator().manual_seed(0))
    results = {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(optimizers, "pick_dtype", lambda _device, dtype=dtype: dtype)
        results[dtype] = orthogonalize(matrices)
    exact, rough = results[torch.float32], results[torch.bfloat16]
    assert not torch.equal(exact, rough) and torch.allclose(exact, rough, atol=0.05)


def test_optimizers_learn_and_split_by_name():
    torch.manual_seed(0)
    net = torch.nn.ModuleDict({"ffn": torch.nn.Linear(8, 8), "head": torch.nn.Linear(8, 4)})
    muon, adam = muon_and_adam(net.named_parameters(), ("ffn.",), muon_lr=0.02, adam_lr=0.01)
    assert [p.shape for p in muon.param_groups[0]["params"]] == [net["ffn"].weight.shape]
    assert len(adam.param_groups[0]["params"]) == 3
    x, y = torch.randn(64, 8), torch.randn(64, 4)
    losses = []
    for step in range(60):
        set_learning_rate((muon, adam), learning_rate_share(step / 60, step, 5))
        loss = (net["head"](torch.tanh(net["ffn"](x))) - y).square().mean()
        losses.append(float(loss.detach()))
        loss.backward()
        for optimizer in (muon, adam):
            optimizer.step()
            optimizer.zero_grad()
    assert losses[-1] < 0.8 * losses[0]


def test_the_rate_warms_up_and_ends_at_zero():
    assert learning_rate_share(0.0, 0, 10) == pytest.approx(0.1)
    assert learning_rate_share(0.0, 9, 10) == pytest.approx(1.0)
    assert learning_rate_share(0.5, 500, 10) == pytest.approx(0.5)
    assert learning_rate_share(1.0, 1000, 10) == pytest.approx(0.0)
    assert learning_rate_share(1.2, 1000, 10) == pytest.approx(0.0)


def test_the_average_forgets_the_start_and_smooths_the_end():
    module = torch.nn.Linear(1, 1, bias=False)
    average = EMA(module, power_function_decay(0.1))
    torch.manual_seed(0)
    for step in range(1, 401):
        module.weight.data.fill_(1.0 + float(torch.randn(())))
        average.update(module, step)
    assert abs(float(average.values["weight"]) - 1.0) < 0.5


def test_the_average_with_a_fixed_decay_is_short_at_first():
    decay = warmed_up_decay(0.997)
    assert [decay(1), decay(10)] == [2 / 11, 11 / 20] and decay(10_000) == 0.997
    module = torch.nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = EMA(module, decay)
    module.weight.data.fill_(1.0)
    average.update(module, 1)
    assert float(average.values["weight"]) == pytest.approx(9 / 11)


def test_the_power_function_average_spans_a_share_of_the_steps():
    decay = power_function_decay(0.05, longest=0.99)
    assert decay(100) == pytest.approx(1 - 1 / 6) and decay(10**6) == 0.99


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_run_ends_with_the_first_of_steps_and_minutes():
    clock = Clock()
    loop = Loop(steps=10, minutes=2, clock=clock)
    with loop.running():
        loop.count(4)
        assert loop.progress == 0.1 and loop.samples == 4
        clock.now += 90
        loop.tick()
        assert loop.progress == 0.75 and loop.goes_on() and not loop.goes_on(until=1)
        clock.now += 60
        loop.tick()
    assert loop.progress == 1.0 and not loop.goes_on()


def test_time_between_runs_does_not_count():
    clock = Clock()
    loop = Loop(steps=None, minutes=1, clock=clock)
    clock.now += 1000
    with loop.running():
        clock.now += 30
        loop.tick()
    resumed = Loop(steps=None, minutes=1, clock=clock)
    resumed.load(loop.state())
    clock.now += 1000
    with resumed.running():
        resumed.tick()
        assert resumed.progress == 0.5


def test_what_is_due_comes_once_per_interval():
    clock = Clock()
    loop = Loop(steps=None, minutes=100, clock=clock)
    due = []
    with loop.running():
        for _ in range(5):
            clock.now += 60
            loop.tick()
            due.append(loop.due("save", 2))
    assert due == [False, True, False, True, False]


def test_sigterm_ends_a_run_after_the_step():
    loop = Loop(steps=10, minutes=None)
    before = signal.getsignal(signal.SIGTERM)
    with loop.running():
        while loop.goes_on():
            loop.count(1)
            if loop.step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
    assert loop.step == 3 and signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(UserError, match="stopped at step 3"):
        loop.raise_if_stopped()


def test_a_run_that_reached_its_end_is_not_stopped():
    loop = Loop(steps=1, minutes=None)
    loop.count(1)
    loop.request_stop()
    loop.raise_if_stopped()


def test_precision_is_that_of_the_device_unless_the_config_names_one(monkeypatch):
    for native in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(precision, "pick_dtype", lambda _device, native=native: native)
        assert precision.compute_dtype("auto", "cpu") == native
        assert precision.compute_dtype("fp32", "cpu") == torch.float32
        assert precision.compute_dtype("bf16", "cpu") == torch.bfloat16


def test_autocast_computes_in_the_given_format():
    for dtype in (torch.float32, torch.bfloat16):
        with precision.autocast("cpu", dtype):
            assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_states_come_back_exactly(tmp_path):
    tree = {
        "weights": {"a": torch.randn(3), "b": torch.arange(2, dtype=torch.uint8)},
        "optimizers": [
            {"state": {0: {"step": torch.tensor(3.0)}}, "groups": [{"lr": 0.1, "betas": [0.9, 0.98], "f": None}]}
        ],
        "counts": [1, 2.5],
    }
    save_tree(tmp_path / "state.safetensors", tree)
    back = load_tree(tmp_path / "state.safetensors")
    for name, value in tree["weights"].items():
        assert torch.equal(back["weights"][name], value)
    assert back["optimizers"][0]["state"][0]["step"] == 3.0
    assert back["optimizers"][0]["groups"] == tree["optimizers"][0]["groups"] and back["counts"] == [1, 2.5]
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "state.safetensors").read_bytes()[:-5])
    with pytest.raises(UserError, match="cut short"):
        load_tree(tmp_path / "cut.safetensors")


def test_a_state_of_another_version_is_refused(tmp_path):
    write_tensors(tmp_path / "old.safetensors", {"a": torch.zeros(1)}, {"format": "fulldit-training-state", "tree": ""})
    with pytest.raises(UserError, match="not a training state of this version"):
        load_tree(tmp_path / "old.safetensors")


def test_the_log_drops_what_will_come_again(tmp_path):
    log = Log(tmp_path / "log.jsonl")
    for step in (1, 2, 3):
        log.write(step=step, loss=1.0 / step, held_out={"none": 1.0 / step})
    with log.path.open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in read_log(log.path)] == [1, 2, 3]
    assert [line["step"] for line in Log(log.path, step=2).lines()] == [1, 2]
    plot_losses(log.path, tmp_path / "loss.png")
    write_sheet(tmp_path / "sheet.png", [torch.rand(3, 5, 16, 24), torch.rand(3, 5, 16, 24)])
    assert (tmp_path / "loss.png").stat().st_size > 1000 and (tmp_path / "sheet.png").stat().st_size > 1000


class LoudChannels(torch.nn.Module):
    """A stand-in for the VAE whose first channel is four times as visible as the others."""

    def __init__(self):
        super().__init__()
        self.loud = torch.nn.Parameter(torch.tensor([4.0, *[1.0] * 15]))

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        return latent * self.loud[:, None, None, None]


class SomeClips:
    def __len__(self) -> int:
        return 4

    def get(self, name: str, indices) -> torch.Tensor:
        return torch.zeros(len(indices), 16, 3, 4, 6)


def test_channels_count_as_much_as_they_are_seen():
    from comfyui_fulldit.models.vae.latent import LATENT_STD

    weights = channel_weights(LoudChannels(), SomeClips(), power=1.0)
    seen = torch.tensor(LATENT_STD).flatten() ** 2 * torch.tensor([16.0, *[1.0] * 15])
    assert torch.allclose(weights, seen / seen.mean(), rtol=0.15)
    assert torch.equal(channel_weights(LoudChannels(), SomeClips(), power=0.0), torch.ones(16))


@pytest.mark.parametrize(
    "tree", ["{", "5", '{"__dict__": [[1]]}', '{"__dict__": 3}', '{"a": 1}', '{"__tensor__": "x"}', "[" * 9000]
)
def test_a_damaged_state_is_one_sentence(tmp_path, tree):
    write_tensors(
        tmp_path / "state.safetensors", {"a": torch.zeros(1)}, {"format": "fulldit-training-state-3", "tree": tree}
    )
    with pytest.raises(UserError, match="a damaged training state"):
        load_tree(tmp_path / "state.safetensors")
