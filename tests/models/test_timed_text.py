"""A story in the network: each latent frame reads its own text."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.story import parse_story
from comfyui_fulldit.models.backbone.attention import merge_heads, split_heads
from comfyui_fulldit.models.conditioning.timed_text import TimedText, story_weights
from comfyui_fulldit.models.geometry import WAN_2_1

from .nets import apart, conditions, latent, randomized, small, words

TIME = torch.tensor([400.0])
TOKENS = 2 * 3  # of a latent frame


def texts(config, count: int) -> torch.Tensor:
    return torch.stack([words(config, seed=20 + i) for i in range(count)])


def weights(*columns) -> torch.Tensor:
    return torch.tensor(columns, dtype=torch.float32).T


def masked_attention(weights, lengths, extra):
    """An independent implementation: all texts behind each other, one softmax per text by a dense mask, weighted."""

    def attention(q, k, v, heads, transformer_options=None, kind="self"):
        q, k, v = (split_heads(x, heads) for x in (q, k, v))
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if kind != "text":
            return merge_heads(scores.softmax(-1) @ v)
        tokens = torch.cat([weights.repeat_interleave(TOKENS, 1), weights.mean(1, keepdim=True).repeat(1, extra)], 1)
        bounds = torch.tensor([0, *lengths]).cumsum(0).tolist()
        total = torch.zeros_like(q)
        for share, (first, last) in zip(tokens, pairwise(bounds), strict=True):
            mask = torch.full_like(scores, float("-inf"))
            mask[..., first:last] = 0
            total = total + share[:, None] * ((scores + mask).softmax(-1) @ v)
        return merge_heads(total)

    return attention


@pytest.mark.parametrize("mode", ["decoupled", "full"])
@pytest.mark.parametrize("given", [False, True])
def test_one_span_is_the_plain_prompt_to_the_bit(mode, given):
    config = small(attention=mode)
    model, streams = randomized(config), conditions() if given else None
    story = TimedText(texts(config, 1), torch.ones(1, 3))
    with torch.no_grad():
        assert torch.equal(model(latent(), TIME, story, streams), model(latent(), TIME, story.states[0], streams))


@pytest.mark.parametrize("mode", ["decoupled", "full"])
def test_texts_that_are_the_same_are_the_plain_prompt(mode):
    config = small(attention=mode)
    model, text = randomized(config), words(small())
    story = TimedText(torch.stack([text] * 3), weights((1, 0, 0), (0.3, 0.7, 0), (0, 0.25, 0.75)))
    with torch.no_grad():
        plain = model(latent(), TIME, text, conditions())
        assert apart(model(latent(), TIME, story, conditions()), plain) < 1e-5


@pytest.mark.parametrize("mode", ["decoupled", "full"])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_story_is_what_a_dense_mask_gives(mode, batch):
    config = small(attention=mode)
    model, states = randomized(config), texts(config, 3)
    share = weights((1, 0, 0), (0.25, 0.75, 0), (0, 0, 1))
    streams = conditions()
    extra = sum(stream.tokens for stream in streams.streams) if mode == "full" else 0
    with torch.no_grad():
        ours = model(latent(batch=batch), TIME.repeat(batch), TimedText(states, share), streams)
        model.attention = masked_attention(share, [7] * 3, extra)
        joined = torch.cat(list(states), 1).expand(batch, -1, -1)
        other = model(latent(batch=batch), TIME.repeat(batch), joined, streams)
    assert apart(ours, other) < 1e-5


def test_only_the_frames_of_a_text_read_it_directly():
    """Without self-attention between frames another text changes the frames of its time alone."""
    config = small(num_layers=1)
    model = randomized(config)
    model.blocks[0].self_attn.o.weight.data.zero_()
    states = texts(config, 2)
    other = torch.stack([states[0], words(config, seed=99)])
    share = weights((1, 0), (1, 0), (0, 1))
    with torch.no_grad():
        change = model(latent(), TIME, TimedText(states, share)) - model(latent(), TIME, TimedText(other, share))
    moved = change.abs().amax((0, 1, 3, 4))
    assert moved[0] == moved[1] == 0 and moved[2] > 1e-3


def test_a_window_holds_the_texts_of_its_frames():
    config = small()
    story = TimedText(texts(config, 3), weights((1, 0, 0), (0.5, 0.5, 0), (0, 1, 0), (0, 0, 1)))
    part = story.window([1, 2])
    assert torch.equal(part.states, story.states[:2]) and torch.equal(part.weights, weights((0.5, 0.5), (0, 1)))


def test_a_story_of_another_length_or_for_a_checkpoint_with_joint_text_is_refused():
    config = small()
    story = TimedText(texts(config, 2), weights((1, 0), (0, 1)))
    with pytest.raises(UserError, match="2 latent frames, but this latent has 3"):
        randomized(config)(latent(), TIME, story)
    joint = small(joint_text=True)
    with pytest.raises(UserError, match="one text for the whole clip"):
        randomized(joint)(latent(frames=2), TIME, story)
    with pytest.raises(UserError, match="expected"):
        TimedText(texts(config, 2), weights((1,), (1,)))


def test_weights_are_those_of_the_middles_of_latent_frames():
    story = parse_story("0-1s: a | 1-end: b").fitted(VideoSize(17, 64, 96, 8.0))[0]
    # Latent frames hold the frames 0, 1-4, 5-8, 9-12, 13-16: the second text begins with frame 8.
    assert torch.equal(story_weights(story, WAN_2_1, 17, 8.0), weights((1, 0), (1, 0), (1, 0), (0, 1), (0, 1)))
    faded = parse_story("fade 1s | 0-1s: a | 1-end: b").fitted(VideoSize(17, 64, 96, 8.0))[0]
    expected = [0, 0, (6.5 - 4) / 8, (10.5 - 4) / 8, 1]
    assert story_weights(faded, WAN_2_1, 17, 8.0)[1].tolist() == pytest.approx(expected)
