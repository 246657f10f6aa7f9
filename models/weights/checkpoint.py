"""One file holds the transformer, its text encoder and its config: safetensors, read strictly.

Keys are Wan 2.1's for the transformer, `tokenizers.*` for the condition tokenizers, `text_encoder.*` for the words. The
metadata entry `config` is described in config.py; everything else in the metadata is information.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...control.camera.motion_range import CameraMotionRange
from ...control.errors import UserError
from ..backbone.transformer import FullDiT
from ..conditioning.text import TextEncoder
from ..config import FullDiTConfig
from .condition_file import is_condition_file
from .tensor_file import PathLike, check_fit, load_strict, read_header, read_metadata, read_tensors, write_tensors

FORMAT = "fulldit"
TEXT = "text_encoder."


def embedded_path(name: str) -> Path:
    """Return the path of weights that come with the repository: 'fulldit_mini', 'fulldit_mini_vae', ..."""
    return Path(__file__).resolve().parents[2] / "checkpoints" / f"{name}.safetensors"


def named_path(name: str) -> Path:
    """Return the file that somebody names: weights that come with the repository by their bare name, or a path."""
    path, own = Path(name), embedded_path(name)
    return own if not path.suffix and not path.exists() and own.is_file() else path


def save_model(
    path: PathLike,
    model: FullDiT,
    text: TextEncoder | None,
    config: FullDiTConfig,
    extra_metadata: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = torch.bfloat16,
) -> None:
    """Write a checkpoint, whole or not at all.

    Large matrices are stored in `dtype` (None: as they are); small weights, and those of layers that compute in
    float32, as they are. Values of `extra_metadata` that are not strings are written as JSON.
    """
    tensors = {name: _storage_format(name, value, dtype) for name, value in model.state_dict().items()}
    if text is not None:
        tensors |= {TEXT + name: _storage_format(name, value, dtype) for name, value in text.state_dict().items()}
    metadata = {"format": FORMAT, "config": config.to_json()}
    for name, value in (extra_metadata or {}).items():
        metadata[name] = value if isinstance(value, str) else json.dumps(value)
    write_tensors(path, tensors, metadata)


def _storage_format(name: str, value: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """Return a weight in the format that it is stored in."""
    matrix = value.ndim == 2 and value.numel() >= 4096
    precise = name.startswith("tokenizers.") and ".net." in name
    return value.to(dtype) if dtype is not None and matrix and not precise else value


def read_config(path: PathLike) -> FullDiTConfig:
    """Return the config of a checkpoint. Raises UserError for a file that is not one of FullDiT."""
    metadata = read_metadata(path)
    if is_condition_file(metadata):
        raise UserError(
            f"'{path}' is a condition file, which makes a FullDiT of a plain Wan model: choose it together with that, "
            f"as the condition file."
        )
    if "config" not in metadata:
        raise UserError(f"'{path}' is not a FullDiT checkpoint (it has no config). Choose one made by `fulldit train`.")
    try:
        return FullDiTConfig.from_json(metadata["config"])
    except UserError as error:
        raise UserError(f"'{path}': {error.clause}") from error


def read_camera_motion_range(path: PathLike) -> CameraMotionRange | None:
    """Return the range of camera movement that a checkpoint was trained on (`camera_reach` in its metadata).

    None where it is missing or damaged: it only serves warnings, which are not worth refusing a checkpoint for.
    """
    try:
        return CameraMotionRange.from_json(json.loads(read_metadata(path).get("camera_reach", "null")))
    except ValueError:
        return None


def load_model(
    path: PathLike, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[FullDiT, TextEncoder, FullDiTConfig]:
    """Return the networks and the config of a checkpoint, on `device` in the format `dtype`, ready to use.

    Patch embeddings and the camera tokenizer stay float32.

    Raises UserError for files that are missing, pickled, cut short or foreign, and for keys that do not fit exactly.
    """
    config = read_config(path)
    if config.text != "bytes":
        raise UserError(
            f"'{path}' has no text encoder of its own (it was trained with {config.text!r}), which this needs. "
            f"Choose a checkpoint that has one."
        )
    model, config = load_network(path, device, dtype)
    text = TextEncoder(dim=config.text_dim, device=device, dtype=dtype)
    tensors = {name.removeprefix(TEXT): value for name, value in read_tensors(path).items() if name.startswith(TEXT)}
    load_strict(text, tensors, path, "text encoder of the miniature")
    return model, text.eval(), config


def load_network(
    path: PathLike, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[FullDiT, FullDiTConfig]:
    """Return the network and the config of a checkpoint, whatever it reads its words with. Raises UserError as
    `load_model` does."""
    config = read_config(path)
    # A config may promise more than the file holds: nothing is allocated before the shapes agree.
    shapes = {name: shape for name, shape in read_header(path)[0].items() if not name.startswith(TEXT)}
    check_fit(FullDiT(config, device="meta"), shapes, path, "model that its config describes")
    model = FullDiT(config, device=device, dtype=dtype)
    tensors = {name: value for name, value in read_tensors(path).items() if not name.startswith(TEXT)}
    load_strict(model, tensors, path, "model that its config describes")
    return model.eval(), config
