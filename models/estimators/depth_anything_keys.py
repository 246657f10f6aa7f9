"""Depth Anything V2 in single files with the authors' own names, such as `depth_anything_v2_vits.safetensors`.

Other packs of ComfyUI use these files, so many users have them. The sizes of the network are read from its weights.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...control.errors import UserError

PATCH = 14
HEAD_DIM = 64  # channels of one attention head
# Which blocks' outputs are used: quarters of the network, and the authors' own choice for the large one.
OUTPUTS = {24: (5, 12, 18, 24)}
NAMES = (
    (r"^pretrained\.pos_embed$", "backbone.embeddings.position_embeddings"),
    (r"^pretrained\.(cls_token|mask_token)$", r"backbone.embeddings.\1"),
    (r"^pretrained\.patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
    (r"^pretrained\.norm\.", "backbone.layernorm."),
    (r"^pretrained\.blocks\.(\d+)\.ls([12])\.gamma$", r"backbone.encoder.layer.\1.layer_scale\2.lambda1"),
    (r"^pretrained\.blocks\.(\d+)\.attn\.proj\.", r"backbone.encoder.layer.\1.attention.output.dense."),
    (r"^pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.", r"backbone.encoder.layer.\1.\2."),
    (r"^depth_head\.projects\.(\d)\.", r"neck.reassemble_stage.layers.\1.projection."),
    (r"^depth_head\.resize_layers\.(\d)\.", r"neck.reassemble_stage.layers.\1.resize."),
    (r"^depth_head\.scratch\.output_conv1\.", "head.conv1."),
    (r"^depth_head\.scratch\.output_conv2\.0\.", "head.conv2."),
    (r"^depth_head\.scratch\.output_conv2\.2\.", "head.conv3."),
)
RN = re.compile(r"^depth_head\.scratch\.layer(\d)_rn\.")
FUSE = re.compile(r"^depth_head\.scratch\.refinenet(\d)\.(out_conv|resConfUnit([12])\.conv([12]))\.")
QKV = re.compile(r"^pretrained\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)$")


def is_original(path: Path) -> bool:
    """Return whether a file holds a Depth Anything V2 of disparity under the authors' names.

    Models of metric depth are left out: their file names say 'metric', their weights do not.
    """
    if path.suffix != ".safetensors" or "metric" in path.name.lower() or not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            keys = set(file.keys())
    except (SafetensorError, OSError):
        return False
    return "pretrained.patch_embed.proj.weight" in keys and "depth_head.scratch.output_conv1.weight" in keys


def read_original(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the sizes of the network, and its weights under transformers' names in float32.

    Raises UserError for a file that is cut short or of something else.
    """
    try:
        with safe_open(path, "pt") as file:
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (not a dict)
        return network_sizes(weights), rename(weights)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"'{path.name}' is not a whole Depth Anything V2 model ({error}): fetch it again") from error


def rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under transformers' names, as its files have them. Raises KeyError for an unknown name."""
    renamed = {}
    for key, value in weights.items():
        if match := QKV.match(key):
            layer, kind = match.groups()
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"backbone.encoder.layer.{layer}.attention.attention.{name}.{kind}"] = part.contiguous()
        else:
            renamed[_transformers_name(key)] = value
    return renamed


def _transformers_name(key: str) -> str:
    """Return transformers' name of a weight that both have in one piece. Raises KeyError for an unknown name."""
    if match := RN.match(key):
        return f"neck.convs.{int(match[1]) - 1}.{key[match.end() :]}"
    if match := FUSE.match(key):
        unit = "projection" if match[2] == "out_conv" else f"residual_layer{match[3]}.convolution{match[4]}"
        return f"neck.fusion_stage.layers.{4 - int(match[1])}.{unit}.{key[match.end() :]}"
    for pattern, name in NAMES:
        renamed, count = re.subn(pattern, name, key)
        if count:
            return renamed
    raise KeyError(f"unknown weight '{key}'")


def network_sizes(weights: dict[str, Tensor]) -> dict[str, Any]:
    """Return the numbers of transformers' configuration: 'backbone' for DINOv2, the rest for the head."""
    hidden = weights["pretrained.patch_embed.proj.weight"].shape[0]
    layers = 1 + max(int(match[1]) for key in weights if (match := QKV.match(key)))
    side = math.isqrt(weights["pretrained.pos_embed"].shape[1] - 1)
    outputs = OUTPUTS.get(layers, tuple(max(1, layers * quarter // 4) for quarter in (1, 2, 3, 4)))
    return {
        "backbone": {
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": max(1, hidden // HEAD_DIM),
            "mlp_ratio": weights["pretrained.blocks.0.mlp.fc1.weight"].shape[0] // hidden,
            "patch_size": PATCH,
            "image_size": side * PATCH,
            "out_indices": list(outputs),
            "apply_layernorm": True,
            "reshape_hidden_states": False,
        },
        "reassemble_hidden_size": hidden,
        "neck_hidden_sizes": [weights[f"depth_head.projects.{part}.weight"].shape[0] for part in range(4)],
        "fusion_hidden_size": weights["depth_head.scratch.layer1_rn.weight"].shape[0],
        "head_hidden_size": weights["depth_head.scratch.output_conv2.0.weight"].shape[0],
    }
