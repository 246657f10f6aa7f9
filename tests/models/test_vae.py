"""The autoencoder equals diffusers' AutoencoderKLWan, whole and in streams; it is causal and strict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.latent import denormalize_latent, normalize_latent
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, read_metadata, save_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path, read_config


def diffusers_key(key: str) -> str:
    """Our (= Wan's) key under diffusers' naming."""
    key = key.replace("middle.0.", "mid_block.resnets.0.").replace("middle.2.", "mid_block.resnets.1.")
    key = key.replace("middle.1.", "mid_block.attentions.0.")
    if match := re.match(r"decoder\.upsamples\.(\d+)\.", key):
        level, place = divmod(int(match[1]), 4)
        part = f"resnets.{place}" if place < 3 else "upsamplers.0"
        key = key.replace(match[0], f"decoder.up_blocks.{level}.{part}.")
    key = key.replace("encoder.downsamples.", "encoder.down_blocks.")
    for ours, theirs in {
        "residual.0.": "norm1.",
        "residual.2.": "conv1.",
        "residual.3.": "norm2.",
        "residual.6.": "conv2.",
        "shortcut.": "conv_shortcut.",
        "head.0.": "norm_out.",
        "head.2.": "conv_out.",
    }.items():
        key = key.replace(ours, theirs)
    key = re.sub(r"^(encoder|decoder)\.conv1\.", r"\1.conv_in.", key)
    return re.sub(r"^conv1\.", "quant_conv.", re.sub(r"^conv2\.", "post_quant_conv.", key))


def randomize(vae: torch.nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in vae.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(1 + 0.2 * noise if name.endswith("gamma") else noise * value[0].numel() ** -0.5)


@pytest.fixture(scope="module")
def vae() -> VAE:
    torch.manual_seed(0)
    model = VAE(dim=8).eval().requires_grad_(False)
    randomize(model)
    return model


@pytest.fixture(scope="module")
def reference(vae: VAE):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.AutoencoderKLWan(base_dim=vae.dim, z_dim=16).eval().requires_grad_(False)
    theirs.load_state_dict({diffusers_key(key): value for key, value in vae.state_dict().items()}, strict=True)
    return theirs


def clip(frames: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(2, 3, frames, 16, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, relative: float = 1e-5) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= relative * theirs.abs().max()


@pytest.mark.parametrize("frames", [1, 5, 9, 13])
def test_whole_and_streamed_clips_equal_those_of_diffusers(vae: VAE, reference, frames: int) -> None:
    x = clip(frames)
    theirs = reference.encode(x).latent_dist.mean
    assert_close(vae.encode(x), theirs)
    assert_close(torch.cat(list(vae.encode_stream([x[:, :, :2], x[:, :, 2:]])), 2), theirs)
    # diffusers clamps its images, we leave that to the border.
    images = reference.decode(theirs).sample
    assert_close(vae.decode(theirs).clamp(-1, 1), images)
    assert_close(torch.cat(list(vae.decode_stream([theirs])), 2).clamp(-1, 1), images)


def test_the_future_does_not_reach_the_past(vae: VAE) -> None:
    x = clip(9)
    later = x.clone()
    later[:, :, 5:] = 0
    assert torch.equal(vae.encode(x)[:, :, :2], vae.encode(later)[:, :, :2])
    assert not torch.equal(vae.encode(x)[:, :, 2], vae.encode(later)[:, :, 2])


@pytest.mark.parametrize("chunk", [4, 8])
def test_a_stream_of_pieces_of_any_length_equals_the_whole(vae: VAE, chunk: int) -> None:
    x = clip(13)
    z = vae.encode(x)
    for cuts in ([13], [1] * 13, [3, 5, 5]):
        assert_close(torch.cat(list(vae.encode_stream(x.split(cuts, 2), chunk)), 2), z, 1e-6)
    whole = vae.decode(z)
    for cuts, at_once in (([4], 1), ([1, 2, 1], 3)):
        assert_close(torch.cat(list(vae.decode_stream(z.split(cuts, 2), at_once)), 2), whole, 1e-6)


def test_a_stream_remembers_no_more_for_a_longer_clip(vae: VAE) -> None:
    def kept(frames: int) -> int:
        past: dict = {}
        x = clip(frames)
        for piece in (x[:, :, :1], *x[:, :, 1:].split(4, 2)):
            for latent in vae.posterior(piece, past)[0].split(1, 2):
                vae.decode(latent, past)
        # Storage, not shape: a view would hold its whole clip.
        return sum(value.untyped_storage().nbytes() for value in past.values())

    assert kept(9) == kept(25)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 3, 4, 16, 16), "4k+1"), ((1, 3, 5, 16, 20), "multiples of 8"), ((1, 4, 5, 16, 16), r"\(B, 3, T, H, W\)")],
)
def test_images_that_do_not_fit_are_refused(vae: VAE, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message) if "+" in message else message):
        vae.encode(torch.zeros(shape))


def test_a_stream_that_ends_between_latents_is_refused(vae: VAE) -> None:
    with pytest.raises(UserError, match="multiples of 4"):
        list(vae.encode_stream([clip(7)]))


@pytest.mark.parametrize("chunk", [0, 3, 6])
def test_a_chunk_that_does_not_fill_latent_frames_is_refused(vae: VAE, chunk: int) -> None:
    with pytest.raises(UserError, match=f"multiple of 4 frames; {chunk} is not one"):
        list(vae.encode_stream([clip(9)], chunk))


def test_latents_with_other_channels_are_refused(vae: VAE) -> None:
    with pytest.raises(UserError, match=r"decodes latents of shape \(B, 16, T, h, w\)"):
        vae.decode(torch.zeros(1, 8, 1, 2, 2))


def test_the_compression_is_that_of_the_latents(vae: VAE) -> None:
    frames, height, width = vae.encode(clip(9)).shape[2:]
    assert (frames - 1) * vae.temporal_compression + 1 == 9
    assert (height * vae.spatial_compression, width * vae.spatial_compression) == (16, 24)
    assert vae.encode(clip(1)).shape[1] == vae.z_dim


def test_denormalizing_undoes_normalizing() -> None:
    z = torch.randn(2, 16, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(denormalize_latent(normalize_latent(z)), z)


def test_normalized_latents_have_the_statistics_of_wan21() -> None:
    assert float(normalize_latent(torch.zeros(1, 16, 1, 1, 1))[0, 0]) == pytest.approx(0.7571 / 2.8184)


def test_a_file_keeps_the_weights_and_the_metadata(vae: VAE, tmp_path: Path) -> None:
    path = save_vae(tmp_path / "vae.safetensors", vae, {"numbers": [1, 2.5]}, dtype=torch.float32)
    again = load_vae(path)
    assert torch.equal(again.encode(clip(5)), vae.encode(clip(5)))
    assert read_metadata(path) == {"numbers": [1, 2.5]}


def test_a_file_has_one_fingerprint_in_every_format_that_it_is_loaded_in(vae: VAE, tmp_path: Path) -> None:
    whole = load_vae(save_vae(tmp_path / "vae.safetensors", vae, dtype=torch.float32))
    assert fingerprint(whole) == fingerprint(vae)
    half = load_vae(save_vae(tmp_path / "half.safetensors", vae))
    assert fingerprint(half) == fingerprint(load_vae(tmp_path / "half.safetensors", dtype=torch.bfloat16))
    assert fingerprint(half) != fingerprint(vae)


def test_the_fingerprint_of_the_embedded_vae_is_the_one_that_its_generator_names() -> None:
    vae = load_vae(embedded_path("fulldit_mini_vae"))
    assert fingerprint(vae) == read_config(embedded_path("fulldit_mini")).vae_fingerprint


@pytest.fixture
def file(vae: VAE, tmp_path: Path) -> Path:
    return save_vae(tmp_path / "vae.safetensors", vae)


def test_a_file_that_is_cut_short_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="cut short"):
        load_vae(file)


def test_a_pickled_vae_is_refused(vae: VAE, tmp_path: Path) -> None:
    torch.save(vae.state_dict(), tmp_path / "vae.pth")
    with pytest.raises(UserError, match="pickled"):
        load_vae(tmp_path / "vae.pth")


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not a Wan 2.1 VAE"):
        load_vae(tmp_path / "foreign.safetensors")


def test_a_weight_that_does_not_belong_to_the_vae_is_refused_by_name(vae: VAE, tmp_path: Path) -> None:
    save_file({**vae.state_dict(), "more": torch.zeros(1)}, tmp_path / "extra.safetensors")
    with pytest.raises(UserError, match="more"):
        load_vae(tmp_path / "extra.safetensors")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_vae(tmp_path / "missing.safetensors")
