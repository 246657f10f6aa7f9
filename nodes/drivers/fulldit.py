"""FullDiT checkpoints: every condition is tokens of the joined sequence.

The negative pass carries no condition. Conditions with a scale of their own leave the joint term and are added one
after the other, each against the prediction without it, as in `models/sampling/sampler.py`.
"""

from __future__ import annotations

from typing import Any

from ...control.conditions import CONDITIONS, Conditions, ControlVideoCondition, IdentityCondition
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.config import FullDiTConfig
from ...models.encode import count_tokens
from ...models.families.family import Settings
from ...models.families.notes import Note
from ...models.sampling.guidance import Guidance, Term
from ..bridge.conditioning import encode, latent_of, model_warnings, with_conditions
from .plan import Driver, ModelFacts, Plan, Request, second_of


class FullDiTDriver(Driver):
    """The checkpoints of this pack."""

    family = "fulldit"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return nothing but refusals: what a checkpoint takes, it takes as it is meant."""
        config = config_in(facts)
        sentence = f"This checkpoint was not trained with it (its streams: {', '.join(config.streams)})."
        notes = [
            Note(item.name, "refused", sentence)
            for item in conditions.items
            if item.active and item.name not in config.conditions
        ]
        control = conditions.get(ControlVideoCondition)
        if control is not None and control.name in config.conditions:
            unknown = [kind for kind in control.kinds if kind not in config.streams]
            notes += [Note(control.name, "refused", sentence, kind) for kind in unknown]
        identity = conditions.get(IdentityCondition)
        surplus = identity.identities[config.slots :] if identity is not None else ()
        return notes + [
            Note("identity", "refused", f"This checkpoint has {config.slots} slots.", one.name) for one in surplus
        ]

    def warnings(self, model: Any, conditions: Conditions, facts: ModelFacts) -> list[str]:
        """Return sentences about what lies beyond the clips that the checkpoint was trained on, its camera included."""
        said, expert = model_warnings(conditions, model), config_in(facts).expert
        if expert and second_of(model) is None:
            said.append(
                f"The condition file is that of a {expert} expert, and this one alone is connected: connect both of "
                f"the pair to Pair Experts."
            )
        return said

    def reads_whole_frames(self, conditions: Conditions) -> bool:
        """Return False: tokens have places of their own."""
        return False

    def settings(self, facts: ModelFacts, conditions: Conditions) -> Settings:
        """Return the checkpoint's own values; each condition may have a scale, which is 0: guided with the text."""
        config = config_in(facts)
        return Settings(
            steps=config.steps,
            shift=config.shift,
            scales={"text": config.guidance, **dict.fromkeys(config.conditions, 0.0)},
            sampler="euler",
            scheduler="simple",
            width=config.width,
            height=config.height,
            frames=config.frames,
            fps=config.fps,
            boundary=config.times[0],
        )

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return the tokens of each stream."""
        counts = count_tokens(conditions, config_in(facts))
        return {name: count for name, count in counts.items() if name != "video"}

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return the negative pass, the joint one, and one for each condition with a scale of its own."""
        streams = encode(model, vae, request.conditions)
        scales = {name: scale for name, scale in request.scales.items() if name != "text" and scale}
        joint = tuple(name for name in request.conditions.names if name not in scales)
        passes = {
            "n": with_conditions(request.negative, None),
            "p": with_conditions(request.positive, _select(streams, joint)),
        }
        terms = [Term(request.scales.get("text", settings.scales["text"]), "p", "n", name="text")]
        latest = "p"
        for name in (name for name in CONDITIONS if name in scales):
            joint += (name,)
            passes[f"p+{name}"] = with_conditions(request.positive, _select(streams, joint))
            terms.append(Term(scales[name], f"p+{name}", latest, name=name))
            latest = f"p+{name}"
        return Plan(
            model=model,
            passes=passes,
            guidance=Guidance("n", tuple(terms)),
            latent=latent_of(model, request.conditions, streams),
            stock=("p", "n"),
            first_frame_pass=config_in(facts).first_frame_pass,
        )


def config_in(facts: ModelFacts) -> FullDiTConfig:
    """Return the config of the checkpoint behind the facts."""
    assert facts.config is not None  # `facts_of` gives it for this family
    return facts.config


def _select(streams: ConditionStreams | None, names: tuple[str, ...]) -> ConditionStreams | None:
    """The streams of these conditions; the same object where that is all of them, so that its cache is used."""
    if streams is None or not names:
        return None
    chosen = streams.select(names)
    return chosen if chosen.streams else None
