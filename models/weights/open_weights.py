"""Open Wan weights as the backbone of a FullDiT."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from ...control.errors import UserError
from ..backbone.initialize import initialize_predictors, initialize_tokenizers
from ..backbone.transformer import FullDiT
from .condition_file import OWN
from .key_maps import to_wan
from .quantized import dequantize
from .tensor_file import PathLike, load_strict

# Of image-to-video, VACE, Fun Control, and a FullDiT checkpoint.
_NOT_PLAIN = ("img_emb.", "vace_", "ref_conv.", "tokenizers.")


def load_backbone(
    model: FullDiT,
    state: Mapping[str, torch.Tensor],
    path: PathLike = "the file",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Load open Wan 2.1 text-to-video weights into a FullDiT of the same size, and initialize what Wan does not have.

    `state` and `metadata` are a file's: in the original layout or diffusers', in any of the known wrappings, plain or
    in fp8. Raises UserError for weights of another size or number format, or with parts that this network lacks
    (image-to-video, VACE).
    """
    weights = to_wan(dequantize(state, metadata, path))
    check_plain(weights, path)
    own = model.state_dict()
    extra = {name: own[name] for name in own if OWN.fullmatch(name)}
    load_strict(model, {**weights, **extra}, path, "network of this size")
    initialize_tokenizers(model)
    initialize_predictors(model)


def check_plain(names: Iterable[str], path: PathLike) -> None:
    """Raise UserError for weights (original keys) with parts that plain text-to-video models do not have."""
    if odd := next((name for name in names if name.startswith(_NOT_PLAIN)), None):
        raise UserError(
            f"'{path}' is not a plain text-to-video Wan 2.1 model (it has '{odd}'). Use Wan2.1-T2V-1.3B or 14B."
        )
