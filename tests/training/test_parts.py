"""The parts of training that need no network: optimizers, averages, saved states, configs, logs."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.loss_weights import channel_weights
from comfyui_fulldit.training.common.log import Log, plot_losses, read_log, write_sheet
from comfyui_fulldit.training.common.optimizers import Average, Muon, optimizers, orthogonalize, rate, set_rate
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.common.state import load_state, save_state


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


def test_optimizers_learn_and_split_by_name():
    torch.manual_seed(0)
    net = torch.nn.ModuleDict({"ffn": torch.nn.Linear(8, 8), "head": torch.nn.Linear(8, 4)})
    muon, adam = optimizers(net.named_parameters(), ("ffn.",), muon_lr=0.02, adam_lr=0.01)
    assert [p.shape for p in muon.param_groups[0]["params"]] == [net["ffn"].weight.shape]
    assert len(adam.param_groups[0]["params"]) == 3
    x, y = torch.randn(64, 8), torch.randn(64, 4)
    losses = []
    for step in range(60):
        set_rate((muon, adam), rate(step / 60, step, 5))
        loss = (net["head"](torch.tanh(net["ffn"](x))) - y).square().mean()
        losses.append(float(loss.detach()))
        loss.backward()
        for optimizer in (muon, adam):
            optimizer.step()
            optimizer.zero_grad()
    assert losses[-1] < 0.8 * losses[0]


def test_the_rate_warms_up_and_ends_at_zero():
    assert rate(0.0, 0, 10) == pytest.approx(0.1)
    assert rate(0.0, 9, 10) == pytest.approx(1.0)
    assert rate(0.5, 500, 10) == pytest.approx(0.5)
    assert rate(1.0, 1000, 10) == pytest.approx(0.0)
    assert rate(1.2, 1000, 10) == pytest.approx(0.0)


def test_the_average_forgets_the_start_and_smooths_the_end():
    module = torch.nn.Linear(1, 1, bias=False)
    average = Average(module, share=0.1)
    torch.manual_seed(0)
    for step in range(1, 401):
        module.weight.data.fill_(1.0 + float(torch.randn(())))
        average.update(module, step)
    assert abs(float(average.values["weight"]) - 1.0) < 0.5


def test_states_come_back_exactly(tmp_path):
    tree = {
        "weights": {"a": torch.randn(3), "b": torch.arange(2, dtype=torch.uint8)},
        "optimizers": [
            {"state": {0: {"step": torch.tensor(3.0)}}, "groups": [{"lr": 0.1, "betas": [0.9, 0.98], "f": None}]}
        ],
        "counts": [1, 2.5],
    }
    save_state(tmp_path / "state.safetensors", tree)
    back = load_state(tmp_path / "state.safetensors")
    for name, value in tree["weights"].items():
        assert torch.equal(back["weights"][name], value)
    assert back["optimizers"][0]["state"][0]["step"] == 3.0
    assert back["optimizers"][0]["groups"] == tree["optimizers"][0]["groups"] and back["counts"] == [1, 2.5]
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "state.safetensors").read_bytes()[:-5])
    with pytest.raises(UserError, match="cut short"):
        load_state(tmp_path / "cut.safetensors")


def test_configs_are_strict(tmp_path):
    from comfyui_fulldit.training.generator.train_generator import GeneratorSettings

    for name in ("cpu", "gpu", "debug", "more", "more_gpu"):
        settings = read_settings(config_path("generator", name), GeneratorSettings)
        assert settings.phases[-1]["until"] == 1.0
    with pytest.raises(UserError, match="There are: cpu, debug, emergence, emergence_gpu, gpu, more, more_gpu"):
        config_path("generator", "tpu")
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"model": "debug", "learning": 1}))
    with pytest.raises(UserError, match="learning.*phases"):
        read_settings(bad, GeneratorSettings)


def test_a_config_may_be_like_another(tmp_path):
    from comfyui_fulldit.training.generator.train_generator import GeneratorSettings

    def config(name, **values):
        (tmp_path / f"{name}.json").write_text(json.dumps(values))
        return tmp_path / f"{name}.json"

    config("base", about="x", model="debug", phases=[{"until": 1, "subsets": {"none": 1}}], batch=4, clip=2.0)
    settings = read_settings(config("other", about="y", like="base", batch=8), GeneratorSettings)
    assert (settings.model, settings.batch, settings.clip) == ("debug", 8, 2.0)
    with pytest.raises(UserError, match="missing.json cannot be read"):
        read_settings(config("lost", like="missing"), GeneratorSettings)
    with pytest.raises(UserError, match="is like other.json, which is like another"):
        read_settings(config("third", like="other"), GeneratorSettings)
    with pytest.raises(UserError, match="unknown entries \\(learning\\)"):
        read_settings(config("odd", like="base", learning=1), GeneratorSettings)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match="no JSON object"):
        read_settings(tmp_path / "list.json", GeneratorSettings)


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
