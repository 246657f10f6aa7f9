"""Phantom (arXiv 2502.11079): reference images as latent frames behind the video, which the output leaves out.

Guidance is of three passes, as the authors' code has it: u with the negative prompt and zeros for the references, i
with the negative prompt and the references, p with the prompt and the references.
    x0 = u + image (i - u) + text (p - i)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from comfy.latent_formats import Wan21

from ...control.conditions import Conditions
from ...models.families.family import Settings
from ...models.families.notes import Note
from ...models.sampling.guidance import Guidance, Term
from .common import empty_latent, ready_model
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, identities_of, padded_references
from .spans import over_spans, spans
from .strengths import one_strength, say_on_or_off, say_one_strength
from .wan import DEPTH_KEYS, depth_keys, pad_references

KEY = "time_dim_concat"


class PhantomDriver(Driver):
    """Up to four references, padded with white."""

    family = "phantom"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix; depth is read where a depth control LoRA is on the model."""
        notes = super().accept(conditions, facts)
        if facts.has_depth_lora:
            notes = say_on_or_off(notes, conditions, ["depth"])
        return say_one_strength(notes, conditions, ["identity"], "Phantom")

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return the tokens of the references: a latent frame each."""
        video = conditions.video
        count = sum(len(one.images) for one in identities_of(conditions))
        frame = facts.geometry.tokens(facts.geometry.latent_size(1, video.height, video.width))
        return {"identity": count * frame} if count else {}

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return three passes; two without references."""
        encoder, parts = CachedVAE(vae), spans(request.conditions)

        def keys(conditions: Conditions, zero: bool = False) -> Mapping[str, Any]:
            found = depth_keys(conditions, encoder, facts)
            latents = [encoder.encode(image) for image in padded_references(conditions)]
            if latents:
                joined = torch.cat(latents, 2)
                # Zeros in the model's own space.
                found[KEY] = Wan21().process_out(torch.zeros_like(joined)) if zero else joined
            return found

        conditions = request.conditions
        text = request.scales.get("text", settings.scales["text"])
        image = request.scales.get("identity", settings.scales["identity"]) * one_strength(conditions, ["identity"])
        replaced = (KEY, *DEPTH_KEYS)
        passes = {
            "p": over_spans(request.positive, parts, keys, replaced),
            "i": over_spans(request.negative, parts, keys, replaced),
            "u": over_spans(request.negative, parts, lambda held: keys(held, zero=True), replaced),
        }
        terms = [Term(image, "i", "u", name="identity"), Term(text, "p", "i", name="text")]
        ready = ready_model(model, settings)
        if facts.has_depth_lora:
            pad_references(ready)
        with_references = bool(identities_of(conditions))
        return Plan(
            model=ready,
            passes=passes,
            guidance=Guidance("u", tuple(terms)) if with_references else Guidance("i", (terms[1],)),
            latent=empty_latent(conditions.video, facts.geometry),
            stock=("p", "u"),
            lost="The guidance by the references and by the text is one scale (cfg) instead of two."
            if with_references
            else "",
        )
