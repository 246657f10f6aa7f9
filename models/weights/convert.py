"""Whole models between the original layout, ours and ComfyUI's, and a folder of diffusers: a renaming, bit for bit.

A folder of diffusers has `config.json` and `diffusion_pytorch_model.safetensors`. Our metadata is the entry `fulldit`
of its config, which diffusers_model.py reads; a text encoder of our own lies in `text_encoder/model.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ...control.files import write_json
from ..config import FullDiTConfig
from .attach import attach
from .checkpoint import FORMAT, TEXT
from .condition_file import read_condition_file
from .key_maps import is_diffusers, to_diffusers, to_wan
from .open_weights import check_plain
from .shards import parse_headers, read_shards, shard_paths
from .tensor_file import PathLike, check_finite, write_tensors

LAYOUTS = ("native", "diffusers")
CONFIG, WEIGHTS, TEXT_FILE = "config.json", "diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
_CLASSES = {True: "FullDiTWanTransformer3DModel", False: "WanTransformer3DModel"}
# Weights that the sizes are told by.
_TOLD_BY = ("head.head.weight", "text_embedding.0.weight", "time_embedding.0.weight", "blocks.0.ffn.0.weight")
_WAN_HEAD = 128  # width of a head in every Wan


def convert(source: PathLike, to: PathLike, layout: str, condition_file: PathLike | None = None) -> Path:
    """Write a model in another layout, 'native' (a file) or 'diffusers' (a folder), and return what was written.

    source: a Wan or FullDiT in either layout: its file, its parts, or their folder. condition_file: is put onto the Wan
    first, which makes a whole FullDiT of both. Raises UserError for files that are damaged or something else, and for
    what the other layout does not have.
    """
    to = Path(to)
    if layout == "native" and to.suffix not in (".safetensors", ".sft"):
        raise UserError(f"'{to}' is to be a file of safetensors: give a name that ends in .safetensors.")
    if layout == "diffusers" and (to.is_file() or (to / CONFIG).exists()):
        raise UserError(f"'{to}' holds something already: give a folder that does not exist yet.")
    state, metadata = _read(source) if condition_file is None else _attached(source, condition_file)
    if layout == "native":
        write_tensors(to, state, metadata)
    else:
        _write_folder(to, state, metadata, source)
    return to


def _attached(source: PathLike, condition_file: PathLike) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return tensors and metadata of the whole FullDiT that a Wan and a condition file make."""
    conditions = read_condition_file(condition_file)
    model = attach(source, conditions, dtype=torch.bfloat16)
    return dict(model.state_dict()), {"format": FORMAT, "config": conditions.config.to_json()}


def _read(source: PathLike) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return a model's tensors under the original keys, and its metadata."""
    paths = shard_paths(source)
    state, metadata = read_shards(source), parse_headers(paths).metadata
    if is_diffusers(state):
        metadata, folder = {}, paths[0].parent
        if (folder / CONFIG).is_file():
            ours = _config_of(folder / CONFIG).get("fulldit") or {}
            if not isinstance(ours, dict) or not all(isinstance(text, str) for text in ours.values()):
                raise UserError(f"'{folder / CONFIG}' has an entry 'fulldit' that is not metadata. Convert it again.")
            metadata = ours
        if (folder / TEXT_FILE).is_file():
            state |= {TEXT + name: value for name, value in read_shards(folder / TEXT_FILE).items()}
    state = to_wan(state)
    if "head.modulation" not in state or "patch_embedding.weight" not in state:
        raise UserError(f"'{source}' is not a Wan model or FullDiT: it has neither layout's keys. Choose another file.")
    check_finite(state, source)
    return state, metadata


def _config_of(path: Path) -> dict[str, Any]:
    """Return a config.json. Raises UserError for one that cannot be read."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"'{path}' cannot be read ({error}). Download or copy it again.") from error
    if not isinstance(config, dict):
        raise UserError(f"'{path}' is not a config of diffusers. Download or copy it again.")
    return config


def _write_folder(
    folder: Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], source: PathLike
) -> None:
    """Write a model as a folder of diffusers."""
    ours = "config" in metadata and "fulldit" in metadata["config"]
    text = {name.removeprefix(TEXT): value for name, value in state.items() if name.startswith(TEXT)}
    network = {name: value for name, value in state.items() if not name.startswith(TEXT)}
    config = _diffusers_config(network, metadata, ours, source)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / WEIGHTS, to_diffusers(network), {"format": "pt"})
    if text:
        write_tensors(folder / TEXT_FILE, text, {"format": "pt"})
    write_json(folder / CONFIG, config)


def _diffusers_config(
    state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], ours: bool, source: PathLike
) -> dict[str, Any]:
    """Return the config.json of a network. Raises UserError for one that diffusers' class does not describe."""
    if not ours:
        check_plain(state, source)
    if odd := next((name for name, value in state.items() if value.element_size() < 2 or "scale_weight" in name), None):
        raise UserError(
            f"'{source}' is quantized (it has '{odd}'), which diffusers does not read. Convert the fp16 file."
        )
    if lost := next((name for name in _TOLD_BY if name not in state), None):
        raise UserError(f"'{source}' lacks '{lost}'. Download or copy it again.")
    patch = state["patch_embedding.weight"]
    width, channels, *sides = patch.shape
    heads = width // _WAN_HEAD
    if ours:
        own = FullDiTConfig.from_json(metadata["config"])
        heads = own.num_heads
        if own.joint_text or not own.qk_norm:
            raise UserError(f"'{source}' reads text in the sequence or norms nothing, which diffusers' Wan does not.")
        if own.reads_less:
            raise UserError(
                f"'{source}' reads conditions in some blocks, or the most important of their tokens, alone, which the "
                f"published class for diffusers does not. Keep it in our layout."
            )
    values = {
        "_class_name": _CLASSES[ours],
        "patch_size": sides,
        "num_attention_heads": heads,
        "attention_head_dim": width // max(1, heads),
        "in_channels": channels,
        "out_channels": state["head.head.weight"].shape[0] // (sides[0] * sides[1] * sides[2]),
        "text_dim": state["text_embedding.0.weight"].shape[1],
        "freq_dim": state["time_embedding.0.weight"].shape[1],
        "ffn_dim": state["blocks.0.ffn.0.weight"].shape[0],
        "num_layers": len({name.split(".")[1] for name in state if name.startswith("blocks.")}),
        "cross_attn_norm": "blocks.0.norm3.weight" in state,
        "qk_norm": "rms_norm_across_heads",
        "eps": own.eps if ours else 1e-6,
    }
    return {**values, "fulldit": dict(metadata)} if ours else values
