"""Weights in 8-bit floating point as plain tensors: what is stored is the weight divided by a scale.

Three kinds of files are read. The old layout has a top-level `scaled_fp8` and, for a layer L, `L.scale_weight` (and
`L.scale_input`, which only a matrix product in fp8 needs). The new one has `L.weight_scale` (`L.input_scale`) and says
the layer's format in `L.comfy_quant`, the bytes of a JSON object, or in the file's metadata. A plain file was cast to
fp8 without any scale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch

from ...control.errors import UserError
from .key_maps import without_prefix
from .tensor_file import PathLike

METADATA = "_quantization_metadata"
FORMATS = {"float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}
_FP8 = tuple(FORMATS.values())
_PLAIN = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
# What stands beside a layer's weight: its scale, and what plain tensors do not need. `scaled_fp8` is the whole file's.
_SCALES = ("weight_scale", "scale_weight")
_REST = ("comfy_quant", "input_scale", "scale_input", "scaled_fp8")
_ADVICE = "Use the file of this model in fp8_scaled, bf16 or fp16."


def dequantize(
    state: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None, path: PathLike = "the file"
) -> dict[str, torch.Tensor]:
    """Return a file's tensors by their keys without wrapping: those in fp8 times their scales, in float32, the others
    as they are.

    Raises UserError for another format than fp8, and for a layer without the scale that it should have.
    """
    state = {without_prefix(name): value for name, value in state.items()}
    declared = _declared_layers(state, metadata or {}, path)
    result = {}
    for name, value in state.items():
        if name.rpartition(".")[2] in (*_SCALES, *_REST):
            continue
        layer = name.removesuffix(".weight")
        scale = next((state[key] for kind in _SCALES if (key := f"{layer}.{kind}") in state), None)
        matrix = value.dtype in _FP8 and value.ndim > 1
        if scale is None and (layer in declared or (matrix and "scaled_fp8" in state)):
            raise UserError(
                f"'{path}' has '{name}' in fp8 without its scale ('{layer}.weight_scale' or '{layer}.scale_weight'). "
                f"Download it again, or use another file of this model."
            )
        _check_type(name, value, path, _FP8 if layer in declared else (*_PLAIN, *_FP8))
        if scale is not None:
            value = value.float() * _spread(scale, value, layer, path)
        result[name] = value.float() if value.dtype in _FP8 else value
    return result


def _declared_layers(state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], path: PathLike) -> set[str]:
    """Return the layers that a file declares to be in fp8. Raises UserError for layers in another format."""
    try:
        declared = dict(json.loads(metadata.get(METADATA, "{}")).get("layers", {}))
        for name, value in state.items():
            if name.endswith(".comfy_quant"):
                declared[name.removesuffix(".comfy_quant")] = json.loads(value.cpu().numpy().tobytes())
        formats = {without_prefix(layer): str(entry["format"]) for layer, entry in declared.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"'{path}' does not say in which format its layers are stored. {_ADVICE}") from error
    for layer, kind in formats.items():
        if kind not in FORMATS:
            raise UserError(f"'{path}' has layers in {kind} ('{layer}'), which is not read here. {_ADVICE}")
    return set(formats)


def _check_type(name: str, value: torch.Tensor, path: PathLike, types: tuple[torch.dtype, ...]) -> None:
    """Raise UserError unless a tensor is of one of the number formats `types`."""
    if value.dtype not in types:
        kind = str(value.dtype).removeprefix("torch.")
        raise UserError(f"'{path}' has '{name}' in {kind}, which is not read here. {_ADVICE}")


def _spread(scale: torch.Tensor, value: torch.Tensor, layer: str, path: PathLike) -> torch.Tensor:
    """Return a scale in float32 and a shape that multiplies `value`: one number, one a row, or one a block of it.

    Raises UserError for any other shape or for a scale that is not a plain number.
    """
    _check_type(f"{layer}.weight_scale", scale, path, _PLAIN)
    scale = scale.float()
    if scale.numel() == 1:
        return scale.reshape(())
    if scale.shape == value.shape[:1]:
        return scale.reshape(-1, *(1 for _ in value.shape[1:]))
    if scale.ndim != value.ndim or any(side % parts for side, parts in zip(value.shape, scale.shape, strict=True)):
        raise UserError(
            f"'{path}' has a scale of shape {tuple(scale.shape)} for '{layer}', whose weight is of shape "
            f"{tuple(value.shape)}. {_ADVICE}"
        )
    for axis, (side, parts) in enumerate(zip(value.shape, scale.shape, strict=True)):
        scale = scale.repeat_interleave(side // parts, axis)
    return scale
