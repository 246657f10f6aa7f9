"""The autoencoder equals diffusers' AutoencoderKLWan, whole and in streams; it is causal and strict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.speed.peers import diffusers_key
from comfyui_fulldit.models.conditioning.encoder import encode_frames
from comfyui_fulldit.models.vae import autoencoder
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.latent import denormalize_latent, normalize_latent
from comfyui_fulldit.models.vae.layers import CausalConv3d
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, read_metadata, save_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path, read_config


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


@pytest.mark.parametrize("channels", [(16, 16), (32, 16), (64, 64)])
def test_gradients_of_a_single_frame_in_bfloat16_are_those_in_float32(channels: tuple[int, int]) -> None:
    """The kernel of torch 2.13 for a kernel of one frame writes beyond its memory on CPUs with AMX."""
    conv = CausalConv3d(*channels, 3)
    x = torch.randn(6, channels[0], 1, 32, 48, generator=torch.Generator().manual_seed(0))
    grads = []
    for enabled in (False, True):
        conv.weight.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = conv(x.contiguous(memory_format=torch.channels_last_3d))
        y.float().square().mean().backward()
        assert conv.weight.grad is not None
        grads.append(conv.weight.grad.clone())
    assert (grads[1] - grads[0]).norm() < 0.02 * grads[0].norm()


def test_the_future_does_not_reach_the_past(vae: VAE) -> None:
    x = clip(9)
    later = x.clone()
    later[:, :, 5:] = 0
    assert torch.equal(vae.encode(x)[:, :, :2], vae.encode(later)[:, :, :2])
    assert not torch.equal(vae.encode(x)[:, :, 2], vae.encode(later)[:, :, 2])


@pytest.mark.parametrize("chunk", [None, 4, 8])
def test_a_stream_of_pieces_of_any_length_equals_the_whole(vae: VAE, chunk: int | None) -> None:
    x = clip(13)
    z = vae.encode(x)
    for cuts in ([13], [1] * 13, [3, 5, 5]):
        assert_close(torch.cat(list(vae.encode_stream(x.split(cuts, 2), chunk)), 2), z, 1e-6)
    whole = vae.decode(z)
    for cuts, at_once in (([4], 1), ([1, 2, 1], 3)):
        assert_close(torch.cat(list(vae.decode_stream(z.split(cuts, 2), at_once)), 2), whole, 1e-6)


def test_conditions_are_encoded_piece_by_piece_to_the_latents_of_the_whole(vae: VAE, monkeypatch) -> None:
    frames = torch.rand(2, 3, 25, 16, 24, generator=torch.Generator().manual_seed(1))
    whole = normalize_latent(vae.encode(frames * 2 - 1))
    lengths = []
    real = VAE.posterior
    monkeypatch.setattr(VAE, "posterior", lambda self, x, past=None: lengths.append(x.shape[2]) or real(self, x, past))
    torch.testing.assert_close(encode_frames(vae, frames), whole, atol=1e-5, rtol=1e-5)
    assert lengths == [17, 8]
    lengths.clear()
    monkeypatch.setattr(autoencoder, "PIXELS_AT_ONCE", 4 * 16 * 24)
    torch.testing.assert_close(encode_frames(vae, frames), whole, atol=1e-5, rtol=1e-5)
    assert lengths == [1] + 6 * [4]


@pytest.mark.parametrize(("height", "width", "expected"), [(64, 96, 4), (480, 832, 1), (384, 672, 2), (1088, 1920, 1)])
def test_a_stream_decodes_as_many_latents_at_once_as_its_bound_of_pixels_allows(
    monkeypatch, height: int, width: int, expected: int
) -> None:
    lengths = []

    def decode(self: VAE, z: torch.Tensor, past: object) -> torch.Tensor:
        lengths.append(z.shape[2])
        return z

    monkeypatch.setattr(VAE, "decode", decode)
    latent = torch.empty(1, 16, 6, height // 8, width // 8, device="meta")
    list(VAE(dim=8).decode_stream([latent]))
    assert lengths[0] == expected and sum(lengths) == 6


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
        list(vae.encode_stream([clip(7)], chunk=4))
    with pytest.raises(UserError, match=r"4k\+1 frames .* this clip has 7"):
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
