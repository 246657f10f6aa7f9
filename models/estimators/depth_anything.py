"""Depth Anything V2 (Yang et al. 2024) through transformers, from a folder that the user has or chose to download.

A folder holds `config.json` and `model.safetensors`, as the repositories named ...-hf on the hub do; single files with
the authors' own names are read as well (depth_anything_keys.py). The network gives
disparity up to a scale and a shift of its own for every image: near is large. Nothing is fetched here; see
depth_anything_files.py for that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...control.errors import UserError
from .depth_anything_keys import read_original

SIDE, MULTIPLE = 518, 14  # what it was trained at, and its patches
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILES = ("config.json", "model.safetensors")
NEEDS = "Depth Anything V2 needs the library 'transformers' (4.45 or newer): pip install transformers"


def is_model(folder: Path) -> bool:
    """Whether a folder holds a Depth Anything of transformers, whole as far as names tell."""
    try:
        config = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "depth_anything" and (folder / FILES[1]).is_file()


def load_depth_anything(folder: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """The network of a folder, or of a single file of the authors', in float32 (half on CUDA), ready to use.

    Raises UserError where transformers is missing or too old, and for files that are cut short or of something else.
    """
    folder = Path(folder)
    try:
        from transformers import DepthAnythingForDepthEstimation
    except ImportError as error:
        raise UserError(f"{NEEDS} ({error})") from error
    if folder.is_file():
        return _ready(_original(folder), device)
    if not is_model(folder):
        raise UserError(
            f"the folder '{folder}' holds no Depth Anything model: {' and '.join(FILES)} of a repository whose name"
            " ends in -hf were expected"
        )
    try:
        # safetensors only: a pickle is never read.
        network = DepthAnythingForDepthEstimation.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True
        )
    except Exception as error:  # transformers and safetensors raise kinds of their own for cut and foreign files
        raise UserError(f"the Depth Anything model in '{folder}' cannot be read ({error}): fetch it again") from error
    return _ready(network, device)


def _original(path: Path) -> nn.Module:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    sizes, weights = read_original(path)
    config = DepthAnythingConfig(backbone_config=Dinov2Config(**sizes.pop("backbone")), **sizes)
    network, loaded = DepthAnythingForDepthEstimation.from_pretrained(
        None, config=config, state_dict=weights, output_loading_info=True
    )
    wrong = sorted([*loaded["missing_keys"], *loaded["unexpected_keys"], *map(str, loaded["mismatched_keys"])])
    if wrong:
        raise UserError(f"'{path.name}' is no Depth Anything V2 that transformers can take: {', '.join(wrong[:3])}")
    return network


def _ready(network: nn.Module, device: torch.device | str) -> nn.Module:
    half = torch.device(device).type == "cuda"
    return network.to(device, torch.float16 if half else torch.float32).eval().requires_grad_(False)


@torch.no_grad()
def estimate_depth_anything(
    network: nn.Module,
    frames: np.ndarray | Iterable[np.ndarray],
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
    *,
    side: int = SIDE,
    batch: int = 1,
) -> np.ndarray:
    """Disparity (F, H, W) float32, near is large, of frames (H, W, 3) in 0..1 or bytes, an array or one at a time.

    side: the network looks at images of about side x side pixels with the clip's proportions. batch: so many at once.
    progress is called after every frame; when cancel says yes, UserError is raised. Raises UserError for no frames,
    other shapes, frames of several sizes, and NaN. Memory: the result, and a batch.
    """
    result: list[np.ndarray] = []
    total = len(frames) if hasattr(frames, "__len__") else None
    kept = None
    done = 0
    for images in _batches(frames, batch):
        if cancel is not None and cancel():
            raise UserError(f"estimating depth was stopped at frame {done}")
        height, width = images.shape[-2:]
        weight = next(network.parameters())
        disparity = network(pixel_values=prepare(images, side).to(weight.device, weight.dtype)).predicted_depth
        disparity = F.interpolate(disparity[:, None].float(), size=(height, width), mode="bicubic")[:, 0]
        found = disparity.clamp(min=0).cpu().numpy()
        if kept is None and total is not None:
            kept = np.empty((total, height, width), np.float32)
        if kept is not None:
            kept[done : done + len(found)] = found
        else:
            result.append(found)
        done += len(found)
        for _ in range(len(found)):
            if progress is not None:
                progress()
    if not done:
        raise UserError("there are no frames to estimate depth of")
    return kept if kept is not None else np.concatenate(result)


def prepare(images: Tensor, side: int = SIDE) -> Tensor:
    """Images (N, 3, H, W) in 0..1 as the network takes them: bicubic, sides in multiples of 14, ImageNet's colors.

    Of the two scales that bring height or width to `side`, the one that changes the image less, as transformers'
    DPTImageProcessor does with keep_aspect_ratio.
    """
    height, width = images.shape[-2:]
    scale = min(side / height, side / width, key=lambda one: abs(1 - one))
    size = [max(MULTIPLE, round(length * scale / MULTIPLE) * MULTIPLE) for length in (height, width)]
    images = F.interpolate(images, size=size, mode="bicubic", antialias=True).clamp(0, 1)
    mean, deviation = (images.new_tensor(values)[None, :, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def _batches(frames: np.ndarray | Iterable[np.ndarray], size: int) -> Iterator[Tensor]:
    waiting: list[Tensor] = []
    shape = None
    for number, frame in enumerate(frames):
        frame = np.asarray(frame)
        if frame.ndim != 3 or frame.shape[2] not in (3, 4) or min(frame.shape) < 1:
            raise UserError(f"frame {number} has shape {frame.shape}; (height, width, 3) was expected")
        if frame.shape[:2] != (shape or frame.shape[:2]):
            raise UserError(f"frame {number} has another size than the first: give frames of one size")
        shape = frame.shape[:2]
        if frame.dtype != np.uint8 and not np.isfinite(frame).all():
            raise UserError(f"frame {number} holds NaN or infinity")
        scale = 255 if frame.dtype == np.uint8 else 1
        waiting.append(torch.from_numpy(np.ascontiguousarray(frame[..., :3], np.float32)).permute(2, 0, 1) / scale)
        if len(waiting) == size:
            yield torch.stack(waiting)
            waiting = []
    if waiting:
        yield torch.stack(waiting)
