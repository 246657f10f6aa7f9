"""Two and three processes (FSDP2 over gloo) train what one process trains; and any number goes on from what was saved.

All runs of a number of processes are made by one start of them, since starting takes longer than training.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from comfyui_fulldit.dataset.latents import PRESENT
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import save_model
from comfyui_fulldit.models.weights.tensor_file import read_metadata, read_tensors, write_tensors
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.generator.start import networks
from comfyui_fulldit.training.stages import encode_data

from .process import run_job

TESTS = Path(__file__).resolve().parents[1]
LORA = {"gradient_checkpointing": True, "lora": {"rank": 4, "base": "fp32"}}
SMALL = {"gradient_checkpointing": True, "lora": {"rank": 4, "base": "fp8"}, "precision": "bf16"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A random VAE and clips of which some have no camera, some no depth, some no identities, and one has nothing."""
    folder = tmp_path_factory.mktemp("processes")
    torch.manual_seed(0)
    vae = VAE(dim=4)
    save_vae(folder / "fulldit_mini_vae.safetensors", vae)
    save_model(folder / "start.safetensors", *randomized(load_vae(folder / "fulldit_mini_vae.safetensors")))
    encode_data(config_path("generator", "debug"), folder / "fulldit_mini_vae.safetensors", folder / "data", 8)
    for number, path in enumerate(sorted((folder / "data").glob("*.safetensors"))):
        tensors, metadata = read_tensors(path), read_metadata(path)
        keys = json.loads(metadata["streams"])
        for lost in (["camera"], ["depth"])[number], [key for key in keys if key not in ("camera", "depth")]:
            row = 0 if lost in (["camera"], ["depth"]) else 1
            tensors[PRESENT][row, [keys.index(key) for key in lost]] = 0
        tensors[PRESENT][3, :] = 0 if number else tensors[PRESENT][3, :]
        write_tensors(path, tensors, metadata)
    return folder


def randomized(vae: VAE) -> tuple[FullDiT, TextEncoder, FullDiTConfig]:
    """Networks whose every part matters: a fresh head is zero, and nothing before it has a gradient."""
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
    model, text, config = networks(settings, fingerprint(vae))
    torch.nn.init.normal_(model.head.head.weight, std=0.1)
    return model, text, config


def jobs_of(place: Path, count: int) -> list[dict]:
    """The runs that are compared between numbers of processes."""
    folder = place / f"of_{count}"
    folder.mkdir(exist_ok=True)
    common = {"folder": str(folder), "data": str(place), "until": 3}
    return [
        {**common, "name": "adamw", "changes": {"save_in_background": True}},
        {**common, "name": "lora", "changes": LORA},
        {**common, "name": "muon", "changes": {"optimizer": "muon", "micro_tokens": 72}},
    ]


def going_on(job: dict, place: Path) -> dict:
    """The run that two processes saved, taken up for two more steps."""
    return {**job, "name": "resumed", "from": str(place / "of_2" / job["name"]), "until": 5}


def in_processes(place: Path, jobs: list[dict], count: int) -> dict[str, dict[str, torch.Tensor]]:
    """Run jobs in so many processes; returns the weights that each leaves.

    Once in some hundred runs a process dies of a signal inside torch's gloo ("double free" while it gathers), as
    torchrun's restarts are for: such a start is made again, once. What Python raises is never tried again.
    """
    folder = Path(jobs[0]["folder"])
    (folder / "jobs.json").write_text(json.dumps(jobs))
    codes, errors = start(folder, count)
    if any(code < 0 for code in codes):
        warnings.warn(f"processes ended with {codes}, so they are started again:\n{errors}", stacklevel=1)
        for job in jobs:
            shutil.rmtree(folder / job["name"], ignore_errors=True)
        codes, errors = start(folder, count)
    assert not any(codes), errors
    return {
        job["name"]: read_tensors(folder / f"{job['name']}.safetensors") for job in jobs if job["name"] != "sequence"
    }


def start(folder: Path, count: int) -> tuple[list[int], str]:
    """Start the processes on the jobs of a folder; returns their exit codes and what they wrote of errors."""
    (folder / "store").unlink(missing_ok=True)
    command = [sys.executable, "-X", "faulthandler", "-m", "process", str(folder / "jobs.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([*(str(TESTS / room) for room in ("training", "models")), *sys.path])
    started = [
        subprocess.Popen(
            [*command, str(rank), str(count), str(folder / "store")],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    return [process.returncode for process in started], "\n".join(error[-5000:] for error in errors)


def apart(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """The largest difference of two states."""
    assert ours.keys() == theirs.keys()
    return max(float((ours[name].float() - theirs[name].float()).abs().max()) for name in ours)


@pytest.fixture(scope="module")
def one(place):
    return {job["name"]: run_job(job) for job in jobs_of(place, 1)}


@pytest.fixture(scope="module")
def two(place):
    """What two processes make, some of it by sharing sequences, and a run that they go on with."""
    jobs = jobs_of(place, 2)
    adamw, lora, _ = jobs
    more = [
        {**adamw, "name": "sequences", "changes": {"sequence_processes": 2, "gradient_checkpointing": True}},
        {**adamw, "name": "unbroken", "until": 5},
        going_on(adamw, place),
        {**lora, "name": "small", "changes": SMALL},
        {"name": "sequence", "folder": adamw["folder"]},
    ]
    return in_processes(place, [*jobs, *more], 2)


def test_two_processes_make_what_one_makes(place, one, two):
    """Also where clips lack conditions, by LoRA with gradient checkpointing, and with Muon; nothing stands still."""
    assert apart(one["adamw"], two["adamw"]) < 1e-5 and apart(one["lora"], two["lora"]) < 1e-5
    assert apart(one["muon"], two["muon"]) < 2e-4
    name = "blocks.0.self_attn.q.weight"
    assert float((one["adamw"][f"model.{name}"] - read_tensors(place / "start.safetensors")[name]).abs().max()) > 1e-3
    assert float(one["lora"]["model.blocks.1.ffn.2.lora_B.weight"].abs().max()) > 1e-3


def test_a_resumed_run_is_bit_equal(two):
    assert apart(two["unbroken"], two["resumed"]) == 0


def test_three_processes_make_what_one_makes_and_go_on_from_two(place, one, two):
    jobs = jobs_of(place, 3)[:2]
    three = in_processes(place, [*jobs, going_on(jobs[0], place)], 3)
    assert apart(one["adamw"], three["adamw"]) < 1e-5 and apart(one["lora"], three["lora"]) < 1e-5
    assert apart(two["unbroken"], three["resumed"]) < 1e-6


def test_one_process_goes_on_from_two(place, two):
    assert apart(two["unbroken"], run_job(going_on(jobs_of(place, 1)[0], place))) < 1e-6


def test_two_processes_share_a_sequence_exactly(place, one, two):
    """The network by itself, in every mode of attention; and a training, which equals that of one process."""
    differences = [json.loads((place / "of_2" / f"sequence_{rank}.json").read_text()) for rank in (0, 1)]
    assert len(differences[0]) == 12 and max(value for found in differences for value in found.values()) < 1e-6
    assert apart(one["adamw"], two["sequences"]) < 1e-5


def test_a_base_of_few_bytes_is_shared_and_stays_as_it_is(place, one, two):
    """LoRA on a base in fp8, computed in bfloat16: near what float32 gives, and the base is not touched."""
    name = "model.blocks.0.self_attn.q"
    assert two["small"][f"{name}.weight"].dtype == torch.float8_e4m3fn
    base = two["small"][f"{name}.weight"].float() * two["small"][f"{name}.weight_scale"]
    assert float((base - one["lora"][f"{name}.weight"]).abs().max()) < 0.07 * float(base.abs().max())
    changes = [run[f"{name}.lora_B.weight"].flatten() for run in (two["small"], one["lora"])]
    assert float(torch.cosine_similarity(*changes, dim=0)) > 0.9
