"""A stream that is added to the video's tokens: further input channels, for no token, that begin as nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.initialize import initialize, initialize_tokenizers
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.conditioning.streams import StreamType
from comfyui_fulldit.models.conditioning.tokenizers import embed_added
from comfyui_fulldit.models.config import FIRST_STREAMS
from comfyui_fulldit.models.sampling.windows import WindowedModel, Windows
from comfyui_fulldit.training.generator.start import grown

from .nets import GEOMETRY, apart, conditions, latent, randomized, small, words

T = torch.tensor([500.0])
STREAMS = (*FIRST_STREAMS, "lowres")


def lowres(frames: int = 3, seed: int = 5, batch: int = 1, **changes) -> Stream:
    return Stream("lowres", latent(frames, batch, seed), patch=(1, 2, 2), **changes)


def given(**changes) -> ConditionStreams:
    return ConditionStreams((lowres(**changes),), GEOMETRY)


@pytest.mark.parametrize("attention", ["decoupled", "full"])
@torch.no_grad()
def test_it_is_the_same_as_further_input_channels(attention):
    model = randomized(small(streams=STREAMS, attention=attention))
    x, context = latent(), words(model.config)
    own, extra = model.patch_embedding, model.tokenizers["lowres"]
    joined = torch.nn.Conv3d(32, model.config.dim, own.kernel_size, own.stride)
    joined.weight.copy_(torch.cat([own.weight, extra.patch_embedding.weight], 1))
    joined.bias.copy_(own.bias + extra.patch_embedding.bias + extra.type_vector)
    found = model(x, T, context, given())
    model.patch_embedding = joined
    model.config = replace(model.config)  # nothing else of it changes
    assert apart(model(torch.cat([x, lowres().data], 1), T, context), found) < 1e-5


@torch.no_grad()
def test_it_joins_a_network_that_is_then_the_same_to_the_bit():
    before = FullDiT(small())
    initialize(before)
    torch.nn.init.normal_(before.head.head.weight, std=0.3)
    after = grown(before, small(streams=STREAMS))
    x, context = latent(), words(before.config)
    assert torch.equal(after(x, T, context, given()), before(x, T, context))
    every = ConditionStreams((*conditions().streams, lowres()), GEOMETRY)
    assert torch.equal(after(x, T, context, every), before(x, T, context, conditions()))


def test_it_is_learned_from_there():
    model = FullDiT(small(streams=STREAMS))
    initialize(model)
    torch.nn.init.normal_(model.head.head.weight, std=0.3)
    model(latent(), T, words(model.config), given()).square().mean().backward()
    assert model.tokenizers["lowres"].patch_embedding.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("with_others", [False, True])
def test_training_and_sampling_make_the_same_of_it(with_others):
    """In training the condition tokens go through the blocks beside the video's; else by the K/V cache."""
    model = randomized(small(streams=STREAMS))
    streams = (*(conditions().streams if with_others else ()), lowres())
    every, x, context = ConditionStreams(streams, GEOMETRY), latent(), words(model.config)
    with torch.no_grad():
        sampled = model(x, T, context, every)
        cache = model.prefill(every)
        assert torch.equal(model(x, T, context, kv_cache=cache), sampled)
        assert cache.added.shape == (1, 18, model.config.dim) and cache.nbytes >= cache.added.nbytes
        assert torch.equal(model(x, T, context, kv_cache=cache.in_main_memory()), sampled)
    assert apart(model.train()(x, T, context, every), sampled) < 1e-5
    batch = model.eval()(latent(batch=2), T.expand(2), words(model.config, 2), kv_cache=cache.expand(2))
    assert apart(batch[:1], model(latent(batch=2)[:1], T, words(model.config, 2)[:1], every)) < 1e-5


@torch.no_grad()
def test_its_strength_scales_it_and_it_takes_no_token():
    model = randomized(small(streams=STREAMS))
    whole, half = (embed_added(model.tokenizers, model.config, given(strength=s), torch.float32) for s in (1.0, 0.5))
    assert torch.equal(half * 2, whole)
    assert embed_added(model.tokenizers, model.config, conditions(), torch.float32) is None
    assert lowres().tokens == 0 and given().tokens(model.config.geometry) == {"video": 18, "lowres": 0}


@torch.no_grad()
def test_a_window_has_its_part_of_it():
    model = randomized(small(streams=STREAMS))
    x, context = latent(9, seed=3), words(model.config)
    whole = ConditionStreams((lowres(9),), (9, *GEOMETRY[1:]))
    windowed = WindowedModel(model, Windows(3, 0))
    found = windowed(x, T, context, whole)
    parts = [
        model(
            x[:, :, at : at + 3].contiguous(),
            T,
            context,
            ConditionStreams((replace(lowres(9), data=lowres(9).data[:, :, at : at + 3]),), GEOMETRY),
        )
        for at in (0, 3, 6)
    ]
    assert apart(found, torch.cat(parts, 2)) < 1e-5
    one = WindowedModel(model, Windows(9, 4))
    assert torch.equal(one(x, T, context, whole), model(x, T, context, whole))


@torch.no_grad()
def test_a_latent_of_another_size_and_a_checkpoint_without_it_are_refused():
    model = randomized(small(streams=STREAMS))
    other = ConditionStreams((lowres(2),), GEOMETRY)
    with pytest.raises(UserError, match=r"stream 'lowres' is \(2, 4, 6\).*video's, \(3, 4, 6\): give one of the same"):
        model(latent(), T, words(model.config), other)
    with pytest.raises(UserError, match="does not take the condition 'lowres'"):
        randomized(small())(latent(), T, words(model.config), given())


def test_it_is_cut_as_the_video_is():
    config = small(streams=STREAMS, patch_size=(1, 1, 2))
    assert config.patch_of("lowres") == (1, 1, 2)
    with pytest.raises(UserError, match="patches of 'lowres', but that is added"):
        small(streams=STREAMS, patches=(("lowres", (1, 4, 4)),))
    with pytest.raises(ValueError, match="a tokenizer of its own"):
        StreamType("other", "vector", placed="added")


@torch.no_grad()
def test_its_tokenizer_begins_at_zero_alone():
    model = randomized(small(streams=STREAMS))
    initialize_tokenizers(model, ["lowres", "depth"])
    assert not any(p.any() for p in model.tokenizers["lowres"].parameters())
    assert model.tokenizers["depth"].patch_embedding.weight.any()
