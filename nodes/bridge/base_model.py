"""FullDiT as the host sees it: a model config and a BaseModel with flow sampling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.supported_models_base
import torch

from ...control.errors import UserError
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.config import FullDiTConfig
from ...models.weights.weight_sample import WeightSample
from .cond import ARGUMENT, KEY, CONDFullDiT, CONDShared, ScheduledStreams, latent_equivalent
from .latent_format import latent_format
from .network import ACTIVATIONS, HostFullDiT
from .story import ARGUMENT as STORY
from .story import KEY as STORY_KEY
from .story import StoryTimes


class HostConfig(comfy.supported_models_base.BASE):
    """What core asks of a model's config. `config` is the FullDiTConfig of the checkpoint."""

    unet_extra_config: dict[str, Any] = {}
    latent_format = comfy.latent_formats.Wan21  # each instance has its own
    supported_inference_dtypes = [torch.bfloat16, torch.float16, torch.float32]

    def __init__(self, config: FullDiTConfig, preview: Mapping[str, Any] | None = None):
        super().__init__({"config": config})
        self.fulldit = config
        self.latent_format = latent_format(config.in_dim, preview)
        self.sampling_settings = {"shift": float(config.shift)}
        self.memory_usage_factor = config.dim / 2222  # core's figure for Wan

    def get_model(self, state_dict: Mapping[str, torch.Tensor], prefix: str = "", device: Any = None) -> FullDiTModel:
        """Return the BaseModel with empty weights."""
        return FullDiTModel(self, device=device)


class FullDiTModel(comfy.model_base.BaseModel):
    """Flow sampling; the conditions of an entry reach the network as one object."""

    def __init__(self, model_config: HostConfig, device: Any = None):
        super().__init__(
            model_config, model_type=comfy.model_base.ModelType.FLOW, device=device, unet_model=HostFullDiT
        )
        self.fulldit: FullDiTConfig = model_config.fulldit
        self.vae_sample: WeightSample | None = None  # of the VAE that a condition file was trained with
        self.memory_usage_factor_conds = (ARGUMENT,)
        if self.fulldit.attention == "decoupled":
            # K and V are kept beside the activations: of each token read two numbers per layer and channel.
            geometry = self.fulldit.geometry
            read = len(self.fulldit.blocks_of_conditions) * self.fulldit.token_selection
            bytes_per_element = 2 * read * self.fulldit.dim / geometry.elements_per_token
            cache_elements = bytes_per_element / (0.01 * max(self.memory_usage_factor, 1e-6) * 2**20)
            self.memory_usage_shape_process = {ARGUMENT: lambda shape: [*shape[:2], shape[2] * (1 + cache_elements)]}

    def _apply_model(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        c_concat: Any = None,
        c_crossattn: Any = None,
        control: Any = None,
        transformer_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Core's step; the network is told which weights it has, since the K/V it keeps depend on them, and how much
        memory the step itself needs, which these must leave."""
        options = dict(transformer_options or {})
        options["fulldit_weights"] = self._weights()
        options[ACTIVATIONS] = self.memory_required(list(x.shape))
        return super()._apply_model(x, t, c_concat, c_crossattn, control, options, **kwargs)

    def process_timestep(
        self, timestep: torch.Tensor, x: torch.Tensor, denoise_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> torch.Tensor:
        """Latent frames that a noise mask keeps whole are read as clean ones: a time per frame (B, T), 0 for them."""
        if denoise_mask is None or denoise_mask.ndim != 5:
            return timestep
        return timestep[:, None] * _made(denoise_mask)[:, 0, :, 0, 0].to(timestep)

    def scale_latent_inpaint(
        self,
        sigma: torch.Tensor,
        noise: torch.Tensor,
        latent_image: torch.Tensor,
        denoise_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """What stands in the places that a noise mask keeps: the clean latent in frames that are kept whole, else as
        much noise as elsewhere in the frame. Hosts that do not pass the mask on (0.28) get the clean latent, as Wan 2.2
        has it there."""
        if denoise_mask is None:
            return latent_image
        noised: torch.Tensor = super().scale_latent_inpaint(
            sigma=sigma, noise=noise, latent_image=latent_image, **kwargs
        )
        return torch.where(_made(denoise_mask) > 0, noised, latent_image) if denoise_mask.ndim == 5 else noised

    def _weights(self) -> tuple[object, ...]:
        """What distinguishes the weights of this moment: patches (LoRA), and hooks with their strengths."""
        patcher = self.current_patcher
        if patcher is None:
            return ()
        hooks = getattr(patcher, "current_hooks", None)
        active = tuple((id(hook), float(hook.strength)) for hook in hooks.hooks) if hooks is not None else ()
        return (patcher.patches_uuid, active)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """Return core's conds, with the mask and the text as they are, and the streams as one object."""
        out: dict[str, Any] = super().extra_conds(**kwargs)
        mask = kwargs.get("denoise_mask")
        if mask is not None:
            out["denoise_mask"] = comfy.conds.CONDRegular(mask)
        text = kwargs.get("cross_attn")
        if text is not None:
            # Wan's text has one length; core's cross-attention cond would pad by repeating, which changes the result.
            out["c_crossattn"] = comfy.conds.CONDRegular(text)
        noise, geometry = kwargs.get("noise"), self.fulldit.geometry
        times: StoryTimes | None = kwargs.get(STORY_KEY)
        if times is not None and text is not None and noise is not None:
            out[STORY] = CONDShared(times.weights(text, noise.shape[2], geometry))
        streams = kwargs.get(KEY)
        if streams is not None:
            if noise is not None and tuple(noise.shape[2:]) != streams.latent_size:
                raise UserError(
                    f"The conditions are for a latent of {geometry.describe(streams.latent_size)}, but the latent to "
                    f"sample is {geometry.describe(noise.shape[2:])}. Connect the latent of Apply Conditions, or "
                    f"change the size there."
                )
            out[ARGUMENT] = CONDFullDiT(ScheduledStreams(streams, self._spans(streams), geometry))
        return out

    def _spans(self, streams: ConditionStreams) -> tuple[tuple[float, float], ...]:
        """First and last sigma at which each stream takes part."""
        to_sigma = self.model_sampling.percent_to_sigma
        return tuple(
            (
                float("inf") if stream.start <= 0 else float(to_sigma(stream.start)),
                0.0 if stream.end >= 1 else float(to_sigma(stream.end)),
            )
            for stream in streams.streams
        )

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, list[int]]:
        """Return the size of the streams, from which core estimates the memory."""
        streams = kwargs.get(KEY)
        return {} if streams is None else {ARGUMENT: latent_equivalent(streams, self.fulldit.geometry)}

    def resize_cond_for_context_window(
        self,
        cond_key: str,
        cond_value: Any,
        window: Any,
        x_in: torch.Tensor,
        device: Any,
        retain_index_list: Iterable[int] = (),
    ) -> Any:
        """Every stream, and a story, cut to the latent frames of a window; core's anchor frame, where there is one,
        comes first."""
        if cond_key not in (ARGUMENT, STORY):
            return super().resize_cond_for_context_window(
                cond_key, cond_value, window, x_in, device, retain_index_list=list(retain_index_list)
            )
        indices = list(window.index_list)
        anchor = getattr(window, "causal_anchor_index", None)
        if anchor is not None and anchor >= 0:
            indices = [anchor, *indices]
        return type(cond_value)(cond_value.cond.window(indices))


def _made(denoise_mask: torch.Tensor) -> torch.Tensor:
    """(B, C, T, h, w) -> (B, 1, T, 1, 1): 1 for the latent frames of which anything is to be made, 0 for given ones."""
    return (denoise_mask.amax((1, 3, 4), keepdim=True) > 0).to(denoise_mask.dtype)
