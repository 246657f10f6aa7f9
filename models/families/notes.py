"""What becomes of each thing that a user said, in a family: notes, the error about what is refused, and leaving it out.

Needs neither weights nor a VAE, so that the page shows the notes as soon as a model is connected.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from ...control.conditions import Condition, Conditions, ControlVideoCondition, IdentityCondition
from ...control.errors import UserError
from .family import FACETS, Family, How
from .matrix import FACET_NAMES, other_models

CONTROL = ControlVideoCondition.name


@dataclass(frozen=True)
class Note:
    """What becomes of one thing. facet: one of `family.FACETS`, or the name of another condition; subject: the identity
    or the kind of control video that it is about, where it is about one."""

    facet: str
    how: How
    sentence: str
    subject: str = ""

    @property
    def label(self) -> str:
        """What the note is about, in words: 'depth', "mask of 'cat'"."""
        return f"{self.facet} of '{self.subject}'" if self.subject else self.facet

    def __str__(self) -> str:
        return f"{self.label}: {self.sentence}"


def facet_notes(conditions: Conditions, family: Family, depth_lora: bool = False) -> list[Note]:
    """Return one note for each condition, each identity and each mask video, as the matrix has them.

    depth_lora: a depth control LoRA is on the model. Identities beyond the most that the family reads are refused,
    and so are control videos beyond one.
    """
    notes = []
    for item in conditions.items:
        if not item.active:
            continue
        if isinstance(item, IdentityCondition):
            notes += _identity_notes(item, family)
        elif isinstance(item, ControlVideoCondition):
            notes += _control_notes(item, family)
        else:
            support = family.support(item.name, depth_lora)
            notes.append(Note(item.name, support.how, support.sentence))
    return notes


def _identity_notes(item: IdentityCondition, family: Family) -> list[Note]:
    support, masks, notes = family.support("identity"), family.support("mask"), []
    read = 0
    for identity in item.identities:
        if identity.strength == 0:
            continue
        count = read + len(identity.images)
        if support.taken and count > family.most_identities:
            sentence = f"{family.name} reads {family.most_identities} reference images at most; this would be {count}."
            notes.append(Note("identity", "refused", sentence, identity.name))
        else:
            read = count
            notes.append(Note("identity", support.how, support.sentence, identity.name))
        if identity.mask_video is not None:
            notes.append(Note("mask", masks.how, masks.sentence, identity.name))
    return notes


def _control_notes(item: ControlVideoCondition, family: Family) -> list[Note]:
    """One note for each control video; of the kinds that the family knows, all but the first are refused."""
    support, read, notes = family.support(CONTROL), "", []
    for video in item.videos:
        if video.strength == 0:
            continue
        how, sentence = support.how, support.sentence
        if support.taken and video.kind not in family.control_kinds:
            known = ", ".join(family.control_kinds)
            how, sentence = "refused", f"{family.name} was not trained on this kind, only on {known}."
        elif support.taken and read:
            how, sentence = "refused", f"{family.name} reads one control video at a time, here '{read}'."
        else:
            read = video.kind
        notes.append(Note(CONTROL, how, sentence, video.kind))
    return notes


def refused(notes: Sequence[Note]) -> list[Note]:
    """Return the notes about what a model refuses."""
    return [note for note in notes if note.how == "refused"]


def check_notes(notes: Sequence[Note], family: Family) -> None:
    """Raise one UserError that names everything refused, and for each the models that would take it."""
    lines = []
    for note in refused(notes):
        lines.append(f"{note.label[:1].upper()}{note.label[1:]}: {note.sentence}")
    for facet in dict.fromkeys(note.facet for note in refused(notes) if note.facet in FACETS):
        lines.append(f"Models that take {FACET_NAMES[facet]}: {other_models(facet)}.")
    if lines:
        raise UserError(
            f"{family.name} cannot take all of these conditions. {' '.join(lines)} Disconnect what is refused, turn on "
            f"'leave_out' to sample without it, or load another model."
        )


def leave_out(conditions: Conditions, notes: Sequence[Note]) -> tuple[Conditions, list[Note]]:
    """Return the conditions without what is refused, and the notes, in which 'refused' has become 'ignored'."""
    gone = refused(notes)
    facets = {note.facet for note in gone if not note.subject}
    names = {note.subject for note in gone if note.facet == "identity"}
    masks = {note.subject for note in gone if note.facet == "mask"}
    kinds = {note.subject for note in gone if note.facet == CONTROL}
    items: list[Condition] = []
    for item in conditions.items:
        if item.name in facets:
            continue
        if isinstance(item, IdentityCondition):
            identities = tuple(
                dataclasses.replace(one, mask_video=None) if one.name in masks else one
                for one in item.identities
                if one.name not in names
            )
            if not identities:
                continue
            item = dataclasses.replace(item, identities=identities)
        if isinstance(item, ControlVideoCondition):
            videos = tuple(one for one in item.videos if one.kind not in kinds)
            if not videos:
                continue
            item = dataclasses.replace(item, videos=videos)
        items.append(item)
    said = [
        dataclasses.replace(note, how="ignored", sentence=f"Left out. {note.sentence}") if note in gone else note
        for note in notes
    ]
    return dataclasses.replace(conditions, items=tuple(items)), said
