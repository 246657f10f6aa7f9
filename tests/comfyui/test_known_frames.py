"""Known frames and a source video through the host's samplers, on a checkpoint of random weights that takes them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from .test_bridge import FRAMES, HEIGHT, WIDTH, make_conditions, module, own_sample, random_weights, sample

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
