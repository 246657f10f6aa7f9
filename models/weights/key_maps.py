"""Keys of open Wan weights: the original layout, which is ours and ComfyUI's, and that of diffusers.

The two layouts differ in names only, so tensors (or their shapes) of any kind can be renamed. Note the trap: diffusers
calls Wan's `norm3` `norm2`, since Wan's own norm1 and norm2 have no weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

# What makers of files put before the keys, the longer one of two that begin alike first.
PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "pipe.dit.",
    "dit.",
    "net.",
    "transformer.",
    "module.",
    "model.",
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
    ("proj_out.", "head.head."),
    ("scale_shift_table", "head.modulation"),
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
    ("proj_in.", "before_proj."),
    ("proj_out.", "after_proj."),
)


def is_diffusers(names: Iterable[str]) -> bool:
    """Return whether the keys are those of diffusers' Wan transformers."""
    return any("condition_embedder." in name for name in names)


def to_wan_name(name: str) -> str:
    """Return a key of diffusers under Wan's name. One that is not diffusers' stays as it is."""
    return _translate(name, 0, 1)


def to_diffusers_name(name: str) -> str:
    """Return a key of Wan under diffusers' name. One that diffusers does not have stays as it is."""
    return _translate(name, 1, 0)


def _translate(name: str, old: int, new: int) -> str:
    """Return a key under its name in column `new` of the tables, looked up in column `old`."""
    stack, *rest = name.split(".", 2)
    if stack in ("blocks", "vace_blocks") and len(rest) == 2:
        return f"{stack}.{rest[0]}.{_rename_start(rest[1], _BLOCK_NAMES, old, new)}"
    return _rename_start(name, _NAMES, old, new)


def _rename_start(name: str, pairs: tuple[tuple[str, str], ...], old: int, new: int) -> str:
    """Return `name` with the first fitting start of `pairs` replaced by the other of its pair.

    A name that none fits stays as it is, so that strict loading can name it.
    """
    for pair in pairs:
        if name.startswith(pair[old]):
            return pair[new] + name[len(pair[old]) :]
    return name


def to_wan(state: Mapping[str, T]) -> dict[str, T]:
    """Return weights in any of the known wrappings and layouts under the original Wan's keys. Unknown keys stay."""
    state = {without_prefix(name): value for name, value in state.items()}
    return {to_wan_name(name): value for name, value in state.items()} if is_diffusers(state) else state


def to_diffusers(state: Mapping[str, T]) -> dict[str, T]:
    """Return weights with the original Wan's keys under those of diffusers. Unknown keys (our tokenizers) stay."""
    return {to_diffusers_name(name): value for name, value in state.items()}


def without_prefix(name: str) -> str:
    """Return a key without the wrappings that its file's maker put before it."""
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix)
    return name
