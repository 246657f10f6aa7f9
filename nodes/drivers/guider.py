"""One guider for every family: passes through core, and their sum."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import comfy.samplers
import torch

from ...models.sampling.guidance import Guidance, GuidedPrediction
from .plan import Plan

# Core's text guidance is these two in a CFGGuider, for which patches of models are written.
POSITIVE, NEGATIVE = "positive", "negative"


class PlanGuider(comfy.samplers.CFGGuider):
    """Runs the passes of a plan in one batched call of core and adds them up as its guidance says.

    A guidance of one plain term is core's own classifier-free guidance, so cfg functions and pre- and post-cfg patches
    act. With more terms those of them that see the result act on the text term, as in core's `Guider_DualCFG`.
    """

    def set_plan(self, plan: Plan) -> None:
        """Take the passes and the guidance of a plan."""
        self.guidance = plan.guidance
        used = {name: plan.passes[name] for name in _all_passes(plan.guidance)}
        self.inner_set_conds({_core_name(name, plan): conditioning for name, conditioning in used.items()})
        self._names = {name: _core_name(name, plan) for name in used}
        self._pair = _plain_pair(plan.guidance)
        if self._pair is not None:
            self.set_cfg(plan.guidance.terms[0].scale)
        self.passes_run = 0  # network passes so far, for tests and reports

    def outer_sample(self, *args: Any, **kwargs: Any) -> Any:
        """Core's, with the momentum of guidance forgotten at the start of a run."""
        self._predict = GuidedPrediction(self.guidance)
        return super().outer_sample(*args, **kwargs)

    def predict_noise(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> torch.Tensor:
        """Return the guided prediction of the clean latent."""
        options = model_options or {}
        if self._pair is not None:
            plain = math.isclose(self.cfg, 1.0) and not options.get("disable_cfg1_optimization", False)
            self.passes_run += 1 if plain else 2
            predicted: torch.Tensor = super().predict_noise(x, timestep, options, seed)
            return predicted
        names = self.guidance.passes
        self.passes_run += len(names)
        conds = [self.conds[self._names[name]] for name in names]
        outputs = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, options)
        predictions = dict(zip(names, outputs, strict=True))
        return self._predict(predictions) + self._patched(predictions, x, timestep, options)

    def _patched(
        self, predictions: Mapping[str, torch.Tensor], x: torch.Tensor, timestep: torch.Tensor, options: dict[str, Any]
    ) -> torch.Tensor | float:
        """What the cfg function and the post-cfg patches of a model change in the text term; 0 without any."""
        term = self.guidance.text
        if not _has_patches(options) or term is None or term.projection is not None:
            return 0.0
        if term.plus not in predictions or term.minus not in predictions:
            return 0.0
        plus, minus = predictions[term.plus], predictions[term.minus]
        patched: torch.Tensor = comfy.samplers.cfg_function(
            self.inner_model,
            plus,
            minus,
            term.scale,
            x,
            timestep,
            model_options=options,
            cond=self.conds[self._names[term.plus]],
            uncond=self.conds[self._names[term.minus]],
        )
        return patched - (minus + term.scale * (plus - minus))


def make_guider(plan: Plan) -> PlanGuider:
    """Return the guider of a plan."""
    guider = PlanGuider(plan.model)
    guider.set_plan(plan)
    text = plan.guidance.text
    if _has_patches(plan.model.model_options) and text is not None and text.projection is not None:
        logging.warning(
            "FullDiT: patches of the guidance on this MODEL do not act, since this family projects its own."
        )
    return guider


def _has_patches(options: Mapping[str, Any]) -> bool:
    """Whether a model's options change classifier-free guidance."""
    return "sampler_cfg_function" in options or bool(options.get("sampler_post_cfg_function"))


def _all_passes(guidance: Guidance) -> tuple[str, ...]:
    """The passes to prepare: those that are run; for a plain pair both, since a patch may ask for the second."""
    pair = _plain_pair(guidance)
    return pair if pair is not None else guidance.passes


def _plain_pair(guidance: Guidance) -> tuple[str, str] | None:
    """The (positive, negative) passes where the guidance is classifier-free guidance and no more; else None."""
    if len(guidance.terms) != 1:
        return None
    term = guidance.terms[0]
    return (term.plus, term.minus) if term.projection is None and term.minus == guidance.base else None


def _core_name(name: str, plan: Plan) -> str:
    """The name by which core knows a pass: it treats 'positive' and 'negative' in ways of their own."""
    pair = _plain_pair(plan.guidance) or plan.stock
    return {pair[0]: POSITIVE, pair[1]: NEGATIVE}.get(name, name)
