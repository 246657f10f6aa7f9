"""`fulldit train STAGE`: the stages in their order, each resuming where it stopped, and the weights they leave.

OUT/vae, OUT/data (+ OUT/held_out), OUT/generator and OUT/estimators hold what a stage needs to go on; the finished
files are OUT/fulldit_mini_vae.safetensors, OUT/fulldit_mini.safetensors and OUT/fulldit_mini_estimators.safetensors.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..control.errors import UserError
from ..control.files import DiskFullError, atomic_path, remove_parts
from ..control.folder_lock import folder_lock
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
) -> dict[str, dict[str, Any]]:
    """Run one stage or `all`; returns what each stage reports.

    `config` is cpu, gpu or debug, or a file of the stage. `ship` copies the finished weights to the repository's
    checkpoints/. `minutes` and `clips` replace the budgets of the generator and of the data. A stage that SIGTERM
    stopped is the last one.
    Raises UserError when a stage is unknown or what it builds on is missing, and where another training is at work in
    `out`; DiskFullError, with the last good state, where there is no more room.
    """
    if stage not in (*STAGES, "all"):
        raise UserError(f"There is no stage {stage!r}. Choose one of: all, {', '.join(STAGES)}.")
    stages = STAGES if stage == "all" else (stage,)
    if stage == "all" and Path(config).suffix == ".json":
        raise UserError("'all' takes the name of a config (cpu, gpu, debug): every stage has a file of its own.")
    paths = {name: config_path("generator" if name == "data" else name, config) for name in stages}
    out = Path(out)
    results: dict[str, dict[str, Any]] = {}
    with only_training_in(out):
        for name in stages:
            start = time.perf_counter()
            try:
                report = run_stage(name, paths[name], out, resume, minutes, clips)
            except DiskFullError as error:
                raise DiskFullError(f"{error.clause}. {last_good_state(name, out)}") from error
            results[name] = {**report, "seconds": round(time.perf_counter() - start, 1)}
            if ship and name in WEIGHTS:
                results[name]["shipped"] = str(ship_weights(out / f"{WEIGHTS[name]}.safetensors"))
            if not report.get("finished", True):
                break
    return results


@contextmanager
def only_training_in(out: Path) -> Iterator[None]:
    """Hold the folder for one training, and remove the part files that killed ones left in it.

    Of several processes that train one model, the first holds it for all. Raises UserError where another training does.
    """
    if int(os.environ.get("RANK", "0")) > 0:  # as torchrun numbers them
        yield
        return
    began = time.time()
    with folder_lock(out, "another training"):
        for folder in (out, *(path for path in out.iterdir() if path.is_dir())):
            remove_parts(folder, began)
        yield


def last_good_state(stage: str, out: Path) -> str:
    """Return a sentence about what of a stage is whole on the disk, and how to go on from it."""
    from .common.state import saved_step

    again = "run the same command again"
    states = [path for folder in out.glob(f"{stage}*") for path in folder.glob("*state.safetensors")]
    if states:
        newest = max(states, key=lambda path: path.stat().st_mtime_ns)
        return f"The state of step {saved_step(newest)} is whole in '{newest}': {again}, and it goes on from there."
    shards = len(list((out / "data").glob("shard_*.safetensors")))
    if shards and stage == "data":
        return f"{shards} shards of clips are whole in '{out / 'data'}': {again}, and it goes on behind them."
    return f"Nothing was saved yet: {again}, and it begins anew."


def run_stage(
    name: str, config: Path, out: Path, resume: bool, minutes: float | None, clips: int | None
) -> dict[str, Any]:
    """Run one stage; returns its report. The heavy imports wait until it is known that they are needed."""
    if name == "vae":
        from .vae.settings import read_vae_settings
        from .vae.train_decoder import train_decoder
        from .vae.train_vae import start_path, train_vae

        settings, decoder = read_vae_settings(config)
        if settings.trains == "decoder":
            written, decoder = start_path(settings.start), settings
        else:
            written = train_vae(config, out / "vae", resume=resume)
        if decoder is not None:
            written = train_decoder(decoder, written, out / "vae_decoder", resume=resume)
        return {"weights": str(keep(written, out / f"{WEIGHTS[name]}.safetensors"))}
    if name == "estimators":
        from .estimators.train_estimators import train_estimators

        written = train_estimators(config, out / "estimators", resume=resume)
        return {"weights": str(keep(written, out / f"{WEIGHTS[name]}.safetensors"))}

    from .generator.settings import GeneratorSettings

    vae = needed_vae(out, read_settings(config, GeneratorSettings).vae)
    if name == "data":
        return {"clips": encode_data(config, vae, out / "data", clips)}
    from .generator.train_generator import train_generator

    export = out / f"{WEIGHTS[name]}.safetensors"
    record = train_generator(config, out / "generator", vae, out / "data", export, resume, minutes)
    return {"weights": str(export), **{key: value for key, value in record.items() if key != "settings"}}


def needed_vae(out: Path, name: str = "") -> Path:
    """Return the VAE of this run, else the file or the one in checkpoints/ that the config names (empty: the shipped
    generator's).

    Raises UserError where there is neither.
    """

    from ..models.weights.checkpoint import named_path

    own = out / f"{WEIGHTS['vae']}.safetensors"
    path = own if own.exists() else named_path(name or WEIGHTS["vae"])
    if not Path(path).exists():
        raise UserError(f"There is no VAE yet: neither {own} nor {path}. Run the stage 'vae' first.")
    return Path(path)


def encode_data(config: Path, vae_path: Path, folder: Path, clips: int | None = None) -> int:
    """Render and encode the clips of the generator's config, `clips` of them in all if not None; returns how many there
    are. Clips of several sizes get a folder each in `folder`.

    Raises UserError for a config that does not say which clips.
    """
    from ..dataset.latents import write_held_out, write_shards
    from ..models.devices import pick_device
    from ..models.vae.vae_file import load_vae
    from .common.precision import compute_dtype
    from .generator.settings import GeneratorSettings
    from .generator.start import config_of, config_of_clips, scenes_of

    settings = read_settings(config, GeneratorSettings)
    if not settings.data:
        raise UserError(
            f"The config {config}: data is missing; expected the clips to encode, such as [{{'clips': 64}}]."
        )
    model = config_of(settings)
    device = pick_device()
    vae = load_vae(vae_path, device=device, dtype=compute_dtype(settings.precision, device))
    if settings.held_out_clips:
        write_held_out(vae, folder.parent / "held_out", settings.held_out_clips, model, device, settings.world)
    wanted = sum(entry.clips for entry in settings.data)
    configs = [config_of_clips(entry, model, settings.world) for entry in settings.data]
    sizes = {(of.frames, of.height, of.width) for of in configs}
    shards: Counter[Path] = Counter()
    written: dict[Path, int] = {}
    for entry, encoded in zip(settings.data, configs, strict=True):
        count = entry.clips if clips is None else math.ceil(entry.clips * clips / wanted)
        place = folder if len(sizes) == 1 else folder / f"{encoded.frames}x{encoded.height}x{encoded.width}"
        written[place] = write_shards(
            vae,
            place,
            encoded,
            clips=count,
            several=entry.several,
            shard=entry.shard,
            batch=entry.batch,
            first_seed=entry.first_seed,
            device=device,
            report=print_rate,
            scenes=scenes_of(entry, settings.world),
            first_shard=shards[place],
        )
        shards[place] += math.ceil(count / entry.shard)
    return sum(written.values())


def print_rate(count: int, rate: float) -> None:
    """Say how many clips there are and how many come per second."""
    print(f"{count} clips, {rate:.2f} per second", flush=True)


def keep(written: Path | str | None, path: Path) -> Path:
    """Copy what a stage wrote to `path`, whole or not at all; returns `path`."""
    if written is not None and Path(written).resolve() != path.resolve():
        with atomic_path(path) as part:
            shutil.copyfile(written, part)
    if not path.exists():
        raise UserError(f"The stage ended without writing {path}.")
    return path


def ship_weights(path: Path) -> Path:
    """Copy finished weights to checkpoints/ of the repository; returns the copy."""
    from ..models.weights.checkpoint import embedded_path

    return keep(path, Path(embedded_path(path.stem)))
