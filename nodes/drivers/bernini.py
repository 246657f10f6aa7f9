"""Bernini-R: a source video and reference images as token streams beside the video, each with an id of its own.

Which passes are run, and how they are guided, depends on the task, as in the authors' code (n: the negative prompt, p:
the prompt; V: with the source video, I: with the references):
    t2v   n0, p0             x0 = n0 + text (p0 - n0)
    v2v   nV, pV             x0 = nV + text (pV - nV)
    r2v   n0, nI, pI         x0 = n0 + image A(nI - n0 | nI) + text A(pI - nI | pI)
    rv2v  n0, nV, nVI, pVI   x0 = n0 + video (nV - n0) + image (nVI - nV) + text (pVI - nVI)
A is adaptive projected guidance. The prompt begins with a sentence for the task, and names the references image0,
image1 and so on: those that it does not name are ignored by the model. A camera is followed by rendering: the source
video is what it sees, and the prompt asks for what fills the holes, since what no prompt mentions stays as it is. None
of the authors' tasks is about cameras: it is edited as any video.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from comfy_extras.nodes_bernini import BerniniConditioning

from ...control.conditions import Conditions
from ...control.identity import Identity
from ...models.families.family import Settings
from ...models.families.notes import Note
from ...models.sampling.guidance import Guidance, Projection, Term
from .common import core_options, empty_latent, ready_model
from .plan import Conditioning, Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, depth_video, has_depth, has_source, identities_of, references, source_video
from .rendered import notes_on_rendering, renders, warnings_of_rendering, with_rendering
from .spans import over_spans, spans
from .strengths import one_strength, say_on_or_off, say_one_strength
from .wan import DEPTH_KEYS, depth_keys, pad_references

# In the authors' order, without a space before the prompt that follows.
TASK_SENTENCES = {
    "t2v": "",
    "v2v": "You are a helpful assistant specialized in video editing.",
    "r2v": "You are a helpful assistant specialized in subject-to-video generation.",
    "rv2v": "You are a helpful assistant specialized in video editing with reference.",
}
FILL = "Fill the black areas with what belongs there."  # the holes of a render
RENDERED = {
    "source": "It is seen from the camera path, and that is the video to change.",
    "depth": "It is the depth of the source video, for the render alone.",
}
DEPTH_RENDERED_FOR_LORA = "It is the depth of the source video; what the camera sees of it goes in beside the noise."
LONGEST_SIDE = 848  # of a reference, in pixels
KEY = "context_latents"


class BerniniDriver(Driver):
    """References in their own proportions, and a source video."""

    family = "bernini-r"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix, with the names of the references, and what becomes of the depth."""
        names = {one.name: numbers for one, numbers in _numbered(conditions)}
        notes = [_named(note, names) for note in super().accept(conditions, facts)]
        moves, alone = renders(conditions, facts), task_of(conditions, facts) == "v2v"
        if moves:
            words = {**RENDERED, "depth": DEPTH_RENDERED_FOR_LORA} if facts.has_depth_lora else RENDERED
            notes = notes_on_rendering(notes, conditions, facts, words)
        else:
            notes = [self._depth_note(note, conditions, facts) for note in notes]
        if alone:
            notes = say_on_or_off(notes, conditions, ["camera"] if moves else ["source", "depth"])
        elif facts.has_depth_lora and not moves:
            notes = say_on_or_off(notes, conditions, ["depth"])
        notes = say_one_strength(notes, conditions, ["identity"], "Bernini-R")
        ranges = {(one.start, one.end) for one in identities_of(conditions)}
        return notes if len(ranges) < 2 else [_moving(note) for note in notes]

    def _depth_note(self, note: Note, conditions: Conditions, facts: ModelFacts) -> Note:
        if note.facet != "depth" or facts.has_depth_lora or not has_source(conditions):
            return note
        sentence = "Bernini-R reads depth only in place of a source video, and there is one."
        return dataclasses.replace(note, how="refused", sentence=sentence)

    def settings(self, facts: ModelFacts, conditions: Conditions) -> Settings:
        """Return the authors' settings; the scale of the source video is the depth's where that stands in its place."""
        settings = super().settings(facts, conditions)
        if _base_name(conditions, facts) != "depth":
            return settings
        scales = {("depth" if name == "source" else name): scale for name, scale in settings.scales.items()}
        return dataclasses.replace(settings, scales=scales)

    def prompt(self, text: str, conditions: Conditions, facts: ModelFacts) -> str:
        """Return the sentence of the task, the prompt, the names of references that it does not name, and what is to
        be done about the holes of a render."""
        named = [(one.name, _image_names(numbers)) for one, numbers in _numbered(conditions)]
        missing = [
            f"{name} is {' and '.join(images)}."
            for name, images in named
            if not all(re.search(rf"\b{image}\b", text) for image in images)
        ]
        if renders(conditions, facts) and FILL not in text:
            missing.append(FILL)
        sentence = TASK_SENTENCES[task_of(conditions, facts)]
        text = text.removeprefix(sentence)  # where the user wrote it
        return f"{sentence}{' '.join([text.rstrip(), *missing]).strip()}"

    def projects(self, conditions: Conditions, facts: ModelFacts) -> bool:
        """Return whether the task is guided by adaptive projection: with references alone."""
        return task_of(conditions, facts) == "r2v"

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return the tokens of the streams."""
        video, counts = conditions.video, {}
        sizes = [_reference_size(image.shape[1], image.shape[2]) for image in references(conditions)]
        if sizes:
            counts["identity"] = sum(facts.geometry.tokens(facts.geometry.latent_size(1, *size)) for size in sizes)
        if name := _base_name(conditions, facts):
            counts[name] = facts.geometry.tokens(facts.geometry.latent_size(video.frames, video.height, video.width))
        return counts

    def warnings(self, model: Any, conditions: Conditions, facts: ModelFacts) -> list[str]:
        """Return what lies beyond the clips that the model was trained on, and a camera that leaves its source."""
        return [*super().warnings(model, conditions, facts), *warnings_of_rendering(conditions, facts)]

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return the passes and the guidance of the task."""
        request = dataclasses.replace(request, conditions=with_rendering(request.conditions, facts))
        encoder, conditions = CachedVAE(vae), request.conditions
        task, parts = task_of(conditions, facts), spans(conditions)

        def streams(conditioning: Conditioning, video: bool, images: bool) -> Conditioning:
            return over_spans(
                conditioning,
                parts,
                lambda held: _core_keys(held, encoder, facts, video=video, images=images),
                (KEY, *DEPTH_KEYS),
            )

        made = {
            "n0": lambda: streams(request.negative, False, False),
            "p0": lambda: streams(request.positive, False, False),
            "nV": lambda: streams(request.negative, True, False),
            "pV": lambda: streams(request.positive, True, False),
            "nI": lambda: streams(request.negative, False, True),
            "pI": lambda: streams(request.positive, False, True),
            "nVI": lambda: streams(request.negative, True, True),
            "pVI": lambda: streams(request.positive, True, True),
        }
        guidance = guidance_of(task, _scales(request, settings, facts))
        names = dict.fromkeys([guidance.base, *(name for term in guidance.terms for name in (term.plus, term.minus))])
        text = guidance.terms[-1]
        ready = ready_model(model, settings)
        if facts.has_depth_lora:
            pad_references(ready)
        return Plan(
            model=ready,
            passes={name: made[name]() for name in names},
            guidance=guidance,
            latent=empty_latent(conditions.video, facts.geometry),
            stock=(text.plus, text.minus),
            lost=""
            if len(guidance.terms) == 1
            else f"Of the {len(names)} passes of {task} only the two of the text run.",
        )


def task_of(conditions: Conditions, facts: ModelFacts) -> str:
    """Return the authors' name of the task that the conditions make."""
    given = ("r" if identities_of(conditions) else "") + ("v" if _base_name(conditions, facts) else "")
    return f"{given or 't'}2v"


def base_video(conditions: Conditions, facts: ModelFacts) -> torch.Tensor | None:
    """Return the video that is edited: the source, or the depth in its place where no LoRA reads it; or None."""
    name = _base_name(conditions, facts)
    if name == "source":
        return source_video(conditions)
    return depth_video(conditions) if name == "depth" else None


def guidance_of(task: str, scales: Mapping[str, float]) -> Guidance:
    """Return the guidance of a task. scales: 'source', 'identity', 'text'."""
    video, image, text = scales["source"], scales["identity"], scales["text"]
    if task == "r2v":
        projection = Projection()
        return Guidance(
            "n0",
            (
                Term(image, "nI", "n0", projection, name="identity"),
                Term(text, "pI", "nI", projection, name="text"),
            ),
        )
    if task == "rv2v":
        return Guidance(
            "n0",
            (
                Term(video, "nV", "n0", name="source"),
                Term(image, "nVI", "nV", name="identity"),
                Term(text, "pVI", "nVI", name="text"),
            ),
        )
    suffix = "V" if task == "v2v" else "0"
    return Guidance(f"n{suffix}", (Term(text, f"p{suffix}", f"n{suffix}", name="text"),))


def _base_name(conditions: Conditions, facts: ModelFacts) -> str:
    """Which condition is the video that is edited; empty where none is."""
    if has_source(conditions):
        return "source"
    return "depth" if has_depth(conditions) and not facts.has_depth_lora else ""


def _scales(request: Request, settings: Settings, facts: ModelFacts) -> dict[str, float]:
    """The scales by what they guide ('source', also where depth stands in its place): the user's or else the authors',
    times the strengths."""
    base = _base_name(request.conditions, facts) or "source"
    chosen = {}
    for name, own in settings.scales.items():
        strength = 1.0 if name == "text" else one_strength(request.conditions, [name])
        chosen["source" if name == base else name] = request.scales.get(name, own) * strength
    return chosen


def _core_keys(held: Conditions, encoder: CachedVAE, facts: ModelFacts, *, video: bool, images: bool) -> dict[str, Any]:
    """What core's own node makes of the streams of a pass, and the depth for a LoRA."""
    base = base_video(held, facts) if video else None
    pictures = references(held) if images else []
    size = held.video
    options = core_options(
        BerniniConditioning,
        encoder,
        size.width,
        size.height,
        size.frames,
        1,
        source_video=base,
        # Core sorts the names as texts.
        reference_images={f"reference_image_{index:02d}": image for index, image in enumerate(pictures)},
        ref_max_size=LONGEST_SIDE,
    )
    return {**depth_keys(held, encoder, facts), **({KEY: options[KEY]} if KEY in options else {})}


def _reference_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) to which core's node resizes a reference: its longest side bounded, both multiples of 16."""
    scale = min(LONGEST_SIDE / max(height, width), 1.0)
    return max(16, round(height * scale / 16) * 16), max(16, round(width * scale / 16) * 16)


def _numbered(conditions: Conditions) -> list[tuple[Identity, list[int]]]:
    """Every identity with the numbers of its reference images, counted from 0 over all of them."""
    numbered, count = [], 0
    for one in identities_of(conditions):
        numbered.append((one, list(range(count, count + len(one.images)))))
        count += len(one.images)
    return numbered


def _image_names(numbers: Sequence[int]) -> list[str]:
    return [f"image{number}" for number in numbers]


def _named(note: Note, names: Mapping[str, Sequence[int]]) -> Note:
    """The note of an identity with the names by which the prompt speaks of its images."""
    if note.facet != "identity" or note.how == "refused":
        return note
    images = " and ".join(_image_names(names[note.subject]))
    return dataclasses.replace(note, sentence=f"{note.sentence} In the prompt it is {images}.")


def _moving(note: Note) -> Note:
    """The note of an identity where others come or go during sampling: core counts those that are there."""
    if note.facet != "identity" or note.how == "refused":
        return note
    words = (
        "The references have different ranges: while one is not there, those behind it move up by its images, and the "
        "prompt's image0, image1, ... mean other references. Give all of them the same start and end."
    )
    return dataclasses.replace(note, how="part", sentence=f"{note.sentence} {words}")
