"""ReCamMaster (arXiv 2503.11647) and OmniCamera (arXiv 2604.06010) in core's own classes: two more layers per block,
found by core's detection.

In each block, with h the modulated input of the self-attention, P_k the pose of latent frame k as 12 numbers:
    h += cam_encoder(P_k) over all of frame k;  x += gate * projector(self_attention(h))
The source video stands behind the video on the time axis (core's `time_dim_concat`), with the same poses. Both layers
are core's operations, so LoRA, fp8 and offloading reach them, and no forward of core is copied.

ReCamMaster has them in every block of Wan 2.1. OmniCamera has them in every fifth of Wan 2.2 TI2V 5B, and a pass
without a path runs without both.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import comfy.conds
import comfy.model_base
import comfy.supported_models
import torch
from comfy.ldm.wan.model import WanAttentionBlock, WanModel

from ...models.families.rules import CAMERA_LAYERS

POSES = "fulldit_camera_poses"  # in conditioning, (1, 12, T, 1, 1): and as an argument of the network
POSE_NUMBERS = 12  # a 3x4 matrix, row by row
BLOCKS = "fulldit_camera_blocks"  # in core's config of a network: the numbers of the blocks with camera layers
_CAMERA_BLOCK = re.compile(r"blocks\.(\d+)\.cam_encoder\.weight$")


class CameraBlock(WanAttentionBlock):
    """Wan's block, with the camera around its self-attention."""

    def __init__(self, *args: Any, operation_settings: Mapping[str, Any], **more: Any):
        super().__init__(*args, operation_settings=operation_settings, **more)
        where = {"device": operation_settings.get("device"), "dtype": operation_settings.get("dtype")}
        linear = operation_settings["operations"].Linear
        self.cam_encoder = linear(POSE_NUMBERS, self.dim, **where)
        self.projector = linear(self.dim, self.dim, **where)
        # The self-attention gets exactly h and gives exactly what is gated, so hooks on it stand for a forward.
        self.self_attn.register_forward_pre_hook(self._add_poses, with_kwargs=True)
        self.self_attn.register_forward_hook(self._project, with_kwargs=True)

    def _add_poses(
        self, attention: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The input of the self-attention with each latent frame's pose added."""
        options = kwargs.get("transformer_options", {})
        poses = options.get(POSES)
        if poses is None:
            return None
        frames, height, width = options["grid_sizes"]
        tokens = self.cam_encoder(poses[:, :, :, 0, 0].transpose(1, 2).to(args[0]))
        copies = frames // tokens.shape[1]  # the video, and the source behind it
        tokens = tokens.repeat(1, copies, 1).repeat_interleave(height * width, dim=1)
        return (args[0] + tokens, *args[1:]), kwargs

    def _project(
        self, attention: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor
    ) -> torch.Tensor:
        projected: torch.Tensor = self.projector(output)
        return projected


class OptionalCameraBlock(CameraBlock):
    """The same, which without poses is Wan's block."""

    def _project(
        self, attention: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor
    ) -> torch.Tensor:
        if kwargs.get("transformer_options", {}).get(POSES) is None:
            return output
        return super()._project(attention, args, kwargs, output)


def _block_maker(kind: type[CameraBlock], chosen: Iterable[int]) -> Callable[..., WanAttentionBlock]:
    """What core makes a network's blocks with, one after the other: those chosen of this kind, the others its own."""
    numbers, chosen = itertools.count(), frozenset(chosen)

    def make(*args: Any, **settings: Any) -> WanAttentionBlock:
        return (kind if next(numbers) in chosen else WanAttentionBlock)(*args, **settings)

    return make


class CameraWanModel(WanModel):
    """Wan's network with these blocks."""

    block = CameraBlock

    def __init__(self, **settings: Any):
        chosen = settings.pop(BLOCKS)
        super().__init__(**settings, wan_attn_block_class=_block_maker(self.block, chosen))

    def forward(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        clip_fea: torch.Tensor | None = None,
        time_dim_concat: torch.Tensor | None = None,
        transformer_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Core's forward; the poses reach the blocks by the options, which every block gets."""
        options = {**(transformer_options or {}), POSES: kwargs.pop(POSES, None)}
        predicted: torch.Tensor = super().forward(
            x, timestep, context, clip_fea, time_dim_concat, transformer_options=options, **kwargs
        )
        return predicted


class OptionalCameraWanModel(CameraWanModel):
    """The same, for which a camera path is a choice."""

    block = OptionalCameraBlock


def with_poses(conds: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Return core's conds and the poses, which context windows slice like the video."""
    if kwargs.get(POSES) is not None:
        conds[POSES] = comfy.conds.CONDRegular(kwargs[POSES])
    return conds


class CameraWAN21(comfy.model_base.WAN21):
    """Core's model of Wan 2.1 with this network."""

    def __init__(self, model_config: Any, device: Any = None):
        comfy.model_base.BaseModel.__init__(
            self, model_config, comfy.model_base.ModelType.FLOW, device=device, unet_model=CameraWanModel
        )
        self.image_to_video = False

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """Return core's conds and the poses."""
        return with_poses(super().extra_conds(**kwargs), **kwargs)


class CameraWAN22(comfy.model_base.WAN22):
    """Core's model of Wan 2.2 TI2V 5B with this network."""

    def __init__(self, model_config: Any, device: Any = None):
        comfy.model_base.BaseModel.__init__(
            self, model_config, comfy.model_base.ModelType.FLOW, device=device, unet_model=OptionalCameraWanModel
        )
        self.image_to_video = True

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """Return core's conds and the poses."""
        return with_poses(super().extra_conds(**kwargs), **kwargs)


def _note_blocks(config: Any, state_dict: Iterable[str]) -> None:
    """Keep in core's config of a network which blocks have camera layers."""
    found = (_CAMERA_BLOCK.search(name) for name in state_dict)
    config.unet_config[BLOCKS] = tuple(sorted(int(match[1]) for match in found if match))


class CameraWAN21Config(comfy.supported_models.WAN21_T2V):
    """What core asks of a file with camera layers."""

    required_keys = {"{}" + key for key in CAMERA_LAYERS}

    def get_model(self, state_dict: Mapping[str, Any], prefix: str = "", device: Any = None) -> CameraWAN21:
        """Return core's model with the camera layers, empty."""
        _note_blocks(self, state_dict)
        return CameraWAN21(self, device=device)


class CameraWAN22Config(comfy.supported_models.WAN22_T2V):
    """What core asks of a file of Wan 2.2 TI2V 5B with camera layers."""

    required_keys = {"{}" + key for key in CAMERA_LAYERS}

    def get_model(self, state_dict: Mapping[str, Any], prefix: str = "", device: Any = None) -> CameraWAN22:
        """Return core's model with the camera layers, empty."""
        _note_blocks(self, state_dict)
        return CameraWAN22(self, device=device)


def register_camera_wan() -> None:
    """Put the classes, once, before core's own plain Wan, which would leave the camera layers out."""
    models = comfy.supported_models.models
    if CameraWAN21Config not in models:
        models[:0] = [CameraWAN22Config, CameraWAN21Config]
