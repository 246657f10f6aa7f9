"""Public video models as the host's MODEL: core's loader, with the layouts that core does not read put into its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_patcher
import comfy.sd
import folder_paths
import torch

from ...control.errors import UserError
from ...models.families.about import about_family
from ...models.families.detect import Detection, detect_file
from ...models.families.matrix import FAMILIES
from ...models.families.model_files import TI2V_5B
from ...models.weights.key_maps import to_wan
from ...models.weights.partial import put_onto
from ...models.weights.shards import parse_headers, read_shards, shard_paths
from .families import DETECTED, choose_family, family_of, path_of
from .paths import VIDEO_MODELS, video_model_file, video_model_names

PARTIAL = ("omnicamera",)  # families whose public file holds a part of the weights
ADDED = (".cam_encoder.", ".projector.")  # OmniCamera's own, in the names of weights
FORMATS: dict[str, dict[str, Any]] = {
    "default": {},
    "fp8_e4m3fn": {"dtype": torch.float8_e4m3fn},
    "fp8_e4m3fn_fast": {"dtype": torch.float8_e4m3fn, "fp8_optimizations": True},
    "fp8_e5m2": {"dtype": torch.float8_e5m2},
}


def load_video_model(path: str, family: str | None = None, weight_dtype: str = "default") -> Any:
    """Return the MODEL of a file, of any of several parts, in Wan's layout or that of diffusers.

    family: what the user says that it is. Raises UserError for a file that is damaged, not a Wan model, or of a family
    that is known and not driven, before anything is loaded.
    """
    detection = detect_file(path)
    _check(detection, Path(path).name)
    model = _load(path, weight_dtype)
    setattr(model.model, DETECTED, detection)
    if family is not None:
        return choose_family(model, family)
    return model


def _check(detection: Detection, name: str) -> None:
    """Raise UserError for what cannot be driven, so that nobody waits for gigabytes to be read first."""
    found = FAMILIES.get(detection.family or "")
    if found is None and not detection.candidates:
        raise UserError(f"'{name}': {detection.sentence} Choose a Wan model that docs/models.md lists.")
    if found is not None and not found.driven:
        raise UserError(f"'{name}' is {found.name}. {found.sentence}")


def _load(path: str, weight_dtype: str, disable_dynamic: bool = False) -> Any:
    """Return the MODEL of a path; core's factory for a second copy, too."""
    options = dict(FORMATS[weight_dtype])
    paths, detection = shard_paths(path), detect_file(path)
    partial = detection.family in PARTIAL and not detection.in_channels
    if len(paths) == 1 and detection.layout == "native" and not partial:
        return comfy.sd.load_diffusion_model(path, model_options=options, disable_dynamic=disable_dynamic)
    weights = to_wan(read_shards(path))
    model = comfy.sd.load_diffusion_model_state_dict(
        _whole(weights, path) if partial else weights,
        model_options=options,
        metadata=parse_headers(paths).metadata,
        disable_dynamic=disable_dynamic,
    )
    if model is None:
        raise UserError(f"ComfyUI cannot load '{path}' as a model: update ComfyUI, or choose another file.")
    model.cached_patcher_init = (_load, (path, weight_dtype))
    return model


def _whole(part: dict[str, torch.Tensor], path: str) -> dict[str, torch.Tensor]:
    """Return the weights of Wan 2.2 TI2V 5B with those of OmniCamera's file on them."""
    base = base_model_file()
    try:
        return put_onto(to_wan(read_shards(base)), part, ADDED)
    except UserError as error:
        raise UserError(
            f"'{Path(path).name}' goes onto Wan 2.2 TI2V 5B, for which '{base.name}' was taken: {error.clause}"
        ) from error


def base_model_file() -> Path:
    """Return the file of Wan 2.2 TI2V 5B that a partial checkpoint is put onto: the usual one, else another whose name
    says so. Raises UserError, with where to get it, where there is none."""
    names = [TI2V_5B.name, *(name for name in video_model_names() if "ti2v" in name.lower() and "5b" in name.lower())]
    found = [folder_paths.get_full_path(VIDEO_MODELS, name) for name in names]
    return next((Path(path) for path in found if path), None) or video_model_file(TI2V_5B.name)


def about(model: Any) -> str:
    """Return what a MODEL is, what it takes and which files belong to it, in lines."""
    family, sentence = family_of(model)
    path = path_of(model)
    width = getattr(model.model.diffusion_model, "dim", 0)
    return "\n".join([sentence, *about_family(family, width, Path(path).name if path else "")])
