"""What a file of weights is, from its header: the family, or the families that it may be, and a sentence about it.

A guess by the file's name is never made silently: `guess` is beside `family`, and the sentence calls it one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..weights.condition_file import is_condition_file
from ..weights.key_maps import PREFIXES, is_diffusers, to_wan
from ..weights.shards import parse_headers, shard_paths
from ..weights.tensor_file import PathLike, PickledFile
from .matrix import FAMILIES, in_words
from .pickled import explain_pickle
from .quantization import quantization, with_layer_formats
from .rules import Keys, rule_of

# What a name holds, lowercase and without separators, when it is meant.
_NAMES = {
    "phantom": ("phantom",),
    "bernini-r": ("bernini",),
    "camclonemaster": ("camclone",),
    "wan-t2v": ("t2v",),
    "wan-i2v": ("i2v", "inp"),
}
# Values of `model_type` in the metadata's `config.transformer`, which ComfyUI follows where no key tells the kind.
_MODEL_TYPES = {"animate2": "animate", "flow_rvs": "flow-rvs", "causal_ar_video": "causal-wan"}
# Files that are often tried in the place of a model: the start of a key, and what it is.
_OTHERS = (
    ("encoder.block.", "the text encoder (UMT5 or T5)"),
    ("decoder.middle.", "a VAE"),
    ("vision_model.", "a CLIP vision model"),
    ("double_blocks.", "a Flux or Hunyuan model"),
    ("transformer_blocks.", "an LTX, Qwen or other model"),
    ("input_blocks.", "a Stable Diffusion model"),
)


@dataclass(frozen=True)
class Detection:
    """What a file is. family: None where it is unknown or its keys fit several; these are `candidates` then.

    dim, layers, in_channels: of the transformer, 0 where the file does not say. prefix: what stood before the keys.
    quantization: '' where the weights are plain numbers. guess: the candidate that the file's name points to. sentence:
    all of it in words.
    """

    family: str | None
    candidates: tuple[str, ...] = ()
    dim: int = 0
    layers: int = 0
    in_channels: int = 0
    layout: Literal["native", "diffusers"] = "native"
    prefix: str = ""
    quantization: str = ""
    guess: str | None = None
    sentence: str = ""

    @property
    def likely(self) -> str | None:
        """The family, or the guess where the keys do not say it."""
        return self.family or self.guess


def detect(
    shapes: Mapping[str, Sequence[int]],
    metadata: Mapping[str, str] | None = None,
    file_name: str = "",
    dtypes: Mapping[str, str] | None = None,
) -> Detection:
    """Return what weights with these shapes are. dtypes: as a safetensors header has them; only for the quantization.

    Nothing is raised: what is unknown has no family, and the sentence says what came.
    """
    metadata = metadata or {}
    if is_condition_file(metadata):
        return Detection(None, sentence=_condition_file(metadata))
    keys = Keys(to_wan(shapes))
    families, sign = _families(keys, metadata)
    guess = _guess(families, file_name) if len(families) > 1 else None
    found = Detection(
        family=families[0] if len(families) == 1 else None,
        candidates=families,
        dim=keys.dim,
        layers=keys.layers,
        in_channels=keys.in_channels,
        layout="diffusers" if is_diffusers(shapes) else "native",
        prefix=next((prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in shapes)), ""),
        quantization=quantization(shapes, metadata, dtypes),
        guess=guess,
    )
    words = _unknown(keys) if not families else _known(found, keys, sign)
    return replace(found, sentence=words)


def detect_file(path: PathLike) -> Detection:
    """Return what a safetensors file, its parts, or their folder is, from its header.

    Raises UserError for files that are missing, pickled, cut short, or no safetensors.
    """
    paths = shard_paths(path)
    try:
        header = parse_headers(paths)
    except PickledFile as error:
        raise explain_pickle(path, error) from error
    metadata = with_layer_formats(paths, header)
    return detect(header.shapes, metadata, _telling_name(Path(path)), header.dtypes)


def _telling_name(path: Path) -> str:
    """Return the name to guess by: the file's, with its folders where it is called as every file of diffusers is."""
    usual = path.name == "transformer" or path.name.startswith(("diffusion_pytorch_model", "model."))
    return "/".join(path.absolute().parts[-3:]) if usual else path.name


def _families(keys: Keys, metadata: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """Return the families that weights may be of, and by what they are told."""
    config = _config(metadata)
    if "fulldit" in config:
        return ("fulldit",), "its config"
    transformer = config.get("transformer")
    if isinstance(transformer, dict):
        if transformer.get("causal_ar"):
            return ("causal-wan",), "its config"
        if named := _MODEL_TYPES.get(str(transformer.get("model_type"))):
            return (named,), "its config"
    rule = rule_of(keys)
    return (rule.families, rule.sign) if rule else ((), "")


def _config(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the config in the metadata; empty where there is none that can be read."""
    try:
        config = json.loads(metadata.get("config", "{}"))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _guess(families: tuple[str, ...], file_name: str) -> str | None:
    """Return the one of several families that a file's name points to, or None."""
    name = "".join(letter for letter in file_name.lower() if letter.isalnum())
    fitting = [family for family, words in _NAMES.items() if family in families and any(word in name for word in words)]
    return fitting[0] if fitting else None


def _known(found: Detection, keys: Keys, sign: str) -> str:
    """Return what a file is in words."""
    size = f"{found.layers} blocks of width {found.dim}" if found.layers and found.dim else ""
    details = ", ".join(
        filter(
            None,
            (
                size,
                f"{found.in_channels} input channels" if found.in_channels else "",
                f"{found.layout} keys" if keys.is_wan else "",
                f"quantized as {found.quantization}" if found.quantization else "",
            ),
        )
    )
    details = f" ({details})" if details else ""
    names = [FAMILIES[family].name for family in found.candidates]
    if keys.is_lora:
        return (
            f"This is a control LoRA, told by its {sign}. It does not say which control it was trained for. Put it on"
            " Wan T2V of its size with a LoRA loader."
        )
    if found.family == "wan-depth-lora":
        return f"This is Wan T2V with a control LoRA in it{details}, told by {sign}. Which control, it does not say."
    if found.family:
        return f"This is {names[0]}{details}, told by {sign}.{_unused(found, keys)}"
    start = f"This is {in_words(names, 'or')}{details}: {sign} are all that the file says"
    if found.guess:
        return f"{start}. By the file's name it is {FAMILIES[found.guess].name}, which is a guess: choose the family."
    return f"{start}, and its name says nothing either: choose the family."


def _unused(found: Detection, keys: Keys) -> str:
    """Return in words what a model made from ReCamMaster holds beside its weights."""
    more = keys.beside_recammaster if found.family == "recammaster" else []
    if not more:
        return ""
    return (
        f" It also holds {len(more)} weights that ReCamMaster does not have, such as {sorted(more)[0]}: they are not"
        f" used (Memory-V2V is made from it; its memory of earlier videos is not driven)."
    )


def _condition_file(metadata: Mapping[str, str]) -> str:
    """Return what a condition file is in words."""
    config = _config(metadata)
    core, ours = (part if isinstance(part := config.get(name), dict) else {} for name in ("transformer", "fulldit"))
    size = f"{core.get('num_layers', '?')} blocks of width {core.get('dim', '?')}"
    streams = ", ".join(map(str, ours.get("streams") or ())) or "no streams"
    base = metadata.get("base", "a plain Wan")
    times = ours.get("times")
    part = (
        f"; of the times {times[0]} to {times[1]}"
        if isinstance(times, list) and len(times) == 2 and times != [0, 1]
        else ""
    )
    return (
        f"This is a condition file, which makes a FullDiT of {base} ({size}; {streams}{part}). Load FullDiT takes it "
        f"with that model, and fulldit generate with --model and --condition-file."
    )


def _unknown(keys: Keys) -> str:
    """Return in words what a file that no rule fits has in it."""
    if not keys.shapes:
        return "The file holds no weights. Choose a file of model weights."
    if keys.is_lora:
        return "This is a LoRA, not a model: load it with a LoRA loader, on the model that it was trained for."
    if keys.is_wan:
        return (
            f"This is a Wan transformer with {keys.in_channels} input channels, of which no family is known here."
            " Choose the family if you know it."
        )
    for start, what in _OTHERS:
        if keys.starts(start):
            return f"This looks like {what}, not like a Wan model. Choose the file of the model itself."
    names = ", ".join(sorted(keys.shapes)[:3])
    return (
        f"This is not a Wan model of a known layout: it has {len(keys.shapes)} weights, such as {names}. Choose another"
        " file."
    )
