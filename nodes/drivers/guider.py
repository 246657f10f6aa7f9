"""One guider for every family: passes through core, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    act. With more terms they act on the text term, as in core's `Guider_DualCFG`. `cfg` is the scale of the text, which
    core's CFG Override changes for a part of sampling.
    """

    def set_plan(self, plan: Plan) -> None:
        """Take the passes and the guidance of a plan."""
        self.plan = plan
        names = _prepared(plan.guidance)
        self.inner_set_conds({_core_name(name, plan): plan.passes[name] for name in names})
        self._names = {name: _core_name(name, plan) for name in names}
        self._own_cfg = (plan.guidance.text or plan.guidance.terms[0]).scale
        self.set_cfg(self._own_cfg)

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
        if self.cfg != self._own_cfg:
            network = replace(network, guidance=network.guidance.with_text(self.cfg))
        guidance, options = network.guidance, network.options
        if _plain_pair(guidance) is not None:
            predicted: torch.Tensor = comfy.samplers.sampling_function(
                network.inner,
                x,
                timestep,
                network.conds[NEGATIVE],
                network.conds[POSITIVE],
                guidance.terms[0].scale,
                model_options=options,
                seed=seed,
            )
            return predicted
        names = _in_order(guidance, bool(options.get("disable_cfg1_optimization")))
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
        """What the cfg function and the pre- and post-cfg patches of a model change in the text term; 0 without any."""
        term, options = network.guidance.text, network.options
        if not _has_patches(options) or term is None or term.projection is not None:
            return 0.0
        if term.plus not in predictions or term.minus not in predictions:
            return 0.0
        outputs = [predictions[term.plus], predictions[term.minus]]
        conds = [network.conds[self._names[name]] for name in (term.plus, term.minus)]
        plain = outputs[1] + term.scale * (outputs[0] - outputs[1])
        for patch in options.get("sampler_pre_cfg_function", []):
            outputs = patch(
                {
                    "conds": conds,
                    "conds_out": outputs,
                    "cond_scale": term.scale,
                    "timestep": timestep,
                    "input": x,
                    "sigma": timestep,
                    "model": network.inner,
                    "model_options": options,
                }
            )
        given = {"model_options": options, "cond": conds[0], "uncond": conds[1]}
        patched = comfy.samplers.cfg_function(network.inner, *outputs[:2], term.scale, x, timestep, **given)
        changed: torch.Tensor = patched - plain
        return changed


def idle_patches(plan: Plan) -> str:
    """Return a sentence about patches of guidance on the MODEL that do not act in a plan; empty where all do."""
    options, text = plan.model.model_options, plan.guidance.text
    if _plain_pair(plan.guidance) is not None:
        return ""
    projected = _has_patches(options) and (text is None or text.projection is not None)
    if not projected and "sampler_calc_cond_batch_function" not in options:
        return ""
    return "The MODEL has patches of guidance that do not act here, since this guidance is of other passes than theirs."


def _has_patches(options: Mapping[str, Any]) -> bool:
    """Whether a model's options change classifier-free guidance."""
    lists = ("sampler_pre_cfg_function", "sampler_post_cfg_function")
    return "sampler_cfg_function" in options or any(options.get(name) for name in lists)


def _text_pair(guidance: Guidance) -> tuple[str, ...]:
    """The two passes of the text term."""
    return () if guidance.text is None else (guidance.text.plus, guidance.text.minus)


def _prepared(guidance: Guidance) -> tuple[str, ...]:
    """The passes to prepare: those that are run, and those of the text, for which a patch or another scale may ask."""
    pair = _plain_pair(guidance)
    return pair if pair is not None else tuple(dict.fromkeys((*_text_pair(guidance), *guidance.passes)))


def _in_order(guidance: Guidance, both: bool) -> list[str]:
    """The passes to run, the two of the text first: patches know core's first one as the positive, the second as the
    negative. both: these two also where their weight is 0."""
    pair, needed = _text_pair(guidance), guidance.passes
    first = [name for name in pair if both or name in needed]
    return [*first, *(name for name in needed if name not in pair)]


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
