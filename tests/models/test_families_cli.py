"""`fulldit models`: the table, what a file is, and a file fetched only after a yes."""

from __future__ import annotations

import io
import json
import sys

import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.models.families.matrix import FAMILIES, model_files
from comfyui_fulldit.models.weights.tensor_file import write_tensors

NAME = "wan_2.1_vae.safetensors"


@pytest.fixture
def table_hub(hub):
    """The hub has one file of the table."""
    file = model_files()[NAME]
    hub.repository, hub.contents = file.repository, {file.path: bytes(range(256)) * 4_000}
    return hub


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def refused(arguments, capsys) -> str:
    assert main(["models", *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("fulldit: ")
    return lines[-1]


def test_the_table_names_every_family(capsys):
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    rows = {line[:34].strip(): line[34:].split("  ") for line in text.splitlines()}
    assert [cell.strip() for cell in rows["Phantom"] if cell.strip()] == ["no", "yes", "no", "no", "no", "no", "no"]
    assert all(family.name in text for family in FAMILIES.values())


def test_the_table_as_json_holds_every_answer(capsys):
    assert main(["models", "--json"]) == 0
    families = json.loads(capsys.readouterr().out)["families"]
    assert set(families) == set(FAMILIES)
    assert families["vace"]["takes"]["mask"]["how"] == "part" and families["vace"]["variants"] == ["1.3B", "14B"]


def write_plain(path) -> None:
    """A file with the keys of plain Wan T2V that say its kind and width."""
    tensors = {"head.modulation": torch.zeros(1, 2, 8), "patch_embedding.weight": torch.zeros(8, 16, 1, 2, 2)}
    write_tensors(path, tensors, {})


def test_a_file_is_described_with_what_belongs_to_it(tmp_path, capsys):
    path = tmp_path / "Phantom-mine.safetensors"
    write_plain(path)
    assert main(["models", str(path)]) == 0
    text = capsys.readouterr().out
    assert "which is a guess" in text and "identity: yes." in text and "\nVACE\n" not in text
    assert (
        "For a camera path: FullDiT, ReCamMaster, OmniCamera and Wan Fun Camera; Bernini-R, VACE and" in text
        and "For reference images" not in text
    )
    assert f"vae/{NAME} (254 MB, Apache-2.0)" in text and "https://huggingface.co/" in text
    assert main(["models", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["detection"]["guess"] == "phantom" and list(report["families"]) == ["phantom"]
    assert NAME in [file["name"] for file in report["files"]["phantom"]]


def test_a_file_that_may_be_several_models_is_described_as_each(tmp_path, capsys):
    write_plain(tmp_path / "mine.safetensors")
    assert main(["models", str(tmp_path / "mine.safetensors"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["families"]) == ["wan-t2v", "phantom", "bernini-r"] and report["detection"]["family"] is None


def test_a_file_that_is_not_driven_says_so(tmp_path, capsys):
    write_tensors(tmp_path / "mine.safetensors", {"patch_embedding_wancamctrl.weight": torch.zeros(8, 1536)}, {})
    assert main(["models", str(tmp_path / "mine.safetensors")]) == 0
    text = capsys.readouterr().out
    assert FAMILIES["lingbot-world"].sentence in text and "this pack does not drive it" in text


def test_a_file_that_cannot_be_read_is_refused(tmp_path, capsys):
    (tmp_path / "a.safetensors").write_bytes(b"hello, this is a text file")
    assert "not a safetensors file" in refused([str(tmp_path / "a.safetensors")], capsys)
    torch.save({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    assert "pickled" in refused([str(tmp_path / "b.safetensors")], capsys)
    assert "does not exist" in refused([str(tmp_path / "c.safetensors")], capsys)


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_nothing_is_fetched_without_a_yes(table_hub, models, capsys, monkeypatch, answer):
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert main(["models", "--get", NAME, "--to", str(models)]) == 2
    asked = capsys.readouterr().err
    path = model_files()[NAME].path
    for word in ("1 MB", "Apache-2.0", table_hub.sha256(path), str(models / "vae" / NAME), "[y/N]", "Nothing was"):
        assert word in asked
    assert not table_hub.reads and not list(models.iterdir())


@pytest.mark.parametrize("yes", [True, False])
def test_a_file_is_fetched_into_its_folder(table_hub, models, capsys, monkeypatch, yes):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    arguments = ["models", "--quiet", "--json", "--get", NAME.removesuffix(".safetensors"), "--to", str(models)]
    assert main([*arguments, "--yes"] if yes else arguments) == 0
    captured = capsys.readouterr()
    report, path = json.loads(captured.out), models / "vae" / NAME
    assert ("[y/N]" in captured.err) != yes and report["path"] == str(path)
    assert path.read_bytes() == table_hub.contents[model_files()[NAME].path]
    assert report["digest"] == f"sha256:{table_hub.sha256(model_files()[NAME].path)}"
    assert [entry.name for entry in path.parent.iterdir()] == [NAME]


def test_a_file_that_is_there_is_neither_asked_about_nor_fetched(table_hub, models, capsys):
    assert main(["models", "--quiet", "--get", NAME, "--to", str(models), "--yes"]) == 0
    reads = len(table_hub.reads)
    assert main(["models", "--quiet", "--get", NAME, "--to", str(models)]) == 0
    assert len(table_hub.reads) == reads and str(models / "vae" / NAME) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--get", "nonsense"], "is not a file of the table: choose one of"),
        (["--get", "vace"], "choose one of wan2.1_vace_1.3B_fp16.safetensors"),
        (["--get", "lingbot-world"], "has no files that this pack knows"),
        (["--get", NAME], "Where to is not said"),
        (["--get", NAME, "--to", "no/such/folder"], "does not exist: give ComfyUI's models folder"),
    ],
)
def test_what_cannot_be_fetched_is_said(table_hub, capsys, arguments, words):
    assert words in refused(arguments, capsys)
    assert not table_hub.questions


def test_a_checkpoint_whose_config_cannot_be_used_is_not_told_what_it_takes(tmp_path, capsys):
    path = tmp_path / "bad.safetensors"
    for core, says in (({"num_layers": 10**9}, "num_layers = 1000000000"), ({"dim": -2}, "dim = -2")):
        write_tensors(path, {"x": torch.zeros(1)}, {"config": json.dumps({"transformer": core, "fulldit": {}})})
        assert says in refused([str(path)], capsys)
    write_tensors(path, {"x": torch.zeros(1)}, {"config": json.dumps({"transformer": {}, "fulldit": {}})})
    assert main(["models", str(path)]) == 0 and "FullDiT" in capsys.readouterr().out
