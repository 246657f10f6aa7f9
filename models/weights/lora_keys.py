"""Keys of LoRA files as every known writer has them, translated to those that ComfyUI's core reads for Wan.

A key is a wrapping, a module and a tail: `base_model.model.` + `blocks.0.attn1.to_q` + `lora_A.default.weight`. Core
reads `diffusion_model.` + Wan's own name of the module (or of a plain parameter such as `blocks.0.modulation`) + a tail
that it knows. Writers that replace the points of the module by underscores (`lora_unet_blocks_0_self_attn_q`) are read
by a table of the model's own names, since names hold underscores too.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from ...control.errors import UserError
from .key_maps import PREFIXES, to_diffusers_name, to_wan_name

CORE = "diffusion_model."
# Before modules with points (any number of them), and before modules with underscores (one; the longer one first).
_WRAPPINGS = ("base_model.model.", *PREFIXES)
_FLAT_WRAPPINGS = ("lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_")

_DOWN = r"lora_A|lora_down|lora\.down|lora_linear_layer\.down"
_UP = r"lora_B|lora_up|lora\.up|lora_linear_layer\.up"
# A matrix of a LoRA; between its name and `weight` may stand the name of an adapter ("default").
_MATRIX = re.compile(rf"(?P<module>.+)\.(?:(?P<down>{_DOWN})|(?P<up>{_UP}))(?:(?:\.\w+)?\.weight)?")
# Further tails, which core knows under the same names: changes of a weight or a bias, and LyCORIS's other factors.
BIAS_TAILS = ("diff_b", "b_norm")
_TAILS = (
    *("alpha", "dora_scale", "diff", "set_weight", "reshape_weight", "w_norm", *BIAS_TAILS),
    *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
    *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
    *("a1.weight", "a2.weight", "b1.weight", "b2.weight", "oft_blocks", "rescale"),
)
# What core reads of a module only together.
_TOGETHER = (
    {"lora_A.weight", "lora_B.weight"},
    {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"},
    {"hada_t1", "hada_t2"},
    {"lokr_w1_a", "lokr_w1_b"},
    {"lokr_w2_a", "lokr_w2_b"},
    {"a1.weight", "a2.weight", "b1.weight", "b2.weight"},
)
# What goes with a pair of matrices.
_OF_PAIR = ("lora_A.weight", "lora_B.weight", "alpha", "dora_scale", "reshape_weight")
_STAND_IN = re.compile(r".*\.[qkv]_loras\.(down|up)\.weight")


@dataclass(frozen=True)
class NormalizedLora:
    """A LoRA for a model, under the keys that core reads.

    state: the tensors. applied: Wan's names of the modules and parameters that it changes. unknown: keys of the file
    that are not in `state`. layout: how the file's keys are written, in words. misfits: what has another shape than in
    the model, in words; it is not in `state` either.
    """

    state: Mapping[str, torch.Tensor]
    applied: tuple[str, ...]
    unknown: tuple[str, ...]
    layout: str
    misfits: tuple[str, ...] = ()


class _Found(NamedTuple):
    """Where a module of a file belongs. target: the model's name of it. wrapping, names: how the file has it."""

    target: str
    wrapping: str
    names: str


def normalize_lora(state: Mapping[str, torch.Tensor], names: Collection[str]) -> NormalizedLora:
    """Return a LoRA file's tensors under core's keys; `names` are the parameters of the model, without any wrapping.

    Raises UserError where no key belongs to the model, where half of a pair of matrices is missing, where two adapters
    of one file change the same module, and for the files of Stand-In, which are not LoRAs.
    """
    if foreign := next((key for key in state if _STAND_IN.fullmatch(key)), None):
        raise UserError(
            f"This file is Stand-In (it has '{foreign}'), which adds tokens of a face with layers of their own to Wan "
            f"and is not a LoRA. Choose a LoRA, or a node pack that runs Stand-In."
        )
    modules = _ModuleNames(names)
    result: dict[str, torch.Tensor] = {}
    unknown: list[str] = []
    layouts: Counter[tuple[str, str]] = Counter()
    for key, tensor in state.items():
        module, tail = _split(key)
        found = modules.find(module)
        if found is None or not tail or (tail in BIAS_TAILS and f"{found.target}.bias" not in modules.names):
            unknown.append(key)
            continue
        name = f"{CORE}{found.target}.{tail}"
        if name in result:
            raise UserError(f"This file changes '{found.target}' twice ('{key}'). Export one adapter of it alone.")
        result[name] = tensor
        layouts[found.wrapping, found.names] += 1
    if not result:
        raise UserError(_nothing_fits(unknown, modules.names))
    grouped = group_by_module(result)
    _check_complete(grouped)
    (wrapping, kind), _ = layouts.most_common(1)[0]
    layout = f"{repr(wrapping) if wrapping else 'no prefix'}, {kind}"
    return NormalizedLora(result, tuple(grouped), tuple(unknown), layout)


def fit_to_shapes(lora: NormalizedLora, shapes: Mapping[str, Sequence[int]]) -> NormalizedLora:
    """Return the part of a LoRA whose shapes are the model's (`shapes`, by parameter), and what else it has as misfits.

    Core would skip these while it samples, and only log it. Factors of LyCORIS, and parameters that `shapes` lacks, are
    not looked at. Raises UserError where nothing fits: a LoRA for another size of the model.
    """
    state = dict(lora.state)
    misfits = []
    for module, tensors in group_by_module(state).items():
        weight = shapes.get(f"{module}.weight", shapes.get(module))
        bias = shapes.get(f"{module}.bias")
        for tails, change, shape in _changes(tensors, weight, bias):
            if shape is not None and tuple(change) != tuple(shape):
                misfits.append(f"{module} ({_times(change)}, the model's is {_times(shape)})")
                for tail in tails:
                    state.pop(f"{CORE}{module}.{tail}", None)
    if not state:
        raise UserError(
            f"This LoRA was made for another size of the model: {misfits[0]}. Choose the LoRA for the size of this "
            f"model (1.3B, 5B or 14B)."
        )
    return replace(lora, state=state, applied=tuple(group_by_module(state)), misfits=tuple(misfits))


def group_by_module(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """Return tensors under core's keys by the model's name of the module, then by tail."""
    grouped: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for key, tensor in state.items():
        module, tail = _split(key)
        grouped[module.removeprefix(CORE)][tail] = tensor
    return dict(grouped)


def _split(key: str) -> tuple[str, str]:
    """Return the module of a key as the file has it, and core's name of its tail ('' for a tail that it has not)."""
    if match := _MATRIX.fullmatch(key):
        return match["module"], "lora_A.weight" if match["down"] else "lora_B.weight"
    tail = next((tail for tail in _TAILS if key.endswith(f".{tail}")), "")
    return key.removesuffix(f".{tail}"), tail


class _ModuleNames:
    """The modules and plain parameters of a model, by every name that a file may have for them."""

    def __init__(self, names: Collection[str]):
        self.names = frozenset(names)
        self.targets = {name.removesuffix(".weight") for name in names}
        self.flat = {_diffusers(target).replace(".", "_"): (target, "diffusers' names") for target in self.targets}
        self.flat |= {target.replace(".", "_"): (target, "Wan's names") for target in self.targets}

    def find(self, module: str) -> _Found | None:
        """Return where a module of a file belongs; None where it does not."""
        for wrapping in _FLAT_WRAPPINGS:
            rest = module.removeprefix(wrapping)
            if rest != module and rest in self.flat:
                target, kind = self.flat[rest]
                return _Found(target, wrapping, kind)
        rest = module
        while wrapping := next((wrapping for wrapping in _WRAPPINGS if rest.startswith(wrapping)), ""):
            rest = rest.removeprefix(wrapping)
        wrapping = module.removesuffix(rest)
        if rest in self.targets:
            return _Found(rest, wrapping, "Wan's names")
        target = to_wan_name(f"{rest}.weight").removesuffix(".weight")
        return _Found(target, wrapping, "diffusers' names") if target in self.targets else None


def _diffusers(target: str) -> str:
    """Return diffusers' name of a module or plain parameter of Wan."""
    return to_diffusers_name(f"{target}.weight").removesuffix(".weight")


def _check_complete(grouped: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
    """Raise UserError where a module has some, but not all, of the tensors that are only read together."""
    for module, tensors in grouped.items():
        for parts in _TOGETHER:
            missing = sorted(parts - tensors.keys())
            if missing and len(missing) < len(parts):
                raise UserError(f"The LoRA is incomplete: its '{module}' lacks '{missing[0]}'. Download it again.")


def _nothing_fits(keys: Sequence[str], names: Collection[str]) -> str:
    """Return the message for a file none of whose keys belongs to the model."""
    weights = sorted(name for name in names if name.endswith(".weight"))
    example = next((name for name in weights if name.endswith(".q.weight")), weights[0]).removesuffix(".weight")
    came = " and ".join(f"'{key}'" for key in keys[:2]) or "nothing"
    return (
        f"None of the {len(keys)} keys of this file belongs to the model: it has {came}, but names such as "
        f"'{CORE}{example}.lora_A.weight' were expected (or the same in another trainer's words). Choose a LoRA that "
        f"was made for this kind of model."
    )


def _changes(
    tensors: Mapping[str, torch.Tensor], weight: Sequence[int] | None, bias: Sequence[int] | None
) -> Iterator[tuple[tuple[str, ...], Sequence[int], Sequence[int] | None]]:
    """Yield the changes of one module whose shape is known: their tails, their shape, and the one that it must be."""
    if "lora_A.weight" in tensors:
        down, up = tensors["lora_A.weight"], tensors["lora_B.weight"]
        target = weight
        if weight is not None and "reshape_weight" in tensors:
            wider = tensors["reshape_weight"].tolist()
            if len(wider) == len(weight) and all(new >= old for new, old in zip(wider, weight, strict=True)):
                target = wider  # core pads the model's weight with zeros before it adds the change
        flat = None if target is None else (target[0], math.prod(target[1:]))
        yield _OF_PAIR, (up.shape[0], math.prod(down.shape[1:])), flat
    for tail in ("diff", "set_weight", "w_norm"):
        if tail in tensors:
            yield (tail,), tensors[tail].shape, weight
    for tail in BIAS_TAILS:
        if tail in tensors:
            yield (tail,), tensors[tail].shape, bias


def _times(shape: Sequence[int]) -> str:
    """Return a shape in words: '1536x64'."""
    return "x".join(str(side) for side in shape)
