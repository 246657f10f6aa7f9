"""Few steps: the student's target is where the guided sampler of the pack itself arrives."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.latents import EncodedClips
from comfyui_fulldit.models.sampling.sampler import GuidedVelocity, sample
from comfyui_fulldit.models.weights.checkpoint import read_config
from comfyui_fulldit.training.common.entries import EntryError
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.batches import make_batch
from comfyui_fulldit.training.generator.distill import Distiller, Teacher
from comfyui_fulldit.training.generator.settings import DistillSettings, GeneratorSettings
from comfyui_fulldit.training.generator.start import networks

from .test_generator import DEBUG, place, trainer  # noqa: F401  (place is a fixture)

ALL = ("camera", "identity", "depth")


@pytest.fixture(scope="module")
def taught(place):  # noqa: F811
    """A batch under all conditions, and debug networks whose weights say something."""
    clips = EncodedClips(place / "data")
    pattern = clips.patterns(ALL)
    chosen = [int(i) for i in (pattern == pattern[0]).nonzero()[:2, 0]]
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
    torch.manual_seed(3)
    network, text, _ = networks(settings, "")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return make_batch(clips, chosen, ALL, DEBUG, [True] * len(chosen)), network, text


def test_the_teacher_walks_as_the_sampler_does(taught):
    batch, network, text = taught
    teacher = Teacher(network, text, DistillSettings(steps=2, substeps=3, guidance=2.5), 7.0, 3.0)
    noise = torch.randn(batch.video.shape, generator=torch.Generator().manual_seed(0))
    x = noise
    for step in range(2):
        x = teacher.walk(x, torch.full((len(x),), step), batch)
    context = text(batch.tokens)
    null = text(torch.zeros_like(batch.tokens) + make_null(batch))
    whole = sample(network, noise, context, null, batch.conditions, steps=6, guidance=2.5, shift=3.0)
    assert torch.allclose(x, whole, atol=1e-5)
    # Clips of one batch may stand at different steps.
    mixed = teacher.walk(noise, torch.tensor([0, 1]), batch)
    assert torch.allclose(mixed[:1], teacher.walk(noise, torch.tensor([0, 0]), batch)[:1], atol=1e-6)
    assert torch.allclose(mixed[1:], teacher.walk(noise, torch.tensor([1, 1]), batch)[1:], atol=1e-6)


def make_null(batch):
    """The tokens of no words, as the sampler is given them."""
    from comfyui_fulldit.models.conditioning.text import tokenize

    return tokenize("")[None].expand_as(batch.tokens)


def test_a_time_belongs_to_the_step_that_it_lies_in(taught):
    _, network, text = taught
    teacher = Teacher(network, text, DistillSettings(steps=4, substeps=2), 1.0, 3.0)
    assert teacher.times.tolist() == pytest.approx([1.0, 0.9, 0.75, 0.5, 0.0])
    times = torch.tensor([1.0, 0.95, 0.9, 0.76, 0.75, 0.1, 0.0])
    assert teacher.step_of(times).tolist() == [0, 0, 1, 1, 2, 3, 3]


def test_a_student_that_knows_all_has_no_loss(taught):
    """One substep without guidance is what the network itself says."""
    batch, network, text = taught
    teacher = Teacher(network, text, DistillSettings(steps=3, substeps=1, guidance=1.0), 5.0, 3.0)
    student = Distiller(network, text, teacher)
    noise = torch.randn(batch.video.shape)
    assert float(student(batch, noise, torch.tensor([0.9, 0.3])).max()) < 1e-9
    guided = Teacher(network, text, DistillSettings(steps=3, substeps=1, guidance=3.0), 5.0, 3.0)
    loss = Distiller(network, text, guided)(batch, noise, torch.tensor([0.9, 0.9]))
    start = guided.times[torch.tensor([0, 0])]
    x = (1 - start[0]) * batch.video + start[0] * noise
    velocity = GuidedVelocity(network, text(batch.tokens), text(make_null(batch)), batch.conditions, guidance=3.0)
    own = network(x, 1000 * start, text(batch.tokens), batch.conditions)
    expected = (own - velocity(x, float(start[0]))).square().mean((1, 2, 3, 4))
    assert torch.allclose(loss, expected, rtol=1e-3)


def test_a_student_is_trained_from_its_teacher(place, tmp_path):  # noqa: F811
    trainer(place, tmp_path / "first").run()
    weights = tmp_path / "first" / "weights.safetensors"
    changes = {"model": str(weights), "distill": DistillSettings(steps=2, substeps=2), "clean_first_frame_prob": 0.0}
    student = trainer(place, tmp_path / "student", **changes)
    before = {k: v.clone() for k, v in student.learner._teacher[0].state_dict().items()}
    assert not any("teacher" in name for name in student.learner.state_dict())
    assert student.run()["finished"]
    assert all(torch.equal(v, before[k]) for k, v in student.learner._teacher[0].state_dict().items())
    config = read_config(tmp_path / "student" / "weights.safetensors")
    assert (config.steps, config.guidance, config.first_frame_pass) == (2, 1.0, 0.0)
    moved = [n for n, v in student.learner.model.state_dict().items() if not torch.equal(v, before[f"model.{n}"])]
    assert moved, "nothing was learned"


def test_what_cannot_be_distilled_is_refused(place, tmp_path):  # noqa: F811
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
    with pytest.raises(EntryError, match="expected 0 with the entry distill"):
        replace(settings, distill=DistillSettings(steps=2), clean_first_frame_prob=0.3)
    with pytest.raises(UserError, match="nothing to teach"):
        trainer(place, tmp_path / "none", distill=DistillSettings(steps=2), clean_first_frame_prob=0.0)
