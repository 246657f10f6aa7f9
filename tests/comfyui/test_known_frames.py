"""Known frames and a source video through the host's samplers, on a checkpoint of random weights that takes them."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import pytest
import torch

from .test_bridge import FRAMES, HEIGHT, STEPS, WIDTH, make_conditions, module, own_sample, random_weights, sample

pytestmark = pytest.mark.comfyui


@pytest.fixture(scope="module")
def files(host, tmp_path_factory):
    streams = (*module("models.config").FIRST_STREAMS, "source", "known")
    return random_weights(tmp_path_factory.mktemp("known"), streams=streams)


@pytest.fixture(scope="module")
def loaded(files):
    model, clip, vae = module("nodes.bridge.loaders").load_all(*files, "fp32")
    tokenizer = model.model.diffusion_model.tokenizers["known"]
    assert tokenizer.patch_embedding.weight.shape[1] == 20
    return SimpleNamespace(model=model, clip=clip, vae=vae)


def images(seed: int, count: int) -> torch.Tensor:
    return torch.rand(count, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(seed))


def known(seed: int, count: int = 2, frames: str = "first, last", **more):
    return module("nodes.known_frames").FullDiTKnownFrames.execute(images(seed, count), frames, **more).args[0]


def test_known_frames_act_and_are_those_of_our_own_sampler(loaded, files):
    first, other = (make_conditions(conditions={"condition0": known(seed)}) for seed in (1, 2))
    one = sample(loaded, conditions=first)
    assert torch.isfinite(one).all() and (one - sample(loaded, conditions=other)).abs().max() > 1e-3
    ours = own_sample(loaded, files, first)
    assert (one - ours).norm() / ours.norm() < 1e-4
    elsewhere = make_conditions(conditions={"condition0": known(1, frames="0, 8")})
    assert (one - sample(loaded, conditions=elsewhere)).abs().max() > 1e-3


def test_what_is_known_is_kept_as_by_our_own_sampler(loaded, files):
    """Whole frames and regions, with and without a first-frame pass, by our sampler node and by core's."""
    import comfy.samplers

    import nodes as stock

    run = module("nodes.drivers.run")
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, :, : WIDTH // 2] = 1
    inpainting = inspect.getsource(comfy.samplers.KSamplerX0Inpaint.__call__)
    for held, anchor in (
        (known(1, frames="first", count=1), 0.5),
        (known(1, frames="0-8", count=9, mask=mask), 0.5),
        (known(1, frames="0-4", count=5), 0.0),
    ):
        tells = held.mask is None or "denoise_mask=denoise_mask" in inpainting
        conditions = make_conditions(conditions={"condition0": held})
        streams = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, conditions)
        kept = module("models.sampling.kept").kept_of(streams, torch.zeros(1, 16, *streams.latent_size))
        raw = module("models.vae.latent").denormalize_latent(kept.latent)
        there = kept.mask.expand_as(raw)
        one = sample(loaded, conditions=conditions, first_frame_pass=anchor, steps=8)
        assert there.any() and (one - raw)[there].abs().max() < 1e-4
        ours = own_sample(loaded, files, conditions, first_frame_pass=anchor, steps=8)
        # 0.28 does not say which parts of a frame are kept: there these are clean, not noised as the rest is.
        assert not tells or (one - ours).norm() / ours.norm() < 1e-4

        with torch.inference_mode():
            words = [stock.CLIPTextEncode().encode(loaded.clip, text)[0] for text in ("a red ball", "")]
            made = run.apply(loaded.model, loaded.vae, *words, conditions)
            (latent,) = stock.KSampler().sample(
                made.model, 3, STEPS, 2.5, "euler", "simple", made.positive, made.negative, made.latent
            )
        assert (latent["samples"] - raw)[there].abs().max() < 1e-4

    loose = make_conditions(conditions={"condition0": known(1, frames="first", count=1, noise=0.05)})
    streams = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, loose)
    assert "noise_mask" not in module("nodes.bridge.conditioning").latent_of(loaded.model, loose, streams)


def test_a_source_video_acts_and_is_that_of_our_own_sampler(loaded, files):
    first, other = (make_conditions(source_video=images(seed, FRAMES)) for seed in (3, 4))
    one = sample(loaded, conditions=first)
    assert (one - sample(loaded, conditions=other)).abs().max() > 1e-3
    ours = own_sample(loaded, files, first)
    assert (one - ours).norm() / ours.norm() < 1e-4


def test_a_checkpoint_of_before_refuses_both_by_name(host, tmp_path):
    model, clip, vae = module("nodes.bridge.loaders").load_all(*random_weights(tmp_path), "fp32")
    old = SimpleNamespace(model=model, clip=clip, vae=vae)
    for name, given in (
        ("known", {"conditions": {"condition0": known(1)}}),
        ("source", {"source_video": images(3, FRAMES)}),
    ):
        with pytest.raises(module("control.errors").UserError, match=f"{name.capitalize()}: This checkpoint was not"):
            sample(old, conditions=make_conditions(**given))
