"""Guidance over passes, against the formulas of the papers written out again, one at a time."""

from __future__ import annotations

import pytest
import torch

from comfyui_fulldit.models.sampling.guidance import Guidance, GuidedPrediction, Projection, Term, project

SHAPE = (2, 16, 3, 4, 5)


def predictions(*names: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(SHAPE, generator=generator, dtype=torch.float64) for name in names}


def test_one_term_is_classifier_free_guidance():
    p = predictions("n", "p")
    result = GuidedPrediction()(Guidance("n", (Term(6.0, "p", "n"),)), p)
    torch.testing.assert_close(result, p["n"] + 6.0 * (p["p"] - p["n"]), rtol=0, atol=1e-12)


def test_phantom_is_two_chained_terms():
    p = predictions("u", "i", "p")
    guidance = Guidance("u", (Term(5.0, "i", "u"), Term(7.5, "p", "i")))
    expected = p["u"] + 5.0 * (p["i"] - p["u"]) + 7.5 * (p["p"] - p["i"])
    torch.testing.assert_close(GuidedPrediction()(guidance, p), expected, rtol=0, atol=1e-12)


def test_bernini_edits_with_references_by_three_chained_terms():
    p = predictions("n0", "nV", "nVI", "pVI")
    guidance = Guidance("n0", (Term(1.25, "nV", "n0"), Term(4.5, "nVI", "nV"), Term(4.0, "pVI", "nVI")))
    expected = p["n0"] + 1.25 * (p["nV"] - p["n0"]) + 4.5 * (p["nVI"] - p["nV"]) + 4.0 * (p["pVI"] - p["nVI"])
    torch.testing.assert_close(GuidedPrediction()(guidance, p), expected, rtol=0, atol=1e-12)


def test_a_pass_of_weight_0_is_not_run():
    # A distilled model: all scales 1, so that the differences cancel but for the last pass.
    guidance = Guidance("n0", (Term(1.0, "nV", "n0"), Term(1.0, "nVI", "nV"), Term(1.0, "pVI", "nVI")))
    assert guidance.passes == ("pVI",)
    p = predictions("pVI")
    torch.testing.assert_close(GuidedPrediction()(guidance, p), p["pVI"])
    assert Guidance("n", (Term(0.0, "p", "n"),)).passes == ("n",)
    assert Guidance("n", (Term(0.0, "p", "n", Projection()),)).passes == ("n",)
    # 0.1 + 0.2 - 0.3 is not 0 in floating point, and is not a pass either.
    assert Guidance("a", (Term(0.1, "b", "a"), Term(0.2, "b", "a"), Term(0.3, "a", "b"))).passes == ("a",)


def test_weights_sum_to_one():
    guidance = Guidance("a", (Term(3.3, "b", "a"), Term(-0.7, "c", "b"), Term(2.0, "a", "c")))
    assert sum(guidance.weights.values()) == pytest.approx(1)


def apg_by_hand(delta: torch.Tensor, base: torch.Tensor, norm: float, parallel: float) -> torch.Tensor:
    """Frame by frame and sample by sample, with vectors."""
    result = torch.empty_like(delta)
    for b in range(delta.shape[0]):
        for t in range(delta.shape[2]):
            d, v = delta[b, :, t].flatten(), base[b, :, t].flatten()
            d = d * min(1.0, norm / float(torch.linalg.vector_norm(d)))
            unit = v / torch.linalg.vector_norm(v)
            along = torch.dot(d, unit) * unit
            result[b, :, t] = (d - along + parallel * along).reshape(delta[b, :, t].shape)
    return result


@pytest.mark.parametrize("norm", [1e9, 10.0])
def test_the_projection_equals_vectors_frame_by_frame(norm):
    p = predictions("d", "v")
    found = project(p["d"], p["v"], Projection(norm, 0.5))
    torch.testing.assert_close(found, apg_by_hand(p["d"], p["v"], norm, 0.5), rtol=0, atol=1e-12)


def test_projection_keeps_what_is_across_and_halves_what_is_along():
    prediction = torch.zeros(1, 2, 1, 1, 1, dtype=torch.float64)
    prediction[0, 0] = 4.0  # along the first channel
    difference = torch.tensor([2.0, 3.0], dtype=torch.float64).reshape(1, 2, 1, 1, 1)
    found = project(difference, prediction, Projection(norm=100.0, parallel=0.5))
    torch.testing.assert_close(found.flatten(), torch.tensor([1.0, 3.0], dtype=torch.float64))


def test_projected_guidance_with_momentum_over_three_steps():
    settings = Projection(norm=12.0, parallel=0.5, momentum=-0.5)
    guidance = Guidance("n0", (Term(4.5, "nI", "n0", settings), Term(4.0, "pI", "nI", settings)))
    guided = GuidedPrediction()
    old_i = old_t = torch.zeros(SHAPE, dtype=torch.float64)
    for step in range(3):
        p = predictions("n0", "nI", "pI", seed=step)
        old_i = p["nI"] - p["n0"] - 0.5 * old_i
        old_t = p["pI"] - p["nI"] - 0.5 * old_t
        expected = p["n0"] + 4.5 * apg_by_hand(old_i, p["nI"], 12.0, 0.5) + 4.0 * apg_by_hand(old_t, p["pI"], 12.0, 0.5)
        torch.testing.assert_close(guided(guidance, p), expected, rtol=0, atol=1e-9)


def test_a_batch_is_two_runs():
    guidance = Guidance("n", (Term(4.0, "p", "n", Projection(norm=5.0)),))
    guided = GuidedPrediction()
    p = predictions("n", "p")
    whole = guided(guidance, p)
    for index in range(2):
        one = guided(guidance, {name: value[index : index + 1] for name, value in p.items()})
        torch.testing.assert_close(whole[index : index + 1], one)


def test_momentum_goes_on_where_the_scales_change():
    """At the switch of two experts every scale is multiplied; what was remembered stays."""
    settings = Projection(norm=1e9, parallel=1.0, momentum=0.5)
    first = Guidance("n", (Term(4.0, "p", "n", settings),))
    second = first.scaled(0.8)
    assert second.terms[0].scale == pytest.approx(3.2)
    guided, old = GuidedPrediction(), torch.zeros(SHAPE, dtype=torch.float64)
    for step, guidance in enumerate((first, first, second)):
        p = predictions("n", "p", seed=step)
        old = p["p"] - p["n"] + 0.5 * old
        expected = p["n"] + guidance.terms[0].scale * old
        torch.testing.assert_close(guided(guidance, p), expected, rtol=0, atol=1e-9)
