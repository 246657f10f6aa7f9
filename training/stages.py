"""`fulldit train STAGE`: the stages in their order, each resuming where it stopped, and the weights they leave.

OUT/vae, OUT/data (+ OUT/held_out), OUT/generator and OUT/estimators hold what a stage needs to go on; the finished
files are OUT/fulldit_mini_vae.safetensors, OUT/fulldit_mini.safetensors and OUT/fulldit_mini_estimators.safetensors.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ..control.errors import UserError
from ..control.files import atomic_path
from .common.settings import config_path, read_settings

STAGES = ("vae", "data", "generator", "estimators")
WEIGHTS = {"vae": "fulldit_mini_vae", "generator": "fulldit_mini", "estimators": "fulldit_mini_estimators"}


def run(
    stage: str,
    config: str | Path,
    out: Path,
    resume: bool = True,
    ship: bool = False,
    minutes: float | None = None,
    clips: int | None = None,
) -> dict:
    """Run one stage or `all`; returns what each stage reports.

    `config` is cpu, gpu or debug, or a file of the stage. `ship` copies the finished weights to the repository's
    checkpoints/. `minutes` and `clips` replace the budgets of the generator and of the data.
    Raises UserError when a stage is unknown or what it builds on is missing.
    """
    if stage not in (*STAGES, "all"):
        raise UserError(f"There is no stage {stage!r}. Choose one of: all, {', '.join(STAGES)}.")
    stages = STAGES if stage == "all" else (stage,)
    if stage == "all" and Path(config).suffix == ".json":
        raise UserError("'all' takes the name of a config (cpu, gpu, debug): every stage has a file of its own.")
    paths = {name: config_path("generator" if name == "data" else name, config) for name in stages}
    out = Path(out)
    results: dict = {}
    for name in stages:
        began = time.perf_counter()
        found = run_stage(name, paths[name], out, resume, minutes, clips)
        results[name] = {**found, "seconds": round(time.perf_counter() - began, 1)}
        if ship and name in WEIGHTS:
            results[name]["shipped"] = str(ship_weights(out / f"{WEIGHTS[name]}.safetensors"))
    return results


def run_stage(name: str, config: Path, out: Path, resume: bool, minutes: float | None, clips: int | None) -> dict:
    """One stage. The heavy imports wait until it is known that they are needed."""
    if name == "vae":
        from .vae.train_vae import load_config, train_vae

        written = train_vae(config, out / "vae", resume=resume)
        if "decoder" in load_config(config):
            from .vae.train_decoder import train_decoder

            written = train_decoder(config, written, out / "vae_decoder", resume=resume)
        return {"weights": str(keep(written, out / f"{WEIGHTS[name]}.safetensors"))}
    if name == "estimators":
        from .estimators.train_estimators import train_estimators

        written = train_estimators(config, out / "estimators", resume=resume)
        return {"weights": str(keep(written, out / f"{WEIGHTS[name]}.safetensors"))}

    vae = needed_vae(out)
    if name == "data":
        return {"clips": encode_data(config, vae, out / "data", clips)}
    from .generator.train_generator import train_generator

    export = out / f"{WEIGHTS[name]}.safetensors"
    record = train_generator(config, out / "generator", vae, out / "data", export, resume, minutes)
    return {"weights": str(export), **{key: value for key, value in record.items() if key != "settings"}}


def needed_vae(out: Path) -> Path:
    """The VAE of this run, else the one in checkpoints/."""
    from ..models.weights.checkpoint import embedded_path

    own = out / f"{WEIGHTS['vae']}.safetensors"
    path = own if own.exists() else embedded_path(WEIGHTS["vae"])
    if not Path(path).exists():
        raise UserError(f"There is no VAE yet: neither {own} nor {path}. Run the stage 'vae' first.")
    return Path(path)


def encode_data(config: Path, vae_path: Path, folder: Path, clips: int | None = None) -> int:
    """Render and encode the clips of the generator's config; returns how many there are."""
    import torch

    from ..dataset.latents import write_held_out, write_shards
    from ..models.devices import pick_device
    from ..models.vae.vae_file import load_vae
    from .generator.start import config_of
    from .generator.train_generator import GeneratorSettings

    settings = read_settings(config, GeneratorSettings)
    model = config_of(settings.model)
    device = pick_device()
    vae = load_vae(vae_path, device=device, dtype=torch.bfloat16)
    data = {**settings.data, **({} if clips is None else {"clips": clips})}
    write_held_out(vae, folder.parent / "held_out", settings.held_out_clips, model, device)
    return write_shards(
        vae,
        folder,
        model,
        device=device,
        report=lambda count, rate: print(f"{count} clips, {rate:.2f} per second", flush=True),
        **data,
    )


def keep(written: Path | str | None, path: Path) -> Path:
    """Copy what a stage wrote to its place in OUT, whole or not at all."""
    if written is not None and Path(written).resolve() != path.resolve():
        with atomic_path(path) as part:
            shutil.copyfile(written, part)
    if not path.exists():
        raise UserError(f"The stage ended without writing {path}.")
    return path


def ship_weights(path: Path) -> Path:
    """Copy finished weights to checkpoints/ of the repository."""
    from ..models.weights.checkpoint import embedded_path

    return keep(path, Path(embedded_path(path.stem)))
