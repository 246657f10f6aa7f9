"""The fingerprint that survives number formats: one model in every format agrees, a model trained further does not."""

from __future__ import annotations

import pytest
import torch

from comfyui_fulldit.models.vae import VAE
from comfyui_fulldit.models.weights.weight_sample import WeightSample, sample_vae, sample_wan

from .nets import randomized, small
from .test_open_weights import new_fp8, old_fp8


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return {n: v for n, v in randomized(small(num_layers=4)).state_dict().items() if not n.startswith("tokenizers.")}


FORMATS = {
    "fp32": dict,
    "bf16": lambda w: {n: v.bfloat16() for n, v in w.items()},
    "fp16": lambda w: {n: v.half() for n, v in w.items()},
    "cast to fp8": lambda w: {n: v.to(torch.float8_e4m3fn) if v.ndim == 2 else v.bfloat16() for n, v in w.items()},
    "fp8 scaled": old_fp8,
    "fp8 scaled, new": lambda w: new_fp8(w)[0],
    "bf16, then fp16": lambda w: {n: v.bfloat16().half() for n, v in w.items()},
}


@pytest.mark.parametrize("one", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_formats_of_one_model_agree(weights, one, other):
    assert sample_wan(FORMATS[one](weights)).agrees_with(sample_wan(FORMATS[other](weights)))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", ["", "self_attn", ".q."])
def test_a_model_that_was_trained_further_does_not(weights, kind, part):
    """Also one of which a part was trained, and all that differs is 3 % of a weight's usual size."""
    generator = torch.Generator().manual_seed(4)
    tuned = {
        n: v + (0.03 * v.std() if v.numel() > 1 else 0) * torch.randn(v.shape, generator=generator) if part in n else v
        for n, v in weights.items()
    }
    assert not sample_wan(weights).agrees_with(sample_wan(FORMATS["fp16"](tuned)))
    if "fp8" not in kind:
        assert not sample_wan(FORMATS[kind](weights)).agrees_with(sample_wan(tuned))


def test_another_model_or_size_does_not_agree_even_in_fp8(weights):
    other = randomized(small(num_layers=4), seed=9).state_dict()
    other = {n: v for n, v in other.items() if not n.startswith("tokenizers.")}
    assert not sample_wan(weights).agrees_with(sample_wan(old_fp8(other)))
    assert not sample_wan(weights).agrees_with(sample_wan({}))
    assert not sample_wan(weights).agrees_with(sample_wan({n: v for n, v in weights.items() if "ffn" not in n}))


def test_layers_in_other_formats_do_not_count(weights):
    """Files in int8 are compared by what is left of plain numbers in them."""
    int8 = {n: v.to(torch.int8) if v.ndim == 2 and "blocks." in n else v for n, v in weights.items()}
    assert sample_wan(weights).agrees_with(sample_wan(int8))
    int8["blocks.0.modulation"] = int8["blocks.0.modulation"] * 2
    int8["blocks.3.modulation"] = int8["blocks.3.modulation"] * 2
    assert not sample_wan(weights).agrees_with(sample_wan(int8))


def test_a_sample_is_small_and_comes_back_from_a_tensor(weights):
    sample = sample_wan(weights)
    assert 500 < len(sample.values) < 1000
    assert WeightSample.from_tensor(sample.to_tensor()).agrees_with(sample)


def test_vaes_are_told_by_what_makes_latents():
    torch.manual_seed(0)
    vae, other = VAE(dim=8).state_dict(), VAE(dim=8).state_dict()
    half = {n: v.bfloat16() for n, v in vae.items()}
    half |= {n: v * 2 for n, v in half.items() if n.startswith("decoder.")}
    assert sample_vae(vae).agrees_with(sample_vae(half))
    assert not sample_vae(vae).agrees_with(sample_vae(other))
