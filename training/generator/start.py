"""What the generator's training begins with: fresh weights, open Wan weights, or a checkpoint to go on from, whole
or as a condition file on open Wan weights.

Conditions that the config trains and the checkpoint lacks join it: their streams get tokenizers that begin as in a new
training. Where blocks are to select condition tokens, each gets a predictor of their importance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ...control.camera.motion_range import CameraMotionRange
from ...control.condition import VideoSize
from ...control.errors import UserError
from ...models.backbone.attention import use_backend
from ...models.backbone.initialize import initialize, initialize_predictors, initialize_tokenizers
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.registry import streams_of
from ...models.conditioning.streams import STREAMS
from ...models.conditioning.text import TextEncoder
from ...models.conditioning.tokenizers import widen_patch
from ...models.config import FullDiTConfig
from ...models.families.presets import PRESETS
from ...models.geometry import Size3
from ...models.weights.attach import check_base, check_base_shapes
from ...models.weights.checkpoint import load_model, named_path, read_camera_motion_range, read_config
from ...models.weights.condition_file import (
    OWN,
    is_condition_file,
    lora_layer_names,
    read_condition_config,
    read_condition_file,
)
from ...models.weights.key_maps import to_wan
from ...models.weights.lora_layers import add_lora, lora_layers
from ...models.weights.start_points import load_start, start_config
from ...models.weights.tensor_file import read_metadata, read_tensors
from ...models.weights.weight_sample import WeightSample, sample_vae, sample_wan
from ...scenes import WorldOptions
from .distill import Teacher
from .learner import Learner
from .settings import ClipSettings, GeneratorSettings, LoRASettings

# What of a config decides which weights there are beside those of the blocks.
SHAPING = ("streams", "patches", "condition_blocks", "token_selection")


def checkpoint_of(model: str) -> Path | None:
    """Return the file that the entry `model` of a config names, or None for a preset.

    It is the name of a preset, the name of a checkpoint in the repository's checkpoints/, or a .safetensors file.
    Raises UserError for anything else.
    """
    if model in PRESETS:
        return None
    path = named_path(model)
    if not path.is_file():
        raise UserError(
            f"The config's model is {model!r}: expected one of the presets {', '.join(PRESETS)}, or a checkpoint to go "
            f"on from ({path} does not exist)."
        )
    return path


def config_of(settings: GeneratorSettings) -> FullDiTConfig:
    """Return the architecture that the entry `model` names, with the streams that the phases train and it lacks, less
    those that are not kept, the clips of the entry `video`, the blocks and the share of tokens that are asked for, and
    of a preset what the entry `start` needs.

    Raises UserError for a preset that lacks what the start point can do.
    """
    path = checkpoint_of(settings.model)
    if path is None:
        config = PRESETS[settings.model]
    else:
        config = read_condition_config(path) if is_attached(path) else read_config(path)
    kept = set(config.streams) if settings.keep is None else set(config.streams) & _streams_of(settings.keep)
    streams = kept | _streams_of(settings.conditions())
    if streams != set(config.streams):
        config = replace(config, streams=tuple(name for name in STREAMS if name in streams))
    if settings.distill is not None:
        config = replace(config, steps=settings.distill.steps, guidance=1.0, first_frame_pass=0.0)
    own = settings.sampling
    if own is not None:
        config = replace(config, steps=own.steps, guidance=float(own.guidance), first_frame_pass=own.first_frame_pass)
    if settings.times is not None:
        low, high = settings.times
        config = replace(config, times=(low, high))
    if settings.condition_blocks is not None:
        config = replace(config, condition_blocks=tuple(settings.condition_blocks))
    if settings.token_selection is not None:
        config = replace(config, token_selection=settings.token_selection)
    video = settings.video
    if video is not None:
        patches = {name: cast(Size3, tuple(patch)) for name, patch in video.patches.items()}
        config = replace(
            config,
            frames=video.frames,
            height=video.height,
            width=video.width,
            fps=video.fps or WorldOptions(version=settings.world).fps,
            patches=tuple({**dict(config.patches), **patches}.items()),
        )
    config = _with_other_videos(config, settings)
    return start_config(settings.start, config) if path is None else config


def _with_other_videos(config: FullDiTConfig, settings: GeneratorSettings) -> FullDiTConfig:
    """Return the config with the sizes and rates besides its own of the clips that the stage `data` encodes."""
    videos = {(config.frames, config.height, config.width, config.fps): None, **dict.fromkeys(config.other_videos)}
    for entry in settings.data:
        video = video_of_clips(entry, config, settings.world)
        videos[video.frames, video.height, video.width, video.fps] = None
    return replace(config, other_videos=tuple(videos)[1:])


def video_of_clips(entry: ClipSettings, config: FullDiTConfig, world: int) -> VideoSize:
    """Return the size and rate of the clips of an entry of `data`: the config's, where it does not say another size,
    or another world than that of the training."""
    frames, height, width = entry.size or (config.frames, config.height, config.width)
    own = entry.world is None or entry.world == world
    return VideoSize(frames, height, width, config.fps if own else WorldOptions(version=entry.world or world).fps)


def scenes_of(entry: ClipSettings, world: int) -> WorldOptions:
    """Return what may occur in the scenes of an entry of `data`, in a training on `world`."""
    options = WorldOptions(version=entry.world or world)
    return options if entry.sounds is None else replace(options, sounds=entry.sounds)


def config_of_clips(entry: ClipSettings, config: FullDiTConfig, world: int) -> FullDiTConfig:
    """Return the config that the clips of an entry of `data` are encoded for: the model's, of their size, rate and
    streams."""
    video = video_of_clips(entry, config, world)
    wanted = None if entry.conditions is None else _streams_of(entry.conditions)
    streams = tuple(name for name in config.streams if wanted is None or name in wanted)
    return replace(config, frames=video.frames, height=video.height, width=video.width, fps=video.fps, streams=streams)


def _streams_of(conditions: Iterable[str]) -> set[str]:
    return {stream for name in conditions for stream in streams_of(name)}


def networks(settings: GeneratorSettings, vae_fingerprint: str) -> tuple[FullDiT, TextEncoder | None, FullDiTConfig]:
    """Return network, text encoder and config, the weights in float32, for latents of the VAE that has the fingerprint.

    There is no text encoder where the clips bring encoded text. Raises UserError where a checkpoint was trained on
    latents of another VAE and the entry `vae` names none.
    """
    path, config = checkpoint_of(settings.model), config_of(settings)
    trained_with = config.vae_fingerprint
    config = replace(config, vae_fingerprint=vae_fingerprint)
    if path is None:
        network = FullDiT(config)
        if settings.base is None:
            initialize(network)
        else:
            load_start(
                settings.start, network, read_tensors(settings.base), settings.base, read_metadata(settings.base)
            )
        return network, text_encoder(config), config
    if is_attached(path):
        return attached_network(path, settings, config).train(), None, config
    if settings.base is not None:
        raise UserError(
            f"The config names the checkpoint {settings.model!r} and the base {settings.base!r}: name one of them."
        )
    if trained_with != vae_fingerprint and not settings.vae:
        raise UserError(
            f"{path.name} was trained on latents of the VAE {trained_with}, but the VAE at hand is "
            f"{vae_fingerprint}. Go on with the VAE that belongs to it, or start from a preset."
        )
    network, text, _ = load_model(path)
    return grown(network, config).train(), text.train(), config


def is_attached(path: Path) -> bool:
    """Return whether a checkpoint to go on from is a condition file, which needs open Wan weights as the base."""
    return is_condition_file(read_metadata(path))


def attached_network(path: Path, settings: GeneratorSettings, config: FullDiTConfig) -> FullDiT:
    """Return the network of a condition file and the base of the settings, without the LoRA (`take_up_lora`).

    Raises UserError without a base or a LoRA in the settings, and for a base that the file does not belong to.
    """
    if settings.base is None or settings.lora is None:
        raise UserError(
            f"{path.name} is a condition file: to go on from it, name the Wan model that it belongs to as the base, "
            f"and train a LoRA."
        )
    conditions = read_condition_file(path)
    state = read_tensors(settings.base)
    wan = to_wan(state)
    check_base_shapes({name: tuple(value.shape) for name, value in wan.items()}, conditions, settings.base)
    check_base(wan, conditions, settings.base)
    network = FullDiT(conditions.config)
    load_start(settings.start, network, state, settings.base, read_metadata(settings.base))
    network.load_state_dict(conditions.own, strict=False)  # its names and shapes were checked as it was read
    return grown(network, config)


@torch.no_grad()
def take_up_lora(model: FullDiT, settings: GeneratorSettings) -> None:
    """Give the LoRAs of a model the values of the condition file that its training goes on from, if it does.

    A larger rank begins with that of the file and no change in what it has more. Raises UserError for a smaller one.
    """
    path = checkpoint_of(settings.model)
    if path is None or not is_attached(path):
        return
    lora, layers = read_condition_file(path).lora, lora_layers(model)
    for name in lora_layer_names(lora):
        layer = layers[name]
        down, up, alpha = (lora[f"{name}.{tail}"].float() for tail in ("lora_A.weight", "lora_B.weight", "alpha"))
        rank = len(down)
        if rank > layer.rank:
            raise UserError(f"{path.name} has a LoRA of rank {rank}, but {layer.rank} was asked for: take {rank}.")
        layer.lora_A.weight[:rank].copy_(down)
        layer.lora_B.weight[:, :rank].copy_(up * (alpha / rank / layer.scale))


def camera_motion_range(settings: GeneratorSettings) -> CameraMotionRange | None:
    """Return how far the cameras went that a checkpoint was trained on, where the config keeps what it knows: by a LoRA
    alone, or by going a part of the way. None where it does not, or the checkpoint does not say."""
    path = checkpoint_of(settings.model)
    kept = settings.lora is not None or settings.blend < 1
    return read_camera_motion_range(path) if path is not None and kept else None


@dataclass(frozen=True, eq=False)
class Origin:
    """What a condition file says of the files that its training began from: the base's name, and samples of both."""

    name: str
    base: WeightSample
    vae: WeightSample


def origin_of(settings: GeneratorSettings, vae: Path) -> Origin | None:
    """Return what the condition file of a training says of its base and VAE; None where it leaves a checkpoint.

    Read once, since a base of 14B is many gigabytes on the disk.
    """
    if settings.base is None or settings.lora is None:
        return None
    base = to_wan(read_tensors(settings.base))
    return Origin(Path(settings.base).name, sample_wan(base), sample_vae(read_tensors(vae)))


def teacher_of(settings: GeneratorSettings) -> Teacher | None:
    """Return the checkpoint that the config starts from as the teacher of its own student; None where none is asked.

    Raises UserError where there is no checkpoint.
    """
    path = checkpoint_of(settings.model)
    if settings.distill is None:
        return None
    if path is None:
        raise UserError(f"A preset ({settings.model}) has nothing to teach yet: choose a checkpoint as the model.")
    network, text, config = load_model(path)
    return Teacher(network, text, settings.distill, config.guidance, settings.shift)


@torch.no_grad()
def grown(network: FullDiT, config: FullDiTConfig) -> FullDiT:
    """Return the network with the streams, patches and ways to read conditions of `config`, in float32.

    A stream that is new begins as in a new training, and so does a predictor of importance. A stream that is no longer
    there is left out. One that is cut into larger patches begins as the mean of the tokens that each of them covers.
    """
    before = network.config
    if all(getattr(config, name) == getattr(before, name) for name in SHAPING):
        return network
    larger = FullDiT(config)
    larger.patch_embedding.load_state_dict(network.patch_embedding.state_dict())
    old = [name for name in network.tokenizers if before.sharing(name) == config.sharing(name)]
    initialize_tokenizers(larger, [name for name in larger.tokenizers if name not in old])
    initialize_predictors(larger)
    values = larger.state_dict()
    for key, value in network.state_dict().items():
        if ".importance." in key and key not in values:  # of a block that selects no more
            continue
        name = key.split(".")[1]
        if key.startswith("tokenizers.") and name not in larger.tokenizers:
            continue
        if key.endswith(".slot_vectors") and name not in old:  # more streams share the tokenizer
            values[key][[config.sharing(name).index(stream) for stream in before.sharing(name)]] = value
        else:
            same = value.shape == values[key].shape
            values[key] = value if same else widen_patch(value, values[key].shape[2:])
    larger.load_state_dict(values)
    return larger


def text_encoder(config: FullDiTConfig) -> TextEncoder | None:
    """Return a fresh text encoder of the miniature's kind, or None for a model that reads another's."""
    return TextEncoder(dim=config.text_dim) if config.text == "bytes" else None


def prepare(model: FullDiT, text: TextEncoder | None, settings: GeneratorSettings) -> None:
    """Give the networks what a config asks for: attention, gradient checkpointing, and what of them is trained."""
    use_backend(model, settings.attention)
    if settings.gradient_checkpointing:
        model.checkpoint_gradients()
    if settings.lora is not None:
        attach_lora(model, settings.lora)
        if text is not None:
            text.requires_grad_(False)


def attach_lora(model: FullDiT, settings: LoRASettings) -> None:
    """Put LoRAs into the blocks; only they, and the weights that Wan does not have if so asked, are trained from then
    on."""
    model.requires_grad_(False)
    add_lora(model, settings.rank, settings.alpha)
    for layer in lora_layers(model).values():
        if settings.base == "fp8":
            layer.to_fp8()
        elif settings.base == "bf16":
            layer.weight.data = layer.weight.data.to(torch.bfloat16)
    for name, parameter in model.named_parameters() if settings.tokenizers else ():
        if OWN.fullmatch(name):
            parameter.requires_grad_(True)


def learner_of(
    state: dict[str, Tensor], settings: GeneratorSettings, config: FullDiTConfig, weights: Tensor | None
) -> Learner:
    """Return a learner, ready to measure with, that has the weights of `state`; `weights` are those of its channels."""
    with torch.device("meta"):
        model, text = FullDiT(config), text_encoder(config)
        prepare(model, text, settings)
    learner = Learner(model, text, weights)
    learner.load_state_dict(state, assign=True)
    return learner.eval()
