"""What a training of conditions starts from: Bernini-R's reference tokens are our identity stream at once."""

from __future__ import annotations

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.positions import make_rope, stream_positions
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.weights.start_points import load_start, start_config

from .nets import GEOMETRY, apart, latent, small, words
from .test_condition_file import plain


def references(*slots):
    generator = torch.Generator().manual_seed(7)
    return ConditionStreams(
        tuple(Stream("reference", torch.randn(1, 16, 1, 4, 6, generator=generator), slot=slot) for slot in slots),
        GEOMETRY,
    )


@pytest.fixture
def started():
    config = start_config("bernini-r", small())
    model = FullDiT(config)
    load_start("bernini-r", model, plain(config))
    return model.eval()


def test_the_config_of_bernini_reads_references_as_bernini_does():
    config = start_config("bernini-r", small())
    assert (config.attention, config.reference_positions) == ("full", "source")
    assert start_config("wan", small()) == small()
    assert FullDiTConfig.from_json(config.to_json()) == config


def test_a_source_turns_every_pair_by_its_number():
    """All pairs of a head, whatever axis they belong to: by source * 10000^(-2j / D) beside the angle of the place."""
    stream = references(1).streams[0]
    places = stream_positions(stream, GEOMETRY, (1, 2, 2), sources=True)
    assert (
        places[:, 0].abs().max() == 0 and (places[:, 3] == 2).all() and places[:, 1:3].max(0).values.tolist() == [1, 2]
    )
    turned, still = (
        torch.complex(c[..., ::2], s[..., 1::2]) for c, s in (make_rope(p, 24) for p in (places, places[:, :3]))
    )
    extra = (turned / still).angle()[:, 0]
    expected = 2 * 10000.0 ** (-torch.arange(12) / 12)
    assert torch.allclose(extra, expected.expand_as(extra), atol=1e-5)


@torch.no_grad()
def test_references_matter_before_any_training_and_slots_are_told_apart(started):
    x, t, text = latent(), torch.tensor([400.0]), words(started.config)
    none, first, second = (started(x, t, text, given) for given in (None, references(0), references(1)))
    assert apart(first, none) > 0.01 and apart(second, first) > 0.005


@torch.no_grad()
def test_plain_wan_starts_with_the_same_weights_and_slots_of_their_own():
    model = FullDiT(small())
    load_start("wan", model, plain(small()))
    assert model.tokenizers["reference"].slot_vectors.abs().max() > 0
    patch = model.patch_embedding.weight
    assert torch.equal(model.tokenizers["reference"].patch_embedding.weight, patch)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match="The start point is 'vace': expected one of wan, bernini-r"):
        start_config("vace", small())
    with pytest.raises(UserError, match=r"the config's streams are camera\."):
        start_config("bernini-r", small(streams=("camera",)))
    with pytest.raises(UserError, match="in patches of"):
        start_config("bernini-r", small(patches=(("reference", (1, 4, 4)),)))
    with pytest.raises(UserError, match="make it by start_config"):
        load_start("bernini-r", FullDiT(small()), plain(small()))
    with pytest.raises(UserError, match="reference_positions 'after': choose 'before' or 'source'"):
        small(reference_positions="after")
