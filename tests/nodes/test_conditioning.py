"""Conditions onto a model in the host: which encoded streams are shared, and the latent that is sampled into."""

from __future__ import annotations

import importlib
import sys
import types
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import Conditions, DepthCondition, VideoSize
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.models.families.presets import PRESETS

BRIDGE = "comfyui_fulldit.nodes.bridge"
CONFIG = PRESETS["debug"]


@pytest.fixture
def bridge(host, monkeypatch):
    """nodes/bridge/conditioning.py with a class in the place of the host's BaseModel, and an empty cache."""
    comfy = sys.modules["comfy"]
    conds, base_model = types.ModuleType("comfy.conds"), types.ModuleType(f"{BRIDGE}.base_model")
    conds.CONDRegular = type("CONDRegular", (), {})
    base_model.FullDiTModel = type("FullDiTModel", (), {})
    monkeypatch.setattr(comfy, "conds", conds, raising=False)
    monkeypatch.setitem(sys.modules, "comfy.conds", conds)
    for name in ("cond", "conditioning"):
        monkeypatch.delitem(sys.modules, f"{BRIDGE}.{name}", raising=False)
    monkeypatch.setitem(sys.modules, f"{BRIDGE}.base_model", base_model)
    yield importlib.import_module(f"{BRIDGE}.conditioning")
    for name in ("cond", "conditioning"):
        sys.modules.pop(f"{BRIDGE}.{name}", None)


class HostVAE:
    """A VAE of the host with the compression of Wan 2.1; counts the clips that it encodes."""

    fulldit_fingerprint = "a VAE"

    def __init__(self):
        self.clips = 0

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        self.clips += 1
        frames, height, width, _ = images.shape
        return torch.zeros(1, CONFIG.in_dim, *CONFIG.geometry.latent_size(frames, height, width))


def model(bridge, config):
    inner = bridge.FullDiTModel()
    inner.fulldit = config
    return SimpleNamespace(model=inner)


def depth(frames: int = 5, height: int = 32, width: int = 48) -> Conditions:
    clip = DepthClip(np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (frames, height, width)))
    return Conditions(VideoSize(frames, height, width), (DepthCondition(clip=clip),))


def test_equal_conditions_are_encoded_once(bridge):
    vae = HostVAE()
    streams = bridge.encode(model(bridge, CONFIG), vae, depth())
    assert bridge.encode(model(bridge, CONFIG), vae, depth()) is streams
    assert vae.clips == 1


def test_checkpoints_that_differ_only_in_what_does_not_encode_share_streams(bridge):
    vae = HostVAE()
    streams = bridge.encode(model(bridge, CONFIG), vae, depth())
    assert bridge.encode(model(bridge, replace(CONFIG, num_layers=4)), vae, depth()) is streams


@pytest.mark.parametrize(
    "other",
    [
        replace(CONFIG, patches=(("depth", (1, 4, 4)),)),
        replace(CONFIG, slots=2),
        replace(CONFIG, streams=("camera", "depth")),
    ],
    ids=["patches", "slots", "streams"],
)
def test_checkpoints_on_one_vae_that_differ_do_not_share_streams(bridge, other):
    vae = HostVAE()
    streams = bridge.encode(model(bridge, CONFIG), vae, depth())
    others = bridge.encode(model(bridge, other), vae, depth())
    assert others is not streams and others.key != streams.key
    assert others.streams[0].patch == other.patch_of("depth")
    # Nor does the second encoding replace the first.
    assert bridge.encode(model(bridge, CONFIG), vae, depth()) is streams
    assert streams.streams[0].patch == CONFIG.patch_of("depth")


@pytest.mark.parametrize(
    ("name", "shape"), [("wan-1.3b", (1, 16, 6, 12, 20)), ("wan2.2-5b", (1, 48, 6, 6, 10))], ids=["wan 2.1", "5b"]
)
def test_the_empty_latent_has_the_geometry_of_the_model(bridge, name, shape):
    latent = bridge.latent_of(model(bridge, PRESETS[name]), depth(21, 96, 160), None)
    assert tuple(latent["samples"].shape) == shape
    assert not latent["samples"].any()
