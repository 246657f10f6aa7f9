"""With a step-distilled LoRA on the model one pass per step is run, in the steps and the shift of the distillation."""

from __future__ import annotations

import pytest
import torch

from .driver_cases import conditions, identity, module
from .tiny_models import FakeCLIP, FakeVAE, load, write_wan

pytestmark = pytest.mark.comfyui


@pytest.fixture(scope="module")
def model(host, tmp_path_factory):
    torch.set_num_threads(1)
    return load(write_wan(tmp_path_factory.mktemp("distilled") / "a.safetensors"), "bernini-r")


def run(model, distilled, monkeypatch, **options):
    """(passes of the network by batch entries, the report) of a run with a source and an identity."""
    seen = []
    network = model.model.diffusion_model
    real = network.forward
    monkeypatch.setattr(network, "forward", lambda x, *a, **k: seen.append(x.shape[0]) or real(x, *a, **k))
    drivers = module("nodes.drivers.run")
    held = conditions([identity(1)], source=2)
    options = drivers.SamplingOptions(1, preview=False, distilled=distilled, **options)
    with torch.inference_mode():
        _, report = drivers.sample(model, FakeCLIP(), FakeVAE(), held, "a cat", "", options)
    return sum(seen), report


@pytest.mark.parametrize("name", ["lightx2v-4", "lightx2v-a14b", "causvid"])
def test_one_pass_per_step(model, monkeypatch, name):
    preset = module("models.families.distilled").DISTILLED[name]
    passes, report = run(model, name, monkeypatch)
    assert passes == preset.steps == 4
    assert f"4 steps, {preset.sampler}/simple, shift {preset.shift:g}" in report and "1 pass per step" in report


def test_what_the_user_sets_counts(model, monkeypatch):
    """Six steps with the text's own scale: two passes each, the other scales stay 1."""
    passes, report = run(model, "lightx2v-4", monkeypatch, steps=6, cfg=3.0)
    assert passes == 12 and "text 3" in report and "identity 1" in report


def test_an_unknown_one_is_named(model, monkeypatch):
    with pytest.raises(module("control.errors").UserError, match="choose one of lightx2v-4"):
        run(model, "fast", monkeypatch)
