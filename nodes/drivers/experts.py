"""Two networks of one family, one for the noisy part of sampling and one for the rest, in one run of one solver.

Core's own way is two samplers with split sigmas, which forgets a multistep solver's history at the switch. Here one
guider hands the steps below the boundary to the second network, as the authors do.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP

from ...control.errors import UserError
from ...models.experts import check_experts
from ..bridge.families import path_of
from .guider import Network, PlanGuider
from .plan import BOUNDARY, SECOND, ModelFacts

# Sigmas are float32: a step that lies on the boundary is the first network's.
BESIDE = 1e-6


def pair_experts(high: Any, low: Any, facts: tuple[ModelFacts, ModelFacts], boundary: float | None) -> Any:
    """Return the high-noise MODEL with the low-noise one attached; it stays a MODEL for everything else.

    Raises UserError for networks that are no pair: of two families or widths, the same file twice, exchanged, or with
    condition files that do not belong together.
    """
    first, second = facts
    if first.family.id != second.family.id or first.variant != second.variant:
        raise UserError(
            f"The high-noise MODEL is {first.name}, the low-noise one {second.name}: connect the two files of one "
            f"model."
        )
    if first.config is None and not any(variant.settings.boundary for variant in first.family.variants):
        raise UserError(f"{first.family.name} is one network, not a pair of experts: connect it without Pair Experts.")
    names = [Path(path_of(model) or "").name.lower() for model in (high, low)]
    if names[0] and names[0] == names[1]:
        raise UserError(f"Both MODELs are '{names[0]}': connect the high-noise and the low-noise file.")
    if "low_noise" in names[0] or "high_noise" in names[1]:
        raise UserError(
            f"The MODELs are exchanged: high is '{names[0]}', low is '{names[1]}'. Connect them the other way round."
        )
    if first.config is not None and second.config is not None:
        check_experts(first.config, second.config)
    pair = high.clone()
    pair.set_attachments(SECOND, low)
    pair.set_attachments(BOUNDARY, boundary)
    return pair


def boundary_of(model: Any, own: float) -> float:
    """Return the sigma below which the second network takes over: the user's, or the model's own."""
    chosen: float | None = getattr(model, "attachments", {}).get(BOUNDARY)
    return own if chosen is None else chosen


class ExpertsGuider(PlanGuider):
    """A guider with a second network, which is loaded when the first step needs it."""

    def outer_sample(self, *args: Any, **kwargs: Any) -> Any:
        """Core's; the second network is cleaned up whatever happens."""
        self._second: Network | None = None
        self._loaded: list[Any] = []
        self._raw = {name: [entry.copy() for entry in conds] for name, conds in self.conds.items()}
        try:
            return super().outer_sample(*args, **kwargs)
        finally:
            if self._second is not None:
                self.plan.second.cleanup()
                comfy.sampler_helpers.cleanup_models(self._second.conds, self._loaded)
            self._second = None

    def inner_sample(
        self,
        noise: torch.Tensor,
        latent_image: torch.Tensor,
        device: Any,
        sampler: Any,
        sigmas: torch.Tensor,
        denoise_mask: torch.Tensor | None,
        callback: Any,
        disable_pbar: bool,
        seed: int | None,
        **more: Any,
    ) -> torch.Tensor:
        """Core's; what the conds of the second network need is kept."""
        self._run = (noise, latent_image, device, denoise_mask, seed, more, sigmas)
        result: torch.Tensor = super().inner_sample(
            noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, **more
        )
        return result

    def network_at(self, timestep: torch.Tensor, options: dict[str, Any]) -> Network:
        """Return the first network from the boundary up, the second below."""
        if float(timestep.max()) >= self.plan.boundary - BESIDE:
            return super().network_at(timestep, options)
        if self._second is None:
            self._second = self._prepared(options)
        return self._second

    def _prepared(self, options: Mapping[str, Any]) -> Network:
        """Load the second network and prepare its conds, as core's guider does for the first."""
        noise, latent_image, device, denoise_mask, seed, more, sigmas = self._run
        model = self.plan.second
        own = comfy.model_patcher.create_model_options_clone(model.model_options)
        raw = self._raw
        comfy.sampler_helpers.prepare_model_patcher(model, raw, own)
        _drop_run_wrappers(own)
        inner, raw, self._loaded = comfy.sampler_helpers.prepare_sampling(model, noise.shape, raw, own)
        comfy.samplers.cast_to_load_options(own, device=device, dtype=model.model_dtype())
        model.pre_run()
        if latent_image is not None and torch.count_nonzero(latent_image) > 0:
            latent_image = inner.process_latent_in(latent_image)
        conds = comfy.samplers.process_conds(inner, noise, raw, device, latent_image, denoise_mask, seed, **more)
        own.setdefault("transformer_options", {})["sample_sigmas"] = sigmas
        return Network(inner, conds, self.plan.guidance.scaled(self.plan.second_factor), own)


def _drop_run_wrappers(options: dict[str, Any]) -> None:
    """Take away what must be started around a whole run (step caches), which the second network joins in the middle."""
    wrappers = options.get("transformer_options", {}).get("wrappers", {})
    for key in list(wrappers.get(WrappersMP.OUTER_SAMPLE, {})):
        logging.warning("FullDiT: '%s' on the low-noise MODEL does not act: it has to be started with the run.", key)
        for kind in wrappers.values():
            kind.pop(key, None)


def switch_step(sigmas: torch.Tensor, boundary: float) -> int:
    """Return the number of the first step, from 0, that the second network runs."""
    return int((sigmas[:-1] >= boundary - BESIDE).sum())
