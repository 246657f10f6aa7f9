"""Known frames as tokens: the mask beside the latent, what begins as what, and what the network makes of both."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import Conditions, KnownFramesCondition, SourceCondition, VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.encoder import Encoder, TokenCounter
from comfyui_fulldit.models.conditioning.tokenizers import widen_patch
from comfyui_fulldit.models.encode import count_tokens, encode_conditions
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.geometry import WAN_2_1, WAN_2_2_5B
from comfyui_fulldit.models.vae import VAE

DEBUG = PRESETS["debug"]
STREAMS = (*DEBUG.streams, "source", "known")
CONFIG = dataclasses.replace(DEBUG, streams=STREAMS, frames=9)


def conditions(video: VideoSize = CONFIG.video, mask: np.ndarray | None = None, at: str = "first", count: int = 1):
    images = np.random.default_rng(0).random((count, video.height, video.width, 3), np.float32)
    known = KnownFramesCondition(images=images, mask=mask, at=at)
    return Conditions(video, (known,)).fitted(Fit())


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return VAE(dim=4).eval()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = FullDiT(CONFIG)
    initialize(model)
    torch.nn.init.normal_(model.head.head.weight, std=0.3)
    return model.eval()


@pytest.mark.parametrize("geometry", [WAN_2_1, WAN_2_2_5B])
def test_the_mask_lies_at_the_latents_size_with_a_channel_for_each_frame(geometry):
    """Against loops: frame 4k - 3 + n of the video is channel n of latent frame k; the first frame is all of its."""
    video = VideoSize(9, 64, 96)
    mask = np.random.default_rng(0).random((9, 64, 96)).astype(np.float32)
    packed = Encoder(None, geometry, video).encode_mask(lambda: mask)
    side = geometry.spatial
    assert packed.shape == (1, 4, 3, 64 // side, 96 // side)
    for k in range(3):
        for n in range(4):
            frame = mask[max(0, 4 * k - 3 + n)]
            for row, column in ((0, 0), (1, 2), (64 // side - 1, 96 // side - 1)):
                block = frame[row * side : (row + 1) * side, column * side : (column + 1) * side]
                assert packed[0, n, k, row, column].item() == pytest.approx(block.mean(), abs=1e-6)
    assert TokenCounter(geometry, video).encode_mask(lambda: mask).shape == packed.shape


def test_its_stream_is_the_gray_video_and_the_mask_behind_it(vae):
    asked = conditions(at="last")
    (stream,) = encode_conditions(asked, vae, CONFIG).streams
    source = SourceCondition(frames=asked.get(KnownFramesCondition).shown(CONFIG.video))
    (plain,) = encode_conditions(Conditions(CONFIG.video, (source,)), vae, CONFIG).streams
    assert stream.data.shape == (1, 16 + 4, *CONFIG.latent_size) and torch.equal(stream.data[:, :16], plain.data)
    assert stream.data[0, 16:, -1, 0, 0].tolist() == [0, 0, 0, 1] and stream.data[0, 16:, :-1].max() == 0
    assert count_tokens(asked, CONFIG)["known"] == count_tokens(asked, CONFIG)["video"]


def test_its_tokens_begin_as_what_the_backbone_makes_of_its_images(network):
    tokenizer = network.tokenizers["known"]
    weight = tokenizer.patch_embedding.weight
    assert torch.equal(weight[:, :16], widen_patch(network.patch_embedding.weight, tokenizer.patch))
    assert weight.shape[1] == 20 and (weight[:, 16:] == 0).all()


def test_the_network_sees_what_is_known(network, vae):
    """A mask of another place changes the result, once its channels have learned something."""
    x = torch.randn(1, 16, *CONFIG.latent_size, generator=torch.manual_seed(1))
    context = torch.randn(1, 3, CONFIG.text_dim, generator=torch.manual_seed(2))
    left = np.zeros((1, CONFIG.height, CONFIG.width), np.float32)
    left[..., : CONFIG.width // 2] = 1
    streams = encode_conditions(conditions(mask=left), vae, CONFIG)
    (stream,) = streams.streams
    swapped = torch.cat([stream.data[:, :16], 1 - stream.data[:, 16:]], 1)
    other = dataclasses.replace(streams, streams=(dataclasses.replace(stream, data=swapped),), key=("other",))

    def velocity(given):
        with torch.no_grad():
            return network(x, torch.tensor([500.0]), context, given)

    assert not torch.equal(velocity(None), velocity(streams))
    assert torch.equal(velocity(streams), velocity(other)), "channels of the mask begin at zero"
    torch.nn.init.normal_(network.tokenizers["known"].patch_embedding.weight[:, 16:], std=0.3)
    assert not torch.allclose(velocity(streams), velocity(other), atol=1e-4)


def test_a_window_has_its_part_of_them(vae):
    streams = encode_conditions(conditions(at="8"), vae, CONFIG)
    (part,) = streams.window([1, 2]).streams
    assert torch.equal(part.data, streams.streams[0].data[:, :, 1:])


def test_a_checkpoint_of_before_refuses_them_by_name():
    with pytest.raises(UserError, match="does not take the condition 'known' .*trained with it, or use a public model"):
        count_tokens(conditions(DEBUG.video), DEBUG)
