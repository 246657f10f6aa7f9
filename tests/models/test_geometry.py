"""How a video becomes latent and tokens: Wan 2.1, and Wan 2.2 TI2V-5B (48 channels, compression 16x16x4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    VideoSize,
)
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import Identity
from comfyui_fulldit.models.encode import count_tokens, encode_conditions
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.geometry import WAN_2_1, WAN_2_2_5B, LatentGeometry
from comfyui_fulldit.models.vae import VAE
from comfyui_fulldit.models.vae.latent import STATISTICS, denormalize_latent, normalize_latent

CONFIG = PRESETS["wan2.2-5b"]
FRAMES, HEIGHT, WIDTH = 21, 96, 160


class ConstantVAE:
    """Encodes whatever it gets as latents of one value, with the compression of a geometry."""

    def __init__(self, geometry: LatentGeometry):
        self.geometry = geometry

    def parameters(self):
        return iter([torch.empty(0)])

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        batch, _, count, height, width = frames.shape
        return torch.ones(batch, self.geometry.channels, *self.geometry.latent_size(count, height, width))


def conditions(frames: int = FRAMES, height: int = HEIGHT, width: int = WIDTH) -> Conditions:
    """A camera, two identities of which the first has a mask video, and depth."""
    image = np.full((8, 8, 3), 0.4, np.float32)
    track = np.zeros((frames, height, width), np.float32)
    track[:, : height // 2] = 1
    ramp = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (frames, height, width))
    items = (
        CameraCondition(trajectory=preset("pan_left", frames)),
        IdentityCondition(identities=(Identity("cup", (image,), mask_video=track), Identity("ball", (image,)))),
        DepthCondition(clip=DepthClip(ramp)),
    )
    return Conditions(VideoSize(frames, height, width), items)


def test_the_presets_have_the_geometry_of_their_families():
    families = {name: WAN_2_1 for name in PRESETS} | {"wan2.2-5b": WAN_2_2_5B}
    assert {name: config.geometry for name, config in PRESETS.items()} == families


def test_the_vae_of_the_miniature_compresses_as_wan_2_1():
    vae = VAE(dim=8)
    assert LatentGeometry(vae.z_dim, vae.temporal_compression, vae.spatial_compression) == WAN_2_1


def test_wan_2_2_5b_has_48_channels_and_compresses_by_16_16_4():
    assert (WAN_2_2_5B.channels, WAN_2_2_5B.spatial, WAN_2_2_5B.temporal) == (48, 16, 4)


@pytest.mark.parametrize("size", [(1, 32, 32), (5, 32, 64), (121, 704, 1280)])
def test_wan_2_2_5b_takes_4k_plus_1_frames_and_sides_in_steps_of_32(size):
    WAN_2_2_5B.check(*size)
    assert WAN_2_2_5B.video_size(WAN_2_2_5B.latent_size(*size)) == size


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((20, 96, 160), r"20 frames were asked for; 4k\+1 was expected: take 17 or 21"),
        ((0, 96, 160), r"0 frames were asked for; 4k\+1 was expected: take 1 or 5"),
        ((21, 80, 160), "the height is 80; a multiple of 32 was expected: take 64"),
        ((21, 96, 176), "the width is 176; a multiple of 32 was expected: take 192"),
        ((21, 96, 16), "the width is 16; a multiple of 32 was expected: take 32"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_the_nearest_that_does(size, message):
    with pytest.raises(UserError, match=f"(?i){message}"):
        WAN_2_2_5B.check(*size)


def test_what_wan_2_1_takes_may_not_fit_wan_2_2_5b():
    WAN_2_1.check(77, 384, 688)
    with pytest.raises(UserError, match="(?i)the width is 688"):
        WAN_2_2_5B.check(77, 384, 688)


@pytest.mark.parametrize("video", [VideoSize(20, 80, 170), VideoSize(1, 5, 5), VideoSize(82, 479, 831)])
@pytest.mark.parametrize("geometry", [WAN_2_1, WAN_2_2_5B], ids=["wan 2.1", "wan 2.2 5b"])
def test_the_nearest_size_fits(geometry, video):
    near = geometry.nearest_size(video)
    geometry.check(near.frames, near.height, near.width)
    assert abs(near.frames - video.frames) <= geometry.frame_step / 2
    assert abs(near.height - video.height) <= max(geometry.height_step / 2, geometry.height_step - video.height)


def test_the_tokens_of_a_video_are_counted_by_hand():
    # 121 frames of 1280x704: 1 + 120 / 4 = 31 latent frames of 80x44, in patches of 2x2.
    assert WAN_2_2_5B.latent_size(121, 704, 1280) == (31, 44, 80)
    assert WAN_2_2_5B.tokens((31, 44, 80)) == 31 * 22 * 40 == 27280
    # Wan 2.1 needs four times as many.
    assert WAN_2_1.tokens(WAN_2_1.latent_size(121, 704, 1280)) == 4 * 27280


def test_the_budget_of_wan_2_2_5b_is_counted_by_hand():
    # 21 frames of 160x96 are 6 latent frames of 10x6: 5x3 patches of 2x2, or 3x2 of 4x4 (the identity map).
    assert count_tokens(conditions(), CONFIG) == {
        "video": 6 * 5 * 3,
        "camera": 6,
        "reference": 2 * 5 * 3,
        "identity_map": 6 * 3 * 2,
        "depth": 6 * 5 * 3,
    }


def test_conditions_that_do_not_fit_wan_2_2_5b_are_refused_before_anything_is_encoded():
    with pytest.raises(UserError, match="(?i)the width is 176; a multiple of 32 was expected: take 192"):
        encode_conditions(conditions(width=176), None, CONFIG)


def test_conditions_are_encoded_into_the_latent_of_wan_2_2_5b():
    streams = encode_conditions(conditions(), ConstantVAE(WAN_2_2_5B), CONFIG)
    assert streams.latent_size == (6, 6, 10)
    assert [(stream.key, tuple(stream.data.shape)) for stream in streams.streams] == [
        ("camera", (1, 6, 4 * 17)),
        ("reference.0", (1, 48, 1, 6, 10)),
        ("reference.1", (1, 48, 1, 6, 10)),
        ("identity_map", (1, 48, 6, 6, 10)),
        ("depth", (1, 48, 6, 6, 10)),
    ]


def test_what_is_encoded_has_as_many_tokens_as_were_counted():
    streams = encode_conditions(conditions(), ConstantVAE(WAN_2_2_5B), CONFIG)
    assert streams.tokens(WAN_2_2_5B) == count_tokens(conditions(), CONFIG)


@pytest.mark.parametrize("geometry", [WAN_2_1, WAN_2_2_5B], ids=["wan 2.1", "wan 2.2 5b"])
def test_every_family_has_the_statistics_of_its_latents(geometry):
    mean, deviation = STATISTICS[geometry.channels]
    assert len(mean) == len(deviation) == geometry.channels
    z = torch.tensor(mean).view(1, -1, 1, 1, 1)
    assert torch.equal(normalize_latent(z), torch.zeros_like(z))
    assert torch.allclose(normalize_latent(z + torch.tensor(deviation).view_as(z)), torch.ones_like(z), atol=1e-6)
    assert torch.allclose(denormalize_latent(normalize_latent(z + 1)), z + 1)


def test_latents_without_known_statistics_are_refused():
    with pytest.raises(UserError, match=r"has 4 channels; 16 or 48 were expected.*use the VAE of Wan 2.1"):
        normalize_latent(torch.zeros(1, 4, 1, 2, 2))
