"""LoRAs of every writer onto a MODEL, through core's own patches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import comfy.lora
import torch

from ...control.errors import UserError
from ...models.families.pickled import explain_pickle
from ...models.weights.condition_file import is_condition_file
from ...models.weights.lora_keys import BIAS_TAILS, CORE, NormalizedLora, fit_to_shapes, group_by_module, normalize_lora
from ...models.weights.tensor_file import PickledFile, read_metadata, read_tensors
from .families import replaced_shapes


def load_lora(model: Any, path: Path, strength: float) -> tuple[Any, str]:
    """Return a copy of a MODEL with a LoRA file on it, and a report of what was applied.

    Raises UserError for files that are missing, pickled, cut short or not LoRAs, and where nothing of the file fits.
    """
    if strength == 0:
        return model, "The strength is 0: the LoRA is not used."
    try:
        file, metadata = read_tensors(path), read_metadata(path)
    except PickledFile as error:
        raise explain_pickle(path, error) from error
    if is_condition_file(metadata):
        raise UserError(
            f"'{path.name}' is a condition file, of which the LoRA is a part that does little alone: put it into "
            f"models/fulldit and choose it in Load FullDiT with its Wan model."
        )
    try:
        lora = normalize_lora(file, model.model.diffusion_model.state_dict().keys())
        lora = fit_to_shapes(lora, _original_shapes(model))
    except UserError as error:
        raise UserError(f"'{path.name}': {error.clause}") from error
    targets = comfy.lora.model_lora_keys_unet(model.model, {})
    patched = model.clone()
    taken = _add_patches(patched, comfy.lora.load_lora(lora.state, targets, log_missing=False), strength)
    untaken = _untaken(lora, targets, taken)
    applied = len(lora.state) - len(untaken)
    if not applied:
        raise UserError(
            f"'{path.name}': ComfyUI took none of its {len(file)} keys for this model. Choose a LoRA that was made for "
            f"it, or update ComfyUI."
        )
    modules = "1 module" if len(lora.applied) == 1 else f"{len(lora.applied)} modules"
    summary = f"{path.name}: {applied} of {len(file)} keys applied to {modules}, strength {strength:g}."
    return patched, "\n".join([summary, *_details(lora, untaken)])


def _add_patches(model: Any, patches: Mapping[str, Any], strength: float) -> set[str]:
    """Put core's patches of parameters on a MODEL and return which of them it took.

    Core keeps patches of a parameter whose module has layers below it (`blocks.0.modulation`), but never applies them:
    such a parameter is replaced as an object.
    """
    skipped = {key for key in patches if _has_layers_below(model.model, key)}
    # Also with nothing: whoever caches what the weights gave (the conditions' K and V) sees that they changed.
    taken = set(model.add_patches({key: patch for key, patch in patches.items() if key not in skipped}, strength))
    for key in skipped:
        old = model.get_model_object(key)
        weight = old.detach().to(torch.float32, copy=True)
        weight = comfy.lora.calculate_weight([(strength, patches[key], 1.0, None, None)], weight, key)
        model.add_object_patch(key, torch.nn.Parameter(weight.to(old.dtype), requires_grad=False))
    return taken | skipped


def _has_layers_below(network: torch.nn.Module, key: str) -> bool:
    """Return whether the module that a parameter belongs to has other modules with parameters."""
    owner = network.get_submodule(key.rpartition(".")[0])
    return any("." in name for name, _ in owner.named_parameters())


def _original_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a MODEL's parameters without the patches that may be on them right now, which may widen
    them."""
    shapes = {name: tuple(p.shape) for name, p in model.model.diffusion_model.named_parameters()}
    return shapes | replaced_shapes(model)


def _untaken(lora: NormalizedLora, targets: Mapping[str, Any], taken: Collection[Any]) -> list[str]:
    """Return the keys of a LoRA whose parameter core has not patched. targets: core's table of modules and their
    parameters."""
    untaken = []
    for module, tensors in group_by_module(lora.state).items():
        weight = targets.get(f"{CORE}{module}")
        for tail in tensors:
            parameter = f"{CORE}{module}.bias" if tail in BIAS_TAILS else weight
            if parameter not in taken:
                untaken.append(f"{CORE}{module}.{tail}")
    return untaken


def _details(lora: NormalizedLora, untaken: Sequence[str]) -> list[str]:
    """Return how a LoRA file's keys are written and which were left out, in lines."""
    lines = [f"Layout: {lora.layout}."]
    for title, values in (
        ("Not of this model", lora.unknown),
        ("Of another shape", lora.misfits),
        ("Not read by ComfyUI", untaken),
    ):
        if values:
            more = f" and {len(values) - 5} more" if len(values) > 5 else ""
            lines.append(f"{title}: {', '.join(values[:5])}{more}.")
    return lines
