"""One guider for every family: passes through core, and their sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import comfy.samplers
import torch

from ...models.sampling.guidance import Guidance, GuidedPrediction
from .plan import Plan

# Core's text guidance is these two in a CFGGuider, for which patches of models are written.
POSITIVE, NEGATIVE = "positive", "negative"


@dataclass(frozen=True)
class Network:
    """What a step is run with: core's model, its prepared conds by core's names, the guidance, and model options."""

    inner: Any
    conds: Mapping[str, Any]
    guidance: Guidance
    options: dict[str, Any]


class PlanGuider(comfy.samplers.CFGGuider):
    """Runs the passes of a plan in one batched call of core and adds them up as its guidance says.

    A guidance of one plain term is core's own classifier-free guidance, so cfg functions and pre- and post-cfg patches
    act. With more terms those of them that see the result act on the text term, as in core's `Guider_DualCFG`.
    """

    def set_plan(self, plan: Plan) -> None:
        """Take the passes and the guidance of a plan."""
        self.plan = plan
        used = {name: plan.passes[name] for name in _all_passes(plan.guidance)}
        self.inner_set_conds({_core_name(name, plan): conditioning for name, conditioning in used.items()})
        self._names = {name: _core_name(name, plan) for name in used}
        if _plain_pair(plan.guidance) is not None:
            self.set_cfg(plan.guidance.terms[0].scale)
        self.passes_run = 0  # network passes so far, for tests and reports

    def outer_sample(self, *args: Any, **kwargs: Any) -> Any:
        """Core's, with the momentum of guidance forgotten at the start of a run."""
        self._predict = GuidedPrediction()
        return super().outer_sample(*args, **kwargs)

    def predict_noise(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> torch.Tensor:
        """Return the guided prediction of the clean latent."""
        network = self.network_at(timestep, model_options or {})
        guidance, options = network.guidance, network.options
        if _plain_pair(guidance) is not None:
            scale = guidance.terms[0].scale
            plain = math.isclose(scale, 1.0) and not options.get("disable_cfg1_optimization", False)
            self.passes_run += 1 if plain else 2
            predicted: torch.Tensor = comfy.samplers.sampling_function(
                network.inner,
                x,
                timestep,
                network.conds[NEGATIVE],
                network.conds[POSITIVE],
                scale,
                model_options=options,
                seed=seed,
            )
            return predicted
        names = guidance.passes
        self.passes_run += len(names)
        conds = [network.conds[self._names[name]] for name in names]
        outputs = comfy.samplers.calc_cond_batch(network.inner, conds, x, timestep, options)
        predictions = dict(zip(names, outputs, strict=True))
        return self._predict(guidance, predictions) + self._patched(network, predictions, x, timestep)

    def network_at(self, timestep: torch.Tensor, options: dict[str, Any]) -> Network:
        """Return what a step at this sigma is run with."""
        return Network(self.inner_model, self.conds, self.plan.guidance, options)

    def _patched(
        self, network: Network, predictions: Mapping[str, torch.Tensor], x: torch.Tensor, timestep: torch.Tensor
    ) -> torch.Tensor | float:
        """What the cfg function and the post-cfg patches of a model change in the text term; 0 without any."""
        term = network.guidance.text
        if not has_patches(network.options) or term is None or term.projection is not None:
            return 0.0
        if term.plus not in predictions or term.minus not in predictions:
            return 0.0
        plus, minus = predictions[term.plus], predictions[term.minus]
        patched: torch.Tensor = comfy.samplers.cfg_function(
            network.inner,
            plus,
            minus,
            term.scale,
            x,
            timestep,
            model_options=network.options,
            cond=network.conds[self._names[term.plus]],
            uncond=network.conds[self._names[term.minus]],
        )
        return patched - (minus + term.scale * (plus - minus))


def has_patches(options: Mapping[str, Any]) -> bool:
    """Return whether a model's options change classifier-free guidance."""
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
