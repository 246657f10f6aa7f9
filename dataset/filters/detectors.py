"""What filters ask others: how much of a frame text covers (EasyOCR), and how it looks (LAION's predictor on CLIP)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from ...control.errors import UserError
from ...control.media import to_bytes

HEAD = "head.safetensors"
OfFrames = Callable[[Sequence[np.ndarray]], float]


def text_coverage() -> OfFrames:
    """Return what says which share of the frames (H, W, 3) text covers, at most. Raises UserError without EasyOCR."""
    try:
        import easyocr
    except ImportError as error:
        raise UserError(
            "measuring text needs EasyOCR, which is not installed: pip install easyocr, or leave out the text filter"
        ) from error
    reader = easyocr.Reader(["en"], gpu=torch.cuda.is_available(), recognizer=False, verbose=False)
    return lambda frames: max(_covered(reader, frame) for frame in frames)


def _covered(reader: Any, frame: np.ndarray) -> float:
    """Return the share of a frame that lies in boxes of text."""
    upright, free = reader.detect(to_bytes(frame))
    covered = np.zeros(frame.shape[:2], bool)
    for left, right, top, bottom in upright[0]:
        covered[max(0, int(top)) : max(0, int(bottom)), max(0, int(left)) : max(0, int(right))] = True
    for corners in free[0]:
        (left, top), (right, bottom) = np.min(corners, 0).astype(int), np.max(corners, 0).astype(int)
        covered[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return float(covered.mean())


def aesthetics(folder: Path) -> OfFrames:
    """Return what scores frames (H, W, 3) from 1 to 10, their mean: LAION's linear predictor on CLIP's image features.

    folder: a CLIP model as transformers saves it, with its image processor, and `head.safetensors` (weight (1, D) and
    bias (1,) of the predictor). Raises UserError where one of them is missing.
    """
    transformers = _transformers()
    if not (folder / HEAD).is_file():
        raise UserError(f"'{folder}' lacks {HEAD}: put the predictor (weight, bias) beside the files of CLIP")
    head = load_file(folder / HEAD)
    try:
        model = transformers.CLIPModel.from_pretrained(folder, local_files_only=True).eval()
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"'{folder}' is not a CLIP model of transformers ({str(error)[:200]})") from error

    @torch.no_grad()
    def score(frames: Sequence[np.ndarray]) -> float:
        pixels = processor.image_processor(images=[to_bytes(frame) for frame in frames], return_tensors="pt")
        features = model.visual_projection(model.vision_model(**pixels).pooler_output)
        features = features / features.norm(dim=-1, keepdim=True)
        return float((features @ head["weight"].T.float() + head["bias"].float()).mean())

    return score


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError("scoring aesthetics needs the library 'transformers': pip install transformers") from error
    return transformers
