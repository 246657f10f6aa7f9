"""Upscale Video in the real host, with an upsampler of random weights: the same video as outside it, by windows too."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from .test_bridge import HEIGHT, WIDTH, module, random_weights

pytestmark = pytest.mark.comfyui
STEPS = 5  # a divisor of 1000: the host rounds its schedule to thousandths


@pytest.fixture(scope="module")
def files(host, tmp_path_factory):
    """(checkpoint, VAE) of an upsampler that was trained on clips of 9 frames."""
    folder = tmp_path_factory.mktemp("upsampler")
    written = random_weights(folder, streams=("lowres",), guidance=1.0)
    checkpoint = module("models.weights.checkpoint")
    network, text, config = checkpoint.load_model(written[0])
    torch.nn.init.normal_(network.tokenizers["lowres"].patch_embedding.weight, std=0.2)
    checkpoint.save_model(folder / "upsampler.safetensors", network, text, replace(config, frames=9), dtype=None)
    return folder / "upsampler.safetensors", written[1]


@pytest.fixture(scope="module")
def loaded(files):
    model, clip, vae = module("nodes.bridge.loaders").load_all(*files, "fp32")
    # The host takes bfloat16 for the VAE where the CPU is fast in it.
    vae.first_stage_model.float()
    vae.vae_dtype = torch.float32
    return SimpleNamespace(model=model, clip=clip, vae=vae)


def images(frames: int, seed: int = 0, height: int = HEIGHT // 2, width: int = WIDTH // 2) -> torch.Tensor:
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(seed))


def upscaled(loaded, small, **changes):
    """The images and the report of the node."""
    node = module("nodes.upscale_video").FullDiTUpscaleVideo
    given = {"fps": 8.0, "factor": 2, "prompt": "a red ball", "seed": 3, "steps": STEPS, **changes}
    with torch.inference_mode():
        return node.execute(loaded.model, loaded.clip, loaded.vae, small, **given).args


def own(files, small, windows=None):
    """The same by the pipeline outside the host, in float32 as the host has it, also on CPUs with fast bfloat16."""
    pipelines = module("models.pipeline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "pick_dtype", lambda device: torch.float32)
        pipeline = pipelines.Pipeline.load(*files)
    asked = module("models.upscale").upscaling(small.numpy(), 8.0, 2, pipeline.config, 0.0, 3)
    latent, _ = pipeline.sample("a red ball", asked.conditions, seed=3, steps=STEPS, windows=windows)
    return np.stack(list(asked.kept(pipeline.decode_stream(latent))))


def test_the_node_makes_what_the_pipeline_makes(loaded, files):
    small = images(9)
    large, report = upscaled(loaded, small)
    assert large.shape == (9, HEIGHT, WIDTH, 3)
    assert np.abs(large.numpy() - own(files, small)).max() < 0.01
    assert (large - upscaled(loaded, images(9, seed=1))[0]).abs().max() > 0.01
    assert (large - upscaled(loaded, small, noise=0.5)[0]).abs().max() > 0.001
    assert f"{STEPS} steps, euler/simple" in report and "1 pass per step" in report


def test_a_longer_video_is_seen_by_windows_as_the_pipeline_sees_it(loaded, files):
    """Core weighs the frames of a window a little otherwise than we do, so only what one window sees alone is equal."""
    small, windows = images(17), module("models.sampling.windows").Windows
    large, _ = upscaled(loaded, small, overlap=0, window=9)
    assert large.shape == (17, HEIGHT, WIDTH, 3)
    whole, _ = upscaled(loaded, small, window=17)
    ours = own(files, small, windows(3, 1))
    assert np.abs(whole.numpy() - own(files, small)).max() < 0.01
    blended, _ = upscaled(loaded, small, window=9, overlap=4)
    difference = np.abs(blended.numpy() - ours).max((1, 2, 3))
    assert difference[:4].max() < 0.02 and (blended - whole).abs().max() > 0.001
    assert "context_handler" not in loaded.model.model_options


def test_a_video_of_any_size_and_length_is_padded_and_cut(loaded):
    large, report = upscaled(loaded, images(6, height=15, width=23))
    assert large.shape == (6, 30, 46, 3)
    assert "3 times was asked for" in upscaled(loaded, images(1), factor=3)[1]


def test_what_is_no_upsampler_and_no_window_is_refused(loaded, host, tmp_path):
    error = module("control.errors").UserError
    model, clip, vae = module("nodes.bridge.loaders").load_all(*random_weights(tmp_path), "fp32")
    with pytest.raises(error, match="does not take the condition 'lowres' .its streams: camera"):
        upscaled(SimpleNamespace(model=model, clip=clip, vae=vae), images(5))
    with pytest.raises(error, match="window of 8 frames was asked for"):
        upscaled(loaded, images(9), window=8)
    with pytest.raises(error, match="noise on the low-resolution video"):
        upscaled(loaded, images(9), noise=2.0)
