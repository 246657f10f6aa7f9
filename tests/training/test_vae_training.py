"""Training of the autoencoder: data, exact resuming, folding to Wan 2.1's statistics, the written file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.latent import LATENT_STD, normalize_latent
from comfyui_fulldit.models.vae.vae_file import load_vae, read_metadata
from comfyui_fulldit.training.common.optimizers import orthogonalize
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.vae import quality as vae_metrics
from comfyui_fulldit.training.vae.activation_limiter import ActivationLimiter
from comfyui_fulldit.training.vae.finish import fold, latent_pixels, preview_factors
from comfyui_fulldit.training.vae.initialize import initialize
from comfyui_fulldit.training.vae.loss import loss_of
from comfyui_fulldit.training.vae.quality import psnr
from comfyui_fulldit.training.vae.settings import VAESettings, read_vae_settings
from comfyui_fulldit.training.vae.train_vae import Trainer, train_vae
from comfyui_fulldit.training.vae.vae_clips import KINDS, ClipPool, Phase, rendered

SIZE = (5, 16, 24)


def flat_clips(seeds: list[int], frames: int, height: int, width: int) -> dict[str, torch.Tensor]:
    """Clips of one color that says their scene, without the renderer."""
    colors = torch.tensor([[seed * 37 % 256, seed * 91 % 256, seed * 13 % 256] for seed in seeds], dtype=torch.uint8)
    clip = colors[:, :, None, None, None].expand(-1, -1, frames, height, width)
    return {kind: clip[:, :, :1] if kind == "reference" else clip for kind in KINDS}


def debug_settings(**changes) -> VAESettings:
    """The debug config, whose minutes never run out."""
    return replace(read_vae_settings("debug")[0], minutes=1e6, **changes)


@pytest.mark.parametrize("name", ["cpu", "gpu", "debug", "world3"])
def test_every_config_fits_the_network_and_ends(name: str) -> None:
    settings, decoder = read_vae_settings(name)
    for stage in (settings, decoder or settings):  # a config may leave the decoder's stage out
        assert stage.phases[-1].until == stage.cycles[-1] == 1.0
        assert stage.cycles == sorted(set(stage.cycles))
        for phase in stage.phases:
            assert phase.frames % 4 == 1 and phase.height % 8 == 0 and phase.width % 8 == 0
            assert phase.frames <= settings.frames and phase.height <= settings.height
    assert set(settings.mix) == set(KINDS) and sum(settings.mix.values()) == pytest.approx(1)


def test_an_unknown_config_is_named_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="cpu, debug, decoder, gpu"):
        read_vae_settings("turbo")


def test_scenes_give_all_four_kinds() -> None:
    clips = rendered([1, 2], 5, 32, 48)
    assert {kind: tuple(value.shape[1:]) for kind, value in clips.items()} == {
        kind: (3, 1 if kind == "reference" else 5, 32, 48) for kind in KINDS
    }
    disparity, colors = clips["disparity"], clips["identity"].movedim(1, -1).reshape(-1, 3).unique(dim=0)
    assert torch.equal(disparity[:, 0], disparity[:, 2])
    assert (colors.sum(1) % 255 == 0).all() and (colors.sum(1) <= 255).all()


def test_batches_depend_on_the_step_alone() -> None:
    mix = dict.fromkeys(KINDS, 0.25)
    phase = Phase(until=1, frames=5, height=8, width=16, batch=2, images=3)
    first, second = (ClipPool(3, *SIZE, mix=mix, blocks=2, make=flat_clips) for _ in range(2))
    batches = [first.batch(step, phase) for step in range(40)]
    assert torch.equal(second.batch(39, phase), batches[39])
    assert {tuple(batch.shape) for batch in batches} == {(2, 3, 5, 8, 16), (3, 3, 1, 8, 16)}
    assert len(first.held) == 2


def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    settings = debug_settings()
    settings = replace(settings, phases=settings.phases[1:])
    runs = {name: tmp_path / name for name in ("whole", "broken")}
    for folder in runs.values():
        folder.mkdir()
    whole = Trainer(settings, runs["whole"], flat_clips)
    for _ in range(4):
        whole.train_step()
    broken = Trainer(settings, runs["broken"], flat_clips)
    for _ in range(2):
        broken.train_step()
    broken.save()
    resumed = Trainer(settings, runs["broken"], flat_clips)
    assert resumed.load() and resumed.loop.step == 2
    for _ in range(2):
        resumed.train_step()
    for ours, theirs in ((whole.vae.state_dict(), resumed.vae.state_dict()), (whole.ema.values, resumed.ema.values)):
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert whole.loop.progress == 1.0 and whole.rate_share() == pytest.approx(0, abs=1e-12)


def test_a_stopped_run_is_saved_and_builds_nothing(tmp_path: Path) -> None:
    trainer = Trainer(debug_settings(), tmp_path, flat_clips)
    trainer.train_step()
    trainer.loop.request_stop()
    with pytest.raises(UserError, match="stopped at step 1"):
        trainer.run()
    resumed = Trainer(debug_settings(), tmp_path, flat_clips)
    assert resumed.load() and resumed.loop.step == 1


def test_the_rate_falls_to_zero_in_every_cycle_and_starts_anew(tmp_path: Path) -> None:
    settings = debug_settings(steps=100, warmup=1, lr=1.0, cycles=[0.5, 1.0])
    trainer = Trainer(settings, tmp_path, flat_clips)
    rates = {}
    for step in (0, 25, 50, 51, 75, 100):
        trainer.loop.step = step
        rates[step] = trainer.rate_share()
    assert rates[0] == 1 and rates[25] == rates[75] == pytest.approx(0.5)
    assert rates[50] == rates[100] == pytest.approx(0) and rates[51] > 0.99


def test_training_writes_a_file_that_loads(tmp_path: Path) -> None:
    path = train_vae("debug", tmp_path)
    figures = json.loads((tmp_path / "vae.json").read_text())
    vae = load_vae(path)
    assert vae.dim == 8 and figures["steps"] == 4 and set(figures["psnr"]) == set(KINDS)
    assert set(figures["errors"]) == {"frames", "changes"}
    metadata = read_metadata(path)
    assert len(metadata["latent_rgb_factors"]) == 16 and len(metadata["latent_rgb_factors_bias"]) == 3
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert any("psnr" in entry for entry in entries)


def test_a_training_goes_on_from_the_checkpoint_that_its_config_names(tmp_path: Path) -> None:
    first = Trainer(debug_settings(), tmp_path / "first", flat_clips)
    path = first.finish()
    further = Trainer(debug_settings(start=str(path)), tmp_path / "second", flat_clips)
    expected = load_vae(path).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in further.vae.state_dict().items())
    with pytest.raises(UserError, match="nowhere.safetensors does not exist. Name a VAE to go on from"):
        Trainer(debug_settings(start=str(tmp_path / "nowhere.safetensors")), tmp_path, flat_clips)


def test_clips_are_of_the_world_that_the_config_names() -> None:
    ours, theirs = (rendered([3], 5, 32, 48, world=world)["video"] for world in (2, 3))
    assert not torch.equal(ours, theirs) and torch.equal(theirs, rendered([3], 5, 32, 48, world=3)["video"])
    with pytest.raises(UserError, match="world.*expected one of 2, 3"):
        read_vae_settings_with(world=7)


def read_vae_settings_with(**changes) -> VAESettings:
    """The debug config with entries replaced, checked as a file's are."""
    return read_settings(config_path("vae", "debug"), VAESettings, changes)


def test_training_teaches() -> None:
    """The error of images that it sees again and again falls."""
    phase = Phase(until=1.0, frames=1, height=8, width=8, batch=6, images=6)
    trainer = Trainer(debug_settings(steps=40, lr=1e-3, phases=[phase]), Path(), flat_clips)
    errors = [trainer.train_step()["mse"] for _ in range(30)]
    assert sum(errors[-5:]) < 0.5 * sum(errors[:5])


def test_half_size_latents_are_part_of_the_loss_where_the_config_says_so() -> None:
    torch.manual_seed(0)
    vae, x, noise = VAE(dim=8), torch.rand(1, 3, 5, 16, 32) * 2 - 1, torch.randn(1, 16, 2, 2, 4)
    settings = debug_settings(l1=0.1, kl=1e-4, motion=0.25, scale=0.0)
    with torch.no_grad():
        plain, _ = loss_of(vae, x, settings, noise)
        loss, parts = loss_of(vae, x, replace(settings, scale=0.25), noise)
        mean, log_variance = vae.posterior(x)
        z = mean + noise * torch.exp(0.5 * log_variance)
        half = torch.nn.functional.interpolate(x, scale_factor=(1, 0.5, 0.5), mode="area")
        small = vae.decode(torch.nn.functional.interpolate(z, scale_factor=(1, 0.5, 0.5), mode="area"))
    assert parts["scale"] == pytest.approx(float((small - half).square().mean()), rel=1e-4)
    assert float(loss - plain) == pytest.approx(0.25 * parts["scale"], rel=1e-3)


def test_folding_moves_the_latents_and_keeps_the_images() -> None:
    torch.manual_seed(0)
    vae = VAE(dim=4).eval().requires_grad_(False)
    x = torch.rand(2, 3, 5, 32, 32) * 2 - 1
    raw, before = vae.encode(x), vae.decode(vae.encode(x))
    spread = vae.posterior(x)[1]
    flat = raw.transpose(0, 1).flatten(1)
    std = flat.std(1)
    fold(vae, flat.mean(1), std)
    latents = normalize_latent(vae.encode(x))
    assert torch.allclose(latents.mean((0, 2, 3, 4)), torch.zeros(16), atol=1e-3)
    assert torch.allclose(latents.transpose(0, 1).flatten(1).std(1), torch.ones(16), atol=1e-3)
    assert (vae.decode(vae.encode(x)) - before).abs().max() < 1e-3 * before.abs().max()
    # The posterior's noise grows as its mean does.
    grown = 2 * (torch.tensor(LATENT_STD) / std).log()
    assert torch.allclose((vae.posterior(x)[1] - spread).mean((0, 2, 3, 4)), grown, atol=1e-3)


def test_preview_factors_find_a_linear_color() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, true = torch.randn(200, 16, generator=generator), torch.randn(16, 3, generator=generator)
    factors, bias = preview_factors(latents, latents @ true + 0.3)
    assert torch.allclose(torch.tensor(factors), true, atol=1e-4)
    assert torch.allclose(torch.tensor(bias), torch.full((3,), 0.3), atol=1e-4)
    z, pixels = latent_pixels(torch.zeros(2, 16, 3, 2, 4), torch.ones(2, 3, 9, 16, 32))
    assert z.shape == (48, 16) and pixels.shape == (48, 3)


def test_muon_steps_are_nearly_orthogonal_for_wide_and_tall() -> None:
    for shape in ((2, 8, 60), (1, 40, 6)):
        singular = torch.linalg.svdvals(orthogonalize(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
        assert singular.min() > 0.5 and singular.max() < 1.3


def test_the_limiter_shrinks_only_what_grew() -> None:
    vae = VAE(dim=8)
    initialize(vae)
    limiter = ActivationLimiter(vae)
    with torch.no_grad():
        vae.encoder.downsamples[2].resample[1].weight.mul_(50)
    before = {name: p.detach().clone() for name, p in vae.named_parameters()}
    vae.decode(vae.encode(torch.rand(1, 3, 5, 16, 16)))
    limiter.pull()
    after = dict(vae.named_parameters())
    grown = "encoder.downsamples.2.resample.1.weight"
    assert (after[grown].abs() < before[grown].abs()).any()
    still = "decoder.head.2.weight"
    assert torch.equal(after[still], before[still])


def test_psnr_is_that_of_images_from_0_to_1() -> None:
    assert psnr(torch.full((4,), 0.2), torch.zeros(4)) == pytest.approx(20.0, abs=1e-4)


def test_a_reconstruction_flickers_where_its_changes_are_wrong(monkeypatch) -> None:
    clip = torch.full((1, 3, 4, 8, 8), 100, dtype=torch.uint8)
    for wrong, expected in (
        (torch.full((4,), 0.1), {"frames": 12.75, "changes": 0.0}),
        (torch.tensor([0.1, -0.1, 0.1, -0.1]), {"frames": 12.75, "changes": 25.5}),
    ):
        monkeypatch.setattr(vae_metrics, "reconstruct", lambda _vae, x, _dtype, wrong=wrong: x + wrong[:, None, None])
        assert vae_metrics.errors(torch.nn.Linear(1, 1), clip) == pytest.approx(expected, abs=1e-2)
