"""In which number format a file's weights are, where they are quantized."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..weights.tensor_file import Header

METADATA = "_quantization_metadata"
_LAYER = ".comfy_quant"
_OF_DTYPE = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "I8": "int8_tensorwise"}


def quantization(
    shapes: Mapping[str, Sequence[int]], metadata: Mapping[str, str], dtypes: Mapping[str, str] | None = None
) -> str:
    """Return the name of the quantization of these weights, '' where there is none.

    The names are ComfyUI's (float8_e4m3fn, mxfp8, nvfp4, int8_tensorwise, ...); 'fp8_scaled' is its earlier layout.
    """
    dtypes = dtypes or {}
    if named := _of_metadata(metadata):
        return named
    if legacy := next((name for name in shapes if name.split(".")[-1] == "scaled_fp8"), None):
        format = _OF_DTYPE.get(dtypes.get(legacy, ""))
        return f"fp8_scaled ({format})" if format else "fp8_scaled"
    layers = [name.removesuffix(_LAYER) for name in shapes if name.endswith(_LAYER)]
    if layers:
        return ", ".join(sorted({_of_layer(layer, shapes, dtypes) for layer in layers}))
    bare = {_OF_DTYPE[dtype] for name, dtype in dtypes.items() if dtype in _OF_DTYPE and name.endswith(".weight")}
    return f"{', '.join(sorted(bare))} without scales" if bare else ""


def with_layer_formats(paths: Sequence[Path], header: Header) -> dict[str, str]:
    """Return the metadata of files with what their small `comfy_quant` tensors say about each layer."""
    metadata = dict(header.metadata)
    if METADATA in metadata or not any(name.endswith(_LAYER) for name in header.shapes):
        return metadata
    from safetensors import safe_open

    layers = {}
    for path in paths:
        with safe_open(path, "pt") as file:
            for name in (name for name in file.keys() if name.endswith(_LAYER)):  # noqa: SIM118 (it is not a dict)
                try:
                    layers[name.removesuffix(_LAYER)] = json.loads(file.get_tensor(name).numpy().tobytes())
                except (ValueError, TypeError):
                    return metadata
    return {**metadata, METADATA: json.dumps({"layers": layers})}


def _of_metadata(metadata: Mapping[str, str]) -> str:
    """Return the formats that the metadata names; '' where it names none."""
    try:
        layers = json.loads(metadata.get(METADATA, "{}")).get("layers", {}).values()
        formats = {f"{layer['format']}{' with convrot' if layer.get('convrot') else ''}" for layer in layers}
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""
    return ", ".join(sorted(formats))


def _of_layer(layer: str, shapes: Mapping[str, Sequence[int]], dtypes: Mapping[str, str]) -> str:
    """Return the format of a layer by what lies beside its weight, where only names and shapes are known."""
    if f"{layer}.weight_scale_2" in shapes:
        return "nvfp4"
    if f"{layer}.weight_s_rel" in shapes:
        return "asym_w4a8_int8"
    scale, weight = shapes.get(f"{layer}.weight_scale", ()), shapes.get(f"{layer}.weight", ())
    if len(scale) == len(weight) == 2 and weight[1] == 32 * scale[1]:
        return "mxfp8"
    return _OF_DTYPE.get(dtypes.get(f"{layer}.weight", ""), "8 bit")
