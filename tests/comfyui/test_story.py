"""Stories and long clips inside ComfyUI: texts by time through core's samplers and its context windows."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from .test_bridge import files, loaded, make_conditions, module, sample  # noqa: F401  # fixtures

pytestmark = pytest.mark.comfyui
TWO = "0-1s: a red ball | 1s-end: a blue cube"


def tell(loaded, monkeypatch, text):  # noqa: F811
    """The latent of the sampler with another prompt than that of the helper."""
    run = module("nodes.drivers.run")
    real = run.encode_prompt
    monkeypatch.setattr(
        run,
        "encode_prompt",
        lambda clip, given, *rest: real(clip, text if given == "a red ball" else given, *rest),
    )
    out = sample(loaded)
    monkeypatch.setattr(run, "encode_prompt", real)
    return out


def test_a_story_of_one_span_is_the_prompt_and_one_of_two_is_not(loaded, monkeypatch):  # noqa: F811
    plain = sample(loaded)
    assert torch.equal(tell(loaded, monkeypatch, "0-end: a red ball"), plain)
    assert (tell(loaded, monkeypatch, TWO) - plain).abs().max() > 1e-3


def test_the_host_walks_as_the_pack_does_outside(loaded, files, monkeypatch):  # noqa: F811
    host_walk = tell(loaded, monkeypatch, TWO)
    network, text, config = module("models.weights.checkpoint").load_model(files[0])
    conditions = loaded.conditions
    story = module("control.story").parse_story(TWO).fitted(conditions.video)[0]
    timed = module("models.conditioning.timed_text")
    weights = timed.story_weights(story, config.geometry, conditions.video.frames, conditions.fps)
    streams = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, conditions)
    noise = torch.randn(1, 16, 5, 4, 6, generator=torch.manual_seed(3))
    with torch.inference_mode():
        words = text.encode(["a red ball", "a blue cube", ""])
        latent = module("models.sampling.sampler").sample(
            network,
            noise,
            timed.TimedText(words[:-1, None], weights),
            words[-1:],
            streams,
            steps=5,
            guidance=2.5,
            shift=config.shift,
        )
    own_walk = module("models.vae.latent").denormalize_latent(latent)
    assert (host_walk - own_walk).abs().max() < 1e-3 * own_walk.abs().max()


def test_the_node_gives_a_stock_sampler_the_same_story(loaded, monkeypatch):  # noqa: F811
    import nodes as stock

    node = module("nodes.story").FullDiTStory.execute(loaded.clip, loaded.conditions, TWO)
    assert node.ui["text"] == ["0-1 s: a red ball\n1-2.12 s: a blue cube"]
    negative = loaded.clip.encode_from_tokens_scheduled(loaded.clip.tokenize(""))
    applied = module("nodes.drivers.run").apply(loaded.model, loaded.vae, node.args[0], negative, loaded.conditions)
    with torch.inference_mode():
        (latent,) = stock.KSampler().sample(
            applied.model, 3, 5, 2.5, "euler", "simple", applied.positive, applied.negative, applied.latent
        )
    assert torch.allclose(latent["samples"], tell(loaded, monkeypatch, TWO), atol=1e-4)


def test_a_story_of_another_length_or_joined_with_another_text_is_refused(loaded):  # noqa: F811
    user_error = "(?i)"
    story = module("nodes.story").FullDiTStory.execute(loaded.clip, make_conditions(frames=9), "0-end: x").args[0]
    times = story[0][1][module("nodes.bridge.story").KEY]
    geometry = module("models.geometry").WAN_2_1
    with pytest.raises(ValueError, match=user_error + "9 frames, but the latent to sample is one of 17"):
        times.weights(story[0][0], 5, geometry)
    with pytest.raises(ValueError, match="joined with another text"):
        times.weights(torch.cat([story[0][0]] * 2, 1), 3, geometry)


def test_public_models_refuse_a_story(loaded):  # noqa: F811
    prompts = module("nodes.drivers.prompts")
    wan = dataclasses.replace(module("nodes.drivers.registry").facts_of(loaded.model), config=None)
    with pytest.raises(ValueError, match="one text for the whole clip"):
        prompts.encode_prompt(loaded.clip, TWO, loaded.conditions, wan)
    story = module("nodes.story").FullDiTStory.execute(loaded.clip, loaded.conditions, TWO).args[0]
    with pytest.raises(ValueError, match="one text for the whole clip"):
        prompts.check_stories([story], wan)
    assert prompts.encode_prompt(loaded.clip, "a red ball", loaded.conditions, wan)[0][0].shape[1] == 40


@pytest.mark.parametrize("anchor", [False, True])
def test_context_windows_of_a_long_clip_slice_conditions_and_story(loaded, monkeypatch, anchor):  # noqa: F811
    """257 frames in windows of 17: each window has its conditions, and no text but those of its time."""
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode as Windows

    seen = []
    network = type(loaded.model.model.diffusion_model)
    real = module("models.backbone.transformer").FullDiT.forward

    def watch(self, x, timestep, context, *args, kv_cache=None, **kwargs):
        seen.append((x.shape[2], context, kv_cache))
        return real(self, x, timestep, context, *args, kv_cache=kv_cache, **kwargs)

    monkeypatch.setattr(module("models.backbone.transformer").FullDiT, "forward", watch)
    windowed = Windows.execute(
        loaded.model, 5, 2, "standard_static", 1, False, "pyramid", 2, False, causal_window_fix=anchor
    ).args[0]
    conditions = make_conditions(frames=257)
    story = "0-16s: a red ball | 16s-end: a blue cube"
    node = module("nodes.story").FullDiTStory.execute(loaded.clip, conditions, story).args[0]
    negative = loaded.clip.encode_from_tokens_scheduled(loaded.clip.tokenize(""))
    import nodes as stock

    applied = module("nodes.drivers.run").apply(windowed, loaded.vae, node, negative, conditions)
    with torch.inference_mode():
        (latent,) = stock.KSampler().sample(
            applied.model, 3, 1, 2.5, "euler", "simple", applied.positive, applied.negative, applied.latent
        )
    assert latent["samples"].shape[2] == 65 and torch.isfinite(latent["samples"]).all()
    told = [(frames, context, cache) for frames, context, cache in seen if not isinstance(context, torch.Tensor)]
    assert len(told) == 21 and issubclass(network, module("models.backbone.transformer").FullDiT)
    assert {frames for frames, _, _ in told} == ({5, 6} if anchor else {5})
    assert all(context.frames == frames and cache is not None for frames, context, cache in told)
    first = [bool((context.weights[0] == 1).all()) for _, context, _ in told]
    last = [bool((context.weights[1] == 1).all()) for _, context, _ in told]
    assert first[0] and last[-1] and 0 < sum(first) < 21 and sum(first) + sum(last) >= 19
