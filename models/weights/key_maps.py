"""Keys of open Wan 2.1 weights: the original layout, which is ours, and that of diffusers.

The two layouts differ in names only. Note the trap: diffusers calls Wan's `norm3` `norm2`, since Wan's own norm1 and
norm2 have no weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ...control.errors import UserError
from ..backbone.initialize import initialize_tokenizers
from ..backbone.transformer import FullDiT
from .tensor_file import load_strict

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "module.")

# diffusers -> Wan; the first that fits is taken.
_NAMES: tuple[tuple[str, str], ...] = (
    ("condition_embedder.time_embedder.linear_1.", "time_embedding.0."),
    ("condition_embedder.time_embedder.linear_2.", "time_embedding.2."),
    ("condition_embedder.time_proj.", "time_projection.1."),
    ("condition_embedder.text_embedder.linear_1.", "text_embedding.0."),
    ("condition_embedder.text_embedder.linear_2.", "text_embedding.2."),
    ("patch_embedding.", "patch_embedding."),
    ("proj_out.", "head.head."),
)
_BLOCK_NAMES: tuple[tuple[str, str], ...] = (
    *(
        (f"attn{n}.to_{d}.", f"{w}.{o}.")
        for n, w in ((1, "self_attn"), (2, "cross_attn"))
        for d, o in (("q", "q"), ("k", "k"), ("v", "v"), ("out.0", "o"))
    ),
    *((f"attn{n}.norm_{x}.", f"{w}.norm_{x}.") for n, w in ((1, "self_attn"), (2, "cross_attn")) for x in "qk"),
    ("norm2.", "norm3."),
    ("ffn.net.0.proj.", "ffn.0."),
    ("ffn.net.2.", "ffn.2."),
)


def is_diffusers(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the keys are those of diffusers' WanTransformer3DModel."""
    return any("condition_embedder." in name for name in state)


def _translate(name: str, forward: bool) -> str:
    def turn(pairs):
        return pairs if forward else tuple((b, a) for a, b in pairs)

    if name == ("scale_shift_table" if forward else "head.modulation"):
        return "head.modulation" if forward else "scale_shift_table"
    if name.startswith("blocks."):
        _, number, rest = name.split(".", 2)
        for old, new in turn((*_BLOCK_NAMES, ("scale_shift_table", "modulation"))):
            if rest.startswith(old):
                return f"blocks.{number}.{new}{rest[len(old) :]}"
    else:
        for old, new in turn(_NAMES):
            if name.startswith(old):
                return new + name[len(old) :]
    return name  # left as it is, so that strict loading can name it


def to_wan(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights in any of the known wrappings and layouts -> keys of the original Wan 2.1. Unknown keys are kept."""
    found = {}
    for name, value in state.items():
        for prefix in PREFIXES:
            if name.startswith(prefix):
                name = name[len(prefix) :]
                break
        found[name] = value
    return {_translate(name, True): value for name, value in found.items()} if is_diffusers(found) else found


def to_diffusers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Keys of the original Wan 2.1 -> keys of diffusers. Unknown keys (our tokenizers) are kept."""
    return {_translate(name, False): value for name, value in state.items()}


def load_backbone(model: FullDiT, state: Mapping[str, torch.Tensor], path: str = "the file") -> None:
    """Load open Wan 2.1 text-to-video weights into a FullDiT of the same size; its condition tokenizers start afresh.

    Raises UserError for weights of another size, or with parts that this network lacks (image-to-video, VACE).
    """
    weights = to_wan(state)
    if any(name.startswith(("img_emb.", "vace_", "ref_conv.")) for name in weights):
        raise UserError(f"'{path}' is not a plain text-to-video Wan 2.1 model. Use Wan2.1-T2V-1.3B or 14B.")
    own = model.state_dict()
    extra = {name: own[name] for name in own if name.startswith(("tokenizers.", "text_type"))}
    load_strict(model, {**weights, **extra}, path, "network of this size")
    initialize_tokenizers(model)
