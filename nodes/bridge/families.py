"""What a MODEL is: its family, found by the header of its file, by what core made of it, or by the user's choice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from comfy.ldm.wan.model import WanModel

from ...control.errors import UserError
from ...models.families.detect import Detection, detect, detect_file
from ...models.families.family import Family
from ...models.families.matrix import FAMILIES
from ...models.weights.lora_keys import CORE
from .base_model import FullDiTModel
from .tags import TAG

CHOICE = "fulldit_family"  # an attachment of a MODEL: the family that the user chose
DETECTED = "fulldit_detection"  # kept on core's model once its file was read
PATCH_EMBEDDING = "diffusion_model.patch_embedding.weight"


def choose_family(model: Any, family: str) -> Any:
    """Return a clone of a MODEL that is of the family that the user says.

    Raises UserError where its file is another.
    """
    clone = model.clone()
    clone.set_attachments(CHOICE, family)
    family_of(clone)
    return clone


def family_of(model: Any) -> tuple[Family, str]:
    """Return the family of a MODEL, and how it was found, in a sentence.

    Raises UserError for a MODEL of no family that is known here, for one that may be of several and was not chosen, and
    for a choice that its file rules out.
    """
    inner = getattr(model, "model", None)
    if isinstance(inner, FullDiTModel):
        return FAMILIES["fulldit"], "This is a FullDiT checkpoint."
    network = getattr(inner, "diffusion_model", None)
    if network is None:
        raise UserError(f"This MODEL is a {type(inner or model).__name__} without a network: connect a model loader.")
    detection = detection_of(model)
    choice = getattr(model, "attachments", {}).get(CHOICE)
    possible = (detection.family,) if detection.family else detection.candidates
    if choice and possible and choice not in possible:
        names = " or ".join(FAMILIES[name].name for name in possible)
        raise UserError(
            f"The model was said to be {FAMILIES[choice].name}, but its file is {names}: choose that, or load another "
            f"file."
        )
    found = choice or detection.likely
    if found is None or not isinstance(getattr(network, "_orig_mod", network), WanModel):  # what torch.compile wraps
        raise UserError(_unknown(detection, inner))
    family = _with_lora(FAMILIES[found], model)
    return family, f"This is {family.name}, as you chose." if choice else detection.sentence


def _unknown(detection: Detection, inner: Any) -> str:
    """The error for a MODEL whose family is not known."""
    if detection.candidates:
        return f"{detection.sentence} Load Video Model and Model Family have that choice."
    name = type(inner).__name__ if inner is not None else "object without a model"
    if detection.family and not FAMILIES[detection.family].driven:
        return f"This MODEL is {FAMILIES[detection.family].name}. {FAMILIES[detection.family].sentence}"
    return (
        f"This MODEL is a {name}, which conditions cannot drive. {detection.sentence} Connect Load FullDiT, or a model "
        f"that docs/models.md lists."
    )


def detection_of(model: Any) -> Detection:
    """Return what the file of a MODEL is; where its path is not known, what core made of it."""
    inner = model.model
    known: Detection | None = getattr(inner, DETECTED, None)
    if known is not None:
        return known
    path, tag = path_of(model), getattr(inner, TAG, None)
    if path is not None:
        detection = detect_file(path)
    elif tag is not None:
        detection = Detection(tag, (tag,), sentence=f"This is {FAMILIES[tag].name}, told by its keys.")
    else:
        detection = detect(_shapes(model))
    setattr(inner, DETECTED, detection)
    return detection


def path_of(model: Any) -> str | None:
    """Return the safetensors file of a MODEL, by the factory that core's loaders keep with it, or None."""
    factory = getattr(model, "cached_patcher_init", None)
    arguments = factory[1] if isinstance(factory, tuple) and len(factory) > 1 else ()
    path = arguments[0] if isinstance(arguments, (tuple, list)) and arguments else None
    is_file = isinstance(path, (str, os.PathLike)) and os.path.isfile(path)
    return str(path) if is_file and str(path).endswith((".safetensors", ".sft")) else None


def replaced_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Return, by their names in the network, the own shapes of weights in whose place patched ones are right now.

    Clones of a MODEL share its weights: what a depth control LoRA on one of them has widened stays so until another
    is loaded.
    """
    return {
        key.removeprefix(CORE): tuple(kept.weight.shape)
        for key, kept in getattr(model, "backup", {}).items()
        if key.startswith(CORE)
    }


def _shapes(model: Any) -> Mapping[str, tuple[int, ...]]:
    state = model.model.diffusion_model.state_dict()
    return {name: tuple(value.shape) for name, value in state.items()} | replaced_shapes(model)


def in_channels_of(model: Any) -> int:
    """Return the channels that the patch embedding of a MODEL reads, with the LoRAs that are on it."""
    weight = model.model.diffusion_model.patch_embedding.weight
    shape = replaced_shapes(model).get(PATCH_EMBEDDING.removeprefix(CORE), weight.shape)
    channels = int(shape[1])
    for patch in getattr(model, "patches", {}).get(PATCH_EMBEDDING, []):
        shape = getattr(patch[1], "calculate_shape", lambda key: None)(PATCH_EMBEDDING)
        channels = int(shape[1]) if shape is not None else channels
    return channels


def _with_lora(family: Family, model: Any) -> Family:
    """Plain Wan with a depth control LoRA on it is a family of its own."""
    return FAMILIES["wan-depth-lora"] if family.id == "wan-t2v" and in_channels_of(model) == 32 else family
