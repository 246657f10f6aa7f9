"""Keys of open Wan 2.1 weights: the original layout, which is ours, and that of diffusers.

The two layouts differ in names only. Note the trap: diffusers calls Wan's `norm3` `norm2`, since Wan's own norm1 and
norm2 have no weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch

from ...control.errors import UserError
from ..backbone.initialize import initialize_tokenizers
from ..backbone.transformer import FullDiT
from .tensor_file import load_strict

T = TypeVar("T")

# What makers of files put before the keys.
PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "module.",
    "model.",
    "net.",
    "pipe.dit.",
    "dit.",
)

# Starts of keys, (diffusers, Wan); the first that fits is taken.
_NAMES: tuple[tuple[str, str], ...] = (
    ("condition_embedder.time_embedder.linear_1.", "time_embedding.0."),
    ("condition_embedder.time_embedder.linear_2.", "time_embedding.2."),
    ("condition_embedder.time_proj.", "time_projection.1."),
    ("condition_embedder.text_embedder.linear_1.", "text_embedding.0."),
    ("condition_embedder.text_embedder.linear_2.", "text_embedding.2."),
    ("condition_embedder.image_embedder.norm1.", "img_emb.proj.0."),
    ("condition_embedder.image_embedder.ff.net.0.proj.", "img_emb.proj.1."),
    ("condition_embedder.image_embedder.ff.net.2.", "img_emb.proj.3."),
    ("condition_embedder.image_embedder.norm2.", "img_emb.proj.4."),
    ("condition_embedder.image_embedder.pos_embed", "img_emb.emb_pos"),
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
    ("attn2.add_k_proj.", "cross_attn.k_img."),
    ("attn2.add_v_proj.", "cross_attn.v_img."),
    ("attn2.norm_added_k.", "cross_attn.norm_k_img."),
    ("norm2.", "norm3."),
    ("ffn.net.0.proj.", "ffn.0."),
    ("ffn.net.2.", "ffn.2."),
    ("scale_shift_table", "modulation"),
    # Of VACE's blocks alone.
    ("proj_in.", "before_proj."),
    ("proj_out.", "after_proj."),
)


def is_diffusers(names: Iterable[str]) -> bool:
    """Return whether the keys are those of diffusers' WanTransformer3DModel."""
    return any("condition_embedder." in name for name in names)


def _translate(name: str, to_wan: bool) -> str:
    """Return a key of diffusers under Wan's name (`to_wan`), or a key of Wan under diffusers' name."""
    if name == ("scale_shift_table" if to_wan else "head.modulation"):
        return "head.modulation" if to_wan else "scale_shift_table"
    if not name.startswith(("blocks.", "vace_blocks.")):
        return _rename_start(name, _NAMES, to_wan)
    blocks, number, rest = name.split(".", 2)
    return f"{blocks}.{number}.{_rename_start(rest, _BLOCK_NAMES, to_wan)}"


def _rename_start(name: str, pairs: tuple[tuple[str, str], ...], to_wan: bool) -> str:
    """Return `name` with the first fitting start of `pairs` (diffusers, Wan) replaced by the other.

    A name that none fits stays as it is, so that strict loading can name it.
    """
    for diffusers, wan in pairs:
        old, new = (diffusers, wan) if to_wan else (wan, diffusers)
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def to_wan(state: Mapping[str, T]) -> dict[str, T]:
    """Return weights (or their shapes) in any known wrapping and layout under the original Wan 2.1's keys.

    Unknown keys stay.
    """
    state = {_without_prefix(name): value for name, value in state.items()}
    return {_translate(name, to_wan=True): value for name, value in state.items()} if is_diffusers(state) else state


def to_diffusers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights with the original Wan 2.1's keys under those of diffusers. Unknown keys (our tokenizers) stay."""
    return {_translate(name, to_wan=False): value for name, value in state.items()}


def _without_prefix(name: str) -> str:
    """Return a key without the wrapping that a file's maker put before it."""
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def load_backbone(model: FullDiT, state: Mapping[str, torch.Tensor], path: str = "the file") -> None:
    """Load open Wan 2.1 text-to-video weights into a FullDiT of the same size, and initialize its tokenizers from them.

    Raises UserError for weights of another size, or with parts that this network lacks (image-to-video, VACE).
    """
    weights = to_wan(state)
    if any(name.startswith(("img_emb.", "vace_", "ref_conv.")) for name in weights):
        raise UserError(f"'{path}' is not a plain text-to-video Wan 2.1 model. Use Wan2.1-T2V-1.3B or 14B.")
    own = model.state_dict()
    extra = {name: own[name] for name in own if name.startswith(("tokenizers.", "text_type"))}
    load_strict(model, {**weights, **extra}, path, "network of this size")
    initialize_tokenizers(model)
