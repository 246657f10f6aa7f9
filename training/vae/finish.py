"""What follows the autoencoder's training: latents with Wan 2.1's statistics, preview factors, file and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ...control.files import write_json
from ...models.geometry import WAN_2_1
from ...models.vae.autoencoder import VAE
from ...models.vae.latent import LATENT_MEAN, LATENT_STD, normalize_latent
from ...models.vae.vae_file import fingerprint, load_vae, save_vae
from .quality import encode, errors, evaluate
from .settings import VAESettings
from .vae_clips import Renderer, as_input

FINISH_SEED = 900_000_000  # Below the held-out seeds, above those that training reaches.


@torch.no_grad()
def fold(vae: VAE, mean: Tensor, std: Tensor) -> None:
    """Rewrite `conv1` and `conv2` so that raw latents with this mean and deviation (C,) get Wan 2.1's; images stay.

    z' = a z + b with a = STD / std, b = MEAN - a mean: rows of `conv1` are scaled and shifted, `conv2` undoes it.
    """
    a = torch.tensor(LATENT_STD, device=mean.device) / std
    b = torch.tensor(LATENT_MEAN, device=mean.device) - a * mean
    z = vae.z_dim
    encoder_bias, decoder_bias = vae.conv1.bias, vae.conv2.bias
    assert encoder_bias is not None and decoder_bias is not None
    vae.conv1.weight[:z] *= a[:, None, None, None, None]
    encoder_bias[:z] = encoder_bias[:z] * a + b
    encoder_bias[z:] += 2 * a.log()  # The posterior's log-variance moves with the scale.
    vae.conv2.weight /= a[None, :, None, None, None]
    decoder_bias -= vae.conv2.weight[:, :, 0, 0, 0] @ b


def preview_factors(latents: Tensor, images: Tensor) -> tuple[list[list[float]], list[float]]:
    """Return factors (16 x 3) and bias (3) that map normalized latents (N, 16) to colors (N, 3) in [-1, 1].

    They are the least squares solution, as the host's previews take it.
    """
    design = torch.cat((latents, torch.ones(len(latents), 1)), dim=1).double()
    solution = torch.linalg.lstsq(design, images.double()).solution
    return solution[:-1].tolist(), solution[-1].tolist()


def latent_pixels(latents: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Return each latent position (N, 16) and the mean color (N, 3) of its pixels in its middle frame."""
    step, side = WAN_2_1.temporal, WAN_2_1.spatial
    small = torch.nn.functional.avg_pool3d(clips, (1, side, side))
    # Latent frame k covers the last `step` frames up to frame k * step.
    frames = [0, *range(step // 2, clips.shape[2], step)]
    rows = "b c t h w -> (b t h w) c"
    return rearrange(latents, rows), rearrange(small[:, :, frames], rows)


def finish(
    vae: VAE,
    make: Renderer,
    settings: VAESettings,
    out: Path,
    held_out: dict[str, Tensor],
    provenance: dict[str, Any],
    dtype: torch.dtype,
) -> Path:
    """Fold the latents, fit the preview and write `vae.safetensors` and `vae.json` in `out`; returns the weights' path.

    The latents of `settings.finish_clips` clips are measured. `provenance` (steps, minutes, ...) goes into the file's
    metadata; `dtype` is what the network computes in.
    """
    before = evaluate(vae, held_out, dtype)
    seeds = list(range(FINISH_SEED, FINISH_SEED + settings.finish_clips))
    clips = as_input(make(seeds, *settings.size)["video"])
    raw = rearrange(encode(vae, clips, dtype), "b c t h w -> c (b t h w)")
    fold(vae, raw.mean(1), raw.std(1))
    latents = normalize_latent(encode(vae, clips, dtype))
    path = save_vae(out / "vae.safetensors", vae, file_metadata(vae, latents, clips, provenance))
    shipped = load_vae(path)
    figures = {
        "psnr_before_folding": before,
        "psnr": evaluate(shipped, held_out, dtype),
        "errors": errors(shipped, held_out["video"], dtype),
        "latent_std_before_folding": [round(value, 4) for value in raw.std(1).tolist()],
        "latent_mean": [round(value, 3) for value in latents.mean((0, 2, 3, 4)).tolist()],
        "latent_std": [round(value, 3) for value in latents.std((0, 2, 3, 4)).tolist()],
        "fingerprint": fingerprint(shipped),
        **provenance,
    }
    write_json(out / "vae.json", figures)
    print(json.dumps(figures))
    return path


def file_metadata(vae: VAE, latents: Tensor, clips: Tensor, provenance: dict[str, Any]) -> dict[str, object]:
    """Return what the file says of itself: width, latent format, provenance, and the preview fitted to these clips."""
    factors, bias = preview_factors(*latent_pixels(latents, clips))
    return {
        "fulldit_vae": {"dim": vae.dim, "latent": "Wan21", **provenance},
        "latent_rgb_factors": [[round(value, 4) for value in row] for row in factors],
        "latent_rgb_factors_bias": [round(value, 4) for value in bias],
    }
