"""Models from a hub come whole and checked, are canceled and continued, and never without the network being allowed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.weights import downloads
from comfyui_fulldit.models.weights.downloads import RemoteFile, RemoteModel, download, download_file, resolve

MODEL = RemoteModel("someone/Tiny-Depth-hf", "MIT", (RemoteFile("config.json"), RemoteFile("model.safetensors")))


class CountedProgress:
    """Counts its steps; at step `cancel_at` it raises, as a host does when its run is canceled."""

    def __init__(self, cancel_at: int | None = None):
        self.steps, self.cancel_at = 0, cancel_at

    @contextmanager
    def __call__(self, total, title):
        assert total == 100 and MODEL.repository in title

        def step():
            self.steps += 1
            if self.steps == self.cancel_at:
                raise KeyboardInterrupt("canceled")

        yield step


def with_weights(model: RemoteModel, **changes) -> RemoteModel:
    """The model with other figures announced for its weights."""
    config, weights = model.files
    return replace(model, files=(config, replace(weights, **changes)))


def test_what_is_not_pinned_is_asked_from_the_hub(hub):
    model = resolve(MODEL)
    assert model.revision == hub.revision and model.is_resolved and resolve(model) is model and hub.questions == 1
    config, weights = model.files
    assert config.digest == f"git:{hub.git_digest('config.json')}"
    assert weights.digest == f"sha256:{hub.sha256('model.safetensors')}"
    assert weights.size == len(hub.contents["model.safetensors"])
    assert hub.sha256("model.safetensors") in model.describe() and "3.1 MB" in model.describe()


def test_a_file_that_the_hub_does_not_list_is_refused(hub):
    del hub.contents["config.json"]
    with pytest.raises(UserError, match="does not list config.json and model.safetensors"):
        resolve(MODEL)


def test_a_model_comes_whole_and_says_where_it_is_from(hub, tmp_path):
    progress = CountedProgress()
    folder = download(MODEL, tmp_path, progress)
    assert folder == tmp_path / "Tiny-Depth-hf" and progress.steps == 100
    assert {name: (folder / name).read_bytes() for name in hub.contents} == hub.contents
    source = json.loads((folder / "source.json").read_text())
    assert source["repository"] == MODEL.repository and source["revision"] == hub.revision
    assert source["license"] == "MIT" and source["files"]["model.safetensors"]["size"] == 3_072_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["Tiny-Depth-hf"]


def test_a_model_that_is_there_is_not_fetched_again(hub, tmp_path):
    folder = download(MODEL, tmp_path)
    questions, reads = hub.questions, len(hub.reads)
    assert download(MODEL, tmp_path) == folder and (hub.questions, len(hub.reads)) == (questions, reads)


def test_a_folder_without_the_whole_model_is_refused(hub, tmp_path):
    (tmp_path / "Tiny-Depth-hf").mkdir()
    with pytest.raises(UserError, match="does not hold the whole model"):
        download(MODEL, tmp_path)


def test_a_canceled_download_continues_where_it_stopped(hub, tmp_path):
    size = len(hub.contents["model.safetensors"])
    with pytest.raises(KeyboardInterrupt):
        download(MODEL, tmp_path, CountedProgress(cancel_at=40))
    assert not (tmp_path / MODEL.folder).exists()
    hub.reads.clear()
    folder = download(MODEL, tmp_path)
    assert (folder / "model.safetensors").read_bytes() == hub.contents["model.safetensors"]
    assert hub.reads[0][:2] == ("model.safetensors", pytest.approx(0.4 * size, rel=0.05))


def test_a_download_that_broke_off_continues_where_it_stopped(hub, tmp_path):
    hub.hang_up = 1_000_000
    with pytest.raises(UserError, match="broke off after 1000000 of 3072000 bytes"):
        download(MODEL, tmp_path)
    hub.reads.clear()
    folder = download(MODEL, tmp_path)
    assert (folder / "model.safetensors").read_bytes() == hub.contents["model.safetensors"]
    assert hub.reads[0][:2] == ("model.safetensors", 1_000_000)


@pytest.mark.parametrize(
    ("changes", "problem"), [({"digest": "sha256:" + "0" * 64}, "its SHA-256 is"), ({"size": 3_071_999}, "SHA-256 is")]
)
def test_a_file_that_is_not_the_announced_one_is_not_kept(hub, tmp_path, changes, problem):
    with pytest.raises(UserError, match=f"not what was announced.*{problem}"):
        download(with_weights(resolve(MODEL), **changes), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_shorter_than_announced_never_takes_the_models_place(hub, tmp_path):
    with pytest.raises(UserError, match="broke off after 3072000 of 3072001 bytes"):
        download(with_weights(resolve(MODEL), size=3_072_001), tmp_path)
    assert not (tmp_path / MODEL.folder).exists()


def test_a_hub_that_cannot_be_reached_is_named(hub, tmp_path):
    model = resolve(MODEL)
    hub.broken = ConnectionError("connection refused")
    with pytest.raises(UserError, match=r"could not be fetched \(connection refused\)"):
        download(model, tmp_path)
    with pytest.raises(UserError, match=r"could not be asked about .* \(connection refused\)"):
        resolve(MODEL)


def test_offline_nothing_is_fetched_or_asked(hub, tmp_path, monkeypatch):
    model = resolve(MODEL)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for attempt in (lambda: resolve(MODEL), lambda: download(model, tmp_path)):
        with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
            attempt()
    assert hub.questions == 1 and not hub.reads


def test_a_full_disk_is_said_before_anything_is_fetched(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(UserError, match="needs more room than the 1 MB"):
        download(MODEL, tmp_path)
    assert not hub.reads


ONE = replace(MODEL, files=MODEL.files[1:])


def test_a_single_file_comes_to_the_path_that_is_asked_for(hub, tmp_path):
    path = tmp_path / "vae" / "mine.safetensors"
    assert download_file(ONE, path) == path
    assert path.read_bytes() == hub.contents["model.safetensors"]
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.safetensors"]
    reads = len(hub.reads)
    assert download_file(ONE, path) == path and len(hub.reads) == reads


def test_another_file_is_never_replaced(hub, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"somebody's")
    with pytest.raises(UserError, match=r"exists but is not the announced file \(it has 10 bytes"):
        download_file(ONE, path)
    assert path.read_bytes() == b"somebody's" and not hub.reads


def test_a_single_file_that_was_canceled_continues_where_it_stopped(hub, tmp_path):
    path = tmp_path / "mine.safetensors"
    with pytest.raises(KeyboardInterrupt):
        download_file(ONE, path, CountedProgress(cancel_at=40))
    assert not path.exists()
    hub.reads.clear()
    assert download_file(ONE, path).read_bytes() == hub.contents["model.safetensors"]
    assert hub.reads[0][1] == pytest.approx(0.4 * path.stat().st_size, rel=0.05)


def test_a_single_file_that_is_not_the_announced_one_is_not_kept(hub, tmp_path):
    wrong = replace(resolve(ONE), files=(replace(resolve(ONE).files[0], digest="sha256:" + "0" * 64),))
    with pytest.raises(UserError, match="not what was announced"):
        download_file(wrong, tmp_path / "mine.safetensors")
    assert not list(tmp_path.iterdir())
