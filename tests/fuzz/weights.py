"""The doors of weights and configs: checkpoints, VAEs, LoRAs, what a file is, training configs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import torch

from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.estimators.depth_anything_keys import is_original, read_original
from comfyui_fulldit.models.estimators.estimators_file import load_estimators
from comfyui_fulldit.models.families.detect import detect_file
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import load_vae, save_vae
from comfyui_fulldit.models.weights.attach import attach, condition_file_of
from comfyui_fulldit.models.weights.checkpoint import embedded_path, load_model, read_camera_motion_range, save_model
from comfyui_fulldit.models.weights.condition_file import read_condition_file, write_condition_file
from comfyui_fulldit.models.weights.lora_keys import normalize_lora
from comfyui_fulldit.models.weights.lora_layers import add_lora
from comfyui_fulldit.models.weights.shards import read_shards
from comfyui_fulldit.models.weights.tensor_file import read_tensors, write_tensors
from comfyui_fulldit.training.common.settings import CONFIGS, read_settings
from comfyui_fulldit.training.common.state import load_tree, save_tree
from comfyui_fulldit.training.estimators.settings import EstimatorSettings
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.vae.settings import read_vae_settings

from ..models.nets import randomized, small
from .door import FileDoor


class WeightDoor(FileDoor):
    """safetensors files of every kind that is loaded, and the folders and indices that they come in."""

    name = "weights"

    def make(self) -> None:
        config = small(vae_fingerprint="mark")
        model = randomized(config)
        whole = self.whole
        more = {"training": {"step": 3}, "camera_reach": {"pan": [0, 1], "clips": 3}}
        save_model(whole / "model.safetensors", model, TextEncoder(dim=config.text_dim), config, more)
        save_vae(whole / "vae.safetensors", VAE(dim=4), {"fulldit_vae": {"dim": 4}})
        shutil.copy(embedded_path("fulldit_mini_estimators"), whole / "estimators.safetensors")
        self.names = tuple(model.state_dict())
        self._write_lora()
        self._write_condition_file(config)
        folder = whole / "transformer"
        folder.mkdir()
        parts = [f"diffusion_pytorch_model-0000{part}-of-00002.safetensors" for part in (1, 2)]
        tensors = {
            "blocks.0.self_attn.q.weight": torch.zeros(8, 8),
            "patch_embedding.weight": torch.zeros(8, 16, 1, 2, 2),
        }
        for name, (key, value) in zip(parts, tensors.items(), strict=True):
            write_tensors(folder / name, {key: value}, {})
        index = {"weight_map": dict(zip(tensors, parts, strict=True))}
        (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
        tree = {"module": {"a": torch.ones(3)}, "loop": {"step": 1}, "more": [None, 1.5, {"2": "x"}]}
        save_tree(whole / "state.safetensors", tree)

    def _write_lora(self) -> None:
        key = "diffusion_model.blocks.0.self_attn.q"
        pair = {f"{key}.lora_A.weight": torch.zeros(2, 64), f"{key}.lora_B.weight": torch.zeros(64, 2)}
        write_tensors(self.whole / "lora.safetensors", {**pair, f"{key}.alpha": torch.tensor(2.0)}, {})

    def _write_condition_file(self, config: FullDiTConfig) -> None:
        base = {name: value for name, value in randomized(config).state_dict().items() if "tokenizers." not in name}
        write_tensors(self.whole / "wan.safetensors", base, {})
        model = randomized(config)
        alphas = dict.fromkeys(add_lora(model, rank=1), 1.0)
        made = condition_file_of(model.state_dict(), base, VAE(dim=4).state_dict(), config, alphas, "its base")
        write_condition_file(self.whole / "conditions.safetensors", made)

    def use(self, path: Path, chance: Random) -> None:
        which = chance.random()
        if path.is_dir():
            read_shards(path) if which < 0.5 else detect_file(path)
        elif which < 0.3:
            detect_file(path)
        elif path.stem == "vae":
            load_vae(path)
        elif path.stem == "estimators":
            load_estimators(path)
        elif path.stem == "conditions":
            attach(self.whole / "wan.safetensors", read_condition_file(path))
        elif path.stem == "wan":
            attach(path, read_condition_file(self.whole / "conditions.safetensors"))
        elif path.stem == "lora":
            normalize_lora(read_tensors(path), self.names)
        elif path.stem == "state":
            load_tree(path)
        elif which < 0.4:
            read_camera_motion_range(path)
        elif which < 0.5:
            if is_original(path):
                read_original(path)
        else:
            model, _, config = load_model(path)
            assert all(torch.isfinite(value).all() for value in model.state_dict().values())
            assert np.isfinite([config.guidance, config.shift, config.fps, config.eps]).all()


class ConfigDoor(FileDoor):
    """Training configs of every stage, and the configs of checkpoints."""

    name = "configs"

    def make(self) -> None:
        for stage in CONFIGS.iterdir():
            for file in stage.glob("*.json"):
                shutil.copy(file, self.whole / f"{stage.name}-{file.name}")
        for name, config in PRESETS.items():
            (self.whole / f"model-{name}.json").write_text(config.to_json())

    def use(self, path: Path, chance: Random) -> None:
        stage = path.name.split("-")[0]
        if stage == "model":
            FullDiTConfig.from_json(path.read_bytes().decode("utf-8", "replace"))
            return
        for file in self.whole.glob(f"{stage}-*"):  # beside it, for "like"
            if file.name != path.name:
                shutil.copy(file, path.with_name(file.name.removeprefix(f"{stage}-")))
        if stage == "vae":
            read_vae_settings(path)
        else:
            read_settings(path, GeneratorSettings if stage == "generator" else EstimatorSettings)
