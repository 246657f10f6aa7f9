"""Open Wan weights as the backbone of a FullDiT."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ...control.errors import UserError
from ..backbone.initialize import initialize_tokenizers
from ..backbone.transformer import FullDiT
from .key_maps import to_wan
from .quantized import dequantize
from .tensor_file import PathLike, load_strict


def load_backbone(
    model: FullDiT,
    state: Mapping[str, torch.Tensor],
    path: PathLike = "the file",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Load open Wan 2.1 text-to-video weights into a FullDiT of the same size, and initialize its tokenizers from them.

    `state` and `metadata` are a file's: in the original layout or diffusers', in any of the known wrappings, plain or
    in fp8. Raises UserError for weights of another size or number format, or with parts that this network lacks
    (image-to-video, VACE).
    """
    weights = to_wan(dequantize(state, metadata, path))
    if any(name.startswith(("img_emb.", "vace_", "ref_conv.")) for name in weights):
        raise UserError(f"'{path}' is not a plain text-to-video Wan 2.1 model. Use Wan2.1-T2V-1.3B or 14B.")
    own = model.state_dict()
    extra = {name: own[name] for name in own if name.startswith(("tokenizers.", "text_type"))}
    load_strict(model, {**weights, **extra}, path, "network of this size")
    initialize_tokenizers(model)
