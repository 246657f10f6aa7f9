"""What follows the autoencoder's training: latents with Wan 2.1's statistics, preview factors, file and figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ...control.files import write_json
from ...models.vae.autoencoder import VAE
from ...models.vae.latent import LATENT_MEAN, LATENT_STD, normalize_latent
from ...models.vae.vae_file import fingerprint, load_vae, save_vae
from .quality import autocast_encode, errors, evaluate
from .vae_clips import as_input

FINISH_SEED = 900_000_000  # Below the held-out seeds, above those that training reaches.


@torch.no_grad()
def fold(vae: VAE, mean: Tensor, std: Tensor) -> None:
    """Rewrites `conv1` and `conv2` so that raw latents with this mean and deviation get Wan 2.1's; images stay.

    z' = a z + b with a = STD / std, b = MEAN - a mean: rows of `conv1` are scaled and shifted, `conv2` undoes it.
    """
    a = torch.tensor(LATENT_STD, device=mean.device) / std
    b = torch.tensor(LATENT_MEAN, device=mean.device) - a * mean
    z = vae.z_dim
    vae.conv1.weight[:z] *= a[:, None, None, None, None]
    vae.conv1.bias[:z] = vae.conv1.bias[:z] * a + b
    vae.conv1.bias[z:] += 2 * a.log()  # The posterior's log-variance moves with the scale.
    vae.conv2.weight /= a[None, :, None, None, None]
    vae.conv2.bias -= vae.conv2.weight[:, :, 0, 0, 0] @ b


def preview_factors(latents: Tensor, images: Tensor) -> tuple[list[list[float]], list[float]]:
    """Least squares from normalized latents (N, 16) to colors in [-1, 1] (N, 3): factors (16 x 3) and bias (3)."""
    design = torch.cat((latents, torch.ones(len(latents), 1)), dim=1).double()
    solution = torch.linalg.lstsq(design, images.double()).solution
    return solution[:-1].tolist(), solution[-1].tolist()


def latent_pixels(latents: Tensor, clips: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (N, 16), (N, 3) of each latent position and the mean color of the 8x8 patch of its middle frame."""
    small = torch.nn.functional.avg_pool3d(clips, (1, 8, 8))
    # Latent frame k covers frames 4k-3..4k.
    frames = [0, *range(2, clips.shape[2], 4)]
    return latents.transpose(0, 1).flatten(1).T, small[:, :, frames].transpose(0, 1).flatten(1).T


def finish(
    vae: VAE,
    make: Callable[..., dict[str, Tensor]],
    size: tuple[int, int, int],
    out: Path,
    held_out: dict[str, Tensor],
    provenance: dict,
    count: int = 128,
) -> Path:
    """Measures the latents of `count` clips, folds, fits the preview and writes `vae.safetensors` and `vae.json`.

    `story` (steps, minutes, ...) goes into the file's metadata. Returns the path of the weights in `out`.
    """
    before = evaluate(vae, held_out)
    seeds = list(range(FINISH_SEED, FINISH_SEED + count))
    clips = as_input(make(seeds, *size)["video"])
    raw = autocast_encode(vae, clips).transpose(0, 1).flatten(1)
    fold(vae, raw.mean(1), raw.std(1))
    latents = normalize_latent(autocast_encode(vae, clips))
    factors, bias = preview_factors(*latent_pixels(latents, clips))
    rounded = [[round(value, 4) for value in row] for row in factors]
    metadata = {
        "fulldit_vae": {"dim": vae.dim, "latent": "Wan21", **provenance},
        "latent_rgb_factors": rounded,
        "latent_rgb_factors_bias": [round(value, 4) for value in bias],
    }
    path = save_vae(out / "vae.safetensors", vae, metadata)
    shipped = load_vae(path)
    figures = {
        "psnr_before_folding": before,
        "psnr": evaluate(shipped, held_out),
        "errors": errors(shipped, held_out["video"]),
        "latent_std_before_folding": [round(value, 4) for value in raw.std(1).tolist()],
        "latent_mean": [round(value, 3) for value in latents.mean((0, 2, 3, 4)).tolist()],
        "latent_std": [round(value, 3) for value in latents.std((0, 2, 3, 4)).tolist()],
        "fingerprint": fingerprint(shipped),
        **provenance,
    }
    write_json(out / "vae.json", figures)
    print(json.dumps(figures))
    return path
