"""Depth Anything V2 (Yang et al. 2024) through transformers, from a folder that the user has or chose to download.

A folder holds `config.json` and `model.safetensors`, as the repositories named ...-hf on the hub do; single files with
the authors' own names are read as well (depth_anything_keys.py). The network estimates disparity up to a scale and a
shift of its own for every image: near is large. Nothing is fetched here; depth_anything_download.py is for that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...control.errors import UserError
from ...control.progress import Step
from ..weights.tensor_file import check_finite
from .depth_anything_keys import read_original
from .frames import Canceled, batches, frame_tensors, stop_if

SIDE, MULTIPLE = 518, 14  # the side that it was trained at, and that of its patches, in pixels
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
FILES = ("config.json", "model.safetensors")


def is_model(folder: Path) -> bool:
    """Return whether a folder holds a Depth Anything of transformers, whole as far as names tell."""
    try:
        config = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "depth_anything" and (folder / FILES[1]).is_file()


def load_depth_anything(folder: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """Return the network of a folder, or of a single file of the authors', in float32 (half on CUDA), ready to use.

    Raises UserError where transformers is missing or too old, and for files that are cut short or of something else.
    """
    folder = Path(folder)
    network = _load_original(folder) if folder.is_file() else _load_folder(folder)
    check_finite(network.state_dict(), folder)
    dtype = torch.float16 if torch.device(device).type == "cuda" else torch.float32
    return network.to(device, dtype).eval().requires_grad_(False)


def _load_folder(folder: Path) -> nn.Module:
    """Return the network of a folder with transformers' files."""
    transformers = _transformers()
    if not is_model(folder):
        raise UserError(
            f"the folder '{folder}' holds no Depth Anything model: {' and '.join(FILES)} of a repository whose name"
            " ends in -hf were expected"
        )
    try:
        # safetensors only: a pickle is never read.
        network: nn.Module = transformers.DepthAnythingForDepthEstimation.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True
        )
    except Exception as error:  # transformers and safetensors raise kinds of their own for cut and foreign files
        raise UserError(f"the Depth Anything model in '{folder}' cannot be read ({error}): fetch it again") from error
    return network


def _load_original(path: Path) -> nn.Module:
    """Return the network of a single file with the authors' own names."""
    transformers = _transformers()
    sizes, weights = read_original(path)
    backbone = transformers.Dinov2Config(**sizes.pop("backbone"))
    network: nn.Module
    network, info = transformers.DepthAnythingForDepthEstimation.from_pretrained(
        None,
        config=transformers.DepthAnythingConfig(backbone_config=backbone, **sizes),
        state_dict=weights,
        output_loading_info=True,
    )
    wrong = sorted([*info["missing_keys"], *info["unexpected_keys"], *map(str, info["mismatched_keys"])])
    if wrong:
        raise UserError(f"'{path.name}' is not a Depth Anything V2 that transformers can take: {', '.join(wrong[:3])}")
    return network


def _transformers() -> Any:
    """Return the library. Raises UserError where it is missing or too old for Depth Anything."""
    try:
        import transformers

        transformers.DepthAnythingForDepthEstimation  # noqa: B018 (imported when it is first asked for)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"Depth Anything V2 needs the library 'transformers' (4.45 or newer): pip install -U transformers ({error})"
        ) from error
    return transformers


@torch.no_grad()
def estimate_depth_anything(
    network: nn.Module,
    frames: np.ndarray | Iterable[np.ndarray],
    progress: Step | None = None,
    cancel: Canceled | None = None,
    *,
    side: int = SIDE,
    batch: int = 1,
) -> np.ndarray:
    """Return disparity (F, H, W) float32, near is large, of frames (H, W, 3) in 0..1 or bytes, an array or one by one.

    side: the network looks at images of about side x side pixels with the clip's proportions. batch: so many at once.
    progress is called after every frame; when cancel returns True, UserError is raised. Raises UserError for no frames,
    other shapes, frames of several sizes, and NaN. Memory: the result (twice where the number of frames is not known
    before), and a batch.
    """
    weight = next(network.parameters())
    parts: list[np.ndarray] = []
    result = None
    done = 0
    for images in batches(frame_tensors(frames), batch):
        stop_if(cancel, done)
        size = images.shape[-2:]
        disparity = network(pixel_values=prepare(images, side).to(weight.device, weight.dtype)).predicted_depth
        disparity = F.interpolate(disparity[:, None].float(), size=size, mode="bicubic")[:, 0]
        part = disparity.clamp(min=0).cpu().numpy()
        if result is None and isinstance(frames, Sized):
            result = np.empty((len(frames), *size), np.float32)
        if result is None:
            parts.append(part)
        else:
            result[done : done + len(part)] = part
        done += len(part)
        for _ in range(len(part)):
            if progress is not None:
                progress()
    if not done:
        raise UserError("there are no frames to estimate depth of")
    return np.concatenate(parts) if result is None else result


def prepare(images: Tensor, side: int = SIDE) -> Tensor:
    """Return images (N, 3, H, W) in 0..1 as the network takes them: bicubic, sides in multiples of 14, ImageNet's
    normalization.

    Of the two scales that bring height or width to `side`, the one that changes the image less, as transformers'
    DPTImageProcessor does with keep_aspect_ratio.
    """
    height, width = images.shape[-2:]
    scale = min(side / height, side / width, key=lambda factor: abs(1 - factor))
    size = [max(MULTIPLE, round(length * scale / MULTIPLE) * MULTIPLE) for length in (height, width)]
    images = F.interpolate(images, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    mean, deviation = (images.new_tensor(values)[None, :, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation
