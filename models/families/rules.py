"""By which keys a file of weights is told: the rules, those for special models first.

A rule reads names and shapes under Wan's own names (`key_maps.to_wan`), whatever layout and wrapping the file has. The
first rule that fits decides. What ComfyUI would load without a word as something else comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_BLOCK = re.compile(r"^(?:controlnet_)?blocks\.(\d+)\.")
_OF_RECAMMASTER = re.compile(
    r"(blocks\.\d+\.(self_attn|cross_attn|ffn|norm3|modulation|cam_encoder|projector)"
    r"|patch_embedding|text_embedding|time_embedding|time_projection|head)(\.|$)|scaled_fp8$"
)
_IMAGE = "img_emb.proj.0.bias"
_WIDTH_5B = 3072
_LORA_ENDINGS = (".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lokr_w1", ".hada_w1_a")


@dataclass(frozen=True)
class Keys:
    """The names and shapes of a file's weights, under Wan's own names."""

    shapes: Mapping[str, Sequence[int]]

    def has(self, *names: str) -> bool:
        """Return whether all of these are there."""
        return all(name in self.shapes for name in names)

    def starts(self, start: str) -> bool:
        """Return whether any name starts with this."""
        return any(name.startswith(start) for name in self.shapes)

    @cached_property
    def dim(self) -> int:
        """The width of the transformer; 0 where no weight says it. Weights that quantization packs are not asked."""
        for name, axis in (
            ("patch_embedding.bias", 0),
            ("patch_embedding.weight", 0),
            ("head.modulation", -1),
            ("blocks.0.modulation", -1),
            ("blocks.0.projector.bias", 0),
            ("controlnet_patch_embedding.weight", 0),
            ("blocks.0.self_attn.q_loras.down.weight", 1),
        ):
            if shape := self.shapes.get(name):
                return shape[axis]
        return 0

    @cached_property
    def in_channels(self) -> int:
        """How many channels the transformer takes per position; 0 where no weight says it."""
        for name in ("patch_embedding.weight", "controlnet_patch_embedding.weight", "patch_embedding.lora_A.weight"):
            if len(shape := self.shapes.get(name, ())) > 1:
                return shape[1]
        return 0

    @cached_property
    def layers(self) -> int:
        """How many blocks the transformer has."""
        return max((int(found[1]) + 1 for name in self.shapes if (found := _BLOCK.match(name))), default=0)

    @cached_property
    def is_wan(self) -> bool:
        """Whether these are the weights of a whole Wan transformer."""
        return self.has("head.modulation", "patch_embedding.weight")

    @cached_property
    def beside_recammaster(self) -> list[str]:
        """The weights that neither Wan nor ReCamMaster has."""
        return [name for name in self.shapes if not _OF_RECAMMASTER.match(name)]

    @cached_property
    def is_lora(self) -> bool:
        """Whether these are changes of weights instead of weights."""
        return any(name.endswith(_LORA_ENDINGS) for name in self.shapes)


@dataclass(frozen=True)
class Rule:
    """families: what it is; several where the keys do not say which. sign: by what it is told, in words."""

    families: tuple[str, ...]
    fits: Callable[[Keys], bool]
    sign: str


def _key(family: str, *names: str) -> Rule:
    """Return the rule that these keys make a file one of a family."""
    return Rule((family,), lambda keys: keys.has(*names), " and ".join(names))


def _channels(family: str, *counts: int, other_than: int = 0) -> Rule:
    """Return the rule that so many input channels make a file one of a family, but not at the width `other_than`."""
    return Rule(
        (family,),
        lambda keys: keys.is_wan and keys.in_channels in counts and keys.dim != other_than,
        "its number of input channels",
    )


CAMERA_LAYERS = ("blocks.0.cam_encoder.weight", "blocks.0.projector.weight")

# ComfyUI loads these as something else, or not at all.
_SPECIAL = (
    Rule(
        ("omnicamera",),
        lambda keys: keys.has(*CAMERA_LAYERS) and not keys.has("blocks.1.cam_encoder.weight"),
        "the camera layers in every fifth block",
    ),
    _key("recammaster", *CAMERA_LAYERS),
    _key("lingbot-world", "patch_embedding_wancamctrl.weight"),
    _key("stand-in", "blocks.0.self_attn.q_loras.down.weight"),
    _key("steadydancer", "patch_embedding_fuse.weight"),
    Rule(("bindweave",), lambda keys: keys.starts("text_projector."), "text_projector"),
    _key("uni3c", "controlnet_patch_embedding.weight"),
    Rule(
        ("wan-depth-lora",),
        lambda keys: keys.is_lora and keys.has("patch_embedding.reshape_weight"),
        "weights that widen the input layer",
    ),
)

# Keys beside those of plain Wan that ComfyUI logs and drops, so that a MODEL no longer tells what its file was.
DROPPED_KEYS: dict[str, tuple[str, ...]] = {
    "lingbot-world": ("patch_embedding_wancamctrl.weight",),
    "steadydancer": ("patch_embedding_fuse.weight",),
}

# In ComfyUI's own order.
_OF_CORE = (
    _key("vace", "vace_patch_embedding.weight"),
    _key("fun-camera", "control_adapter.conv.weight"),
    _key("s2v", "casual_audio_encoder.encoder.final_linear.weight"),
    _key("humo", "audio_proj.audio_proj_glob_1.layer.bias"),
    _key("animate", "face_adapter.fuser_blocks.0.k_norm.weight"),
    _key("scail-2", "patch_embedding_mask.weight"),
    _key("scail", "patch_embedding_pose.weight"),
    _key("wan-dancer", "patch_embedding_global.weight"),
    _key("ltx", "adaln_single.emb.timestep_embedder.linear_1.bias", "patchify_proj.weight"),
    _key("minimax-h3", "video_patch_proj.weight", "audio_patch_proj.weight"),
)

_PLAIN = (
    _key("fun-control", "ref_conv.weight", "patch_embedding.weight"),
    _channels("fun-control", 52, 148),
    _channels("fun-control", 48, other_than=_WIDTH_5B),
    # CamCloneMaster's base is an image-to-video model of the same shapes, and Wan Fun InP 1.3B is another.
    Rule(
        ("camclonemaster", "wan-i2v"),
        lambda keys: keys.dim == 1536 and keys.in_channels == 36 and keys.has(_IMAGE),
        "the shapes of image-to-video in a model of 1.3B",
    ),
    _key("wan-i2v", _IMAGE, "patch_embedding.weight"),
    _channels("wan-i2v", 36),
    _channels("wan-depth-lora", 32),
    Rule(("wan-t2v",), lambda keys: keys.is_wan and keys.in_channels == 48, "the shapes of Wan 2.2 TI2V 5B"),
    Rule(
        ("wan-t2v", "phantom", "bernini-r"),
        lambda keys: keys.is_wan and keys.in_channels == 16,
        "the keys of plain Wan T2V",
    ),
)

RULES = (*_SPECIAL, *_OF_CORE, *_PLAIN)


def rule_of(keys: Keys) -> Rule | None:
    """Return the first rule that fits, or None."""
    return next((rule for rule in RULES if rule.fits(keys)), None)
