"""WebDataset shards: the same clips as in safetensors shards, at any place, for a training that can resume."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import DiskFullError
from comfyui_fulldit.dataset.latents import EncodedClips
from comfyui_fulldit.dataset.motion_range import of_clips
from comfyui_fulldit.dataset.open_clips import open_clips
from comfyui_fulldit.dataset.shards.pack import pack, packed_ids, write_sample
from comfyui_fulldit.dataset.shards.seeded_batches import SeededBatches
from comfyui_fulldit.dataset.shards.shard_dataset import ShardDataset
from comfyui_fulldit.dataset.shards.tar_clips import TarClips, sizes_in
from comfyui_fulldit.dataset.shards.tar_index import index_path, shards_in
from comfyui_fulldit.models.vae.vae_file import fingerprint
from comfyui_fulldit.training.common.log import read_log
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.generator.train_generator import Trainer

from .conftest import DEBUG, SIZE, as_sample

NAMES = ("camera", "identity", "depth")


def test_the_same_clips_come_out_of_both_kinds_of_shards(encoded):
    plain, tars = EncodedClips(encoded / "plain"), open_clips(encoded / "tars", None, DEBUG)
    assert isinstance(tars, TarClips) and len(tars) == len(plain) == 8 and tars.keys == plain.keys
    assert [path.name[-9:] for path in shards_in(encoded / "tars")] == ["00000.tar", "00001.tar", "00002.tar"]
    for name in ("video", "c2w", "intrinsics", "captions", "plain_captions"):
        assert torch.equal(plain.get(name, range(8)), tars.get(name, range(8)))
    assert torch.equal(plain.patterns(NAMES), tars.patterns(NAMES))
    alike = (plain.patterns(NAMES) == plain.patterns(NAMES)[0]).nonzero()[:, 0].tolist()
    for ours, theirs in zip(tars.streams(alike, NAMES), plain.streams(alike, NAMES), strict=True):
        assert (ours.name, ours.slot) == (theirs.name, theirs.slot) and torch.equal(ours.data, theirs.data)


def losses(encoded, kind, vae_file, out):
    shutil.copytree(encoded / kind, out / "data")
    settings = replace(read_settings(config_path("generator", "debug"), GeneratorSettings), steps=4)
    trainer = Trainer(settings, out / "generator", vae_file, out / "data", out / "weights.safetensors")
    trainer.run(until=2)
    return [line["subsets"] for line in read_log(out / "generator" / "log.jsonl") if "loss" in line]


def test_two_steps_of_training_have_the_same_losses(encoded, vae_file, tmp_path):
    ours = losses(encoded, "tars", vae_file, tmp_path / "tars")
    assert len(ours) == 2 and ours == losses(encoded, "plain", vae_file, tmp_path / "plain")


def test_webdataset_reads_the_shards(encoded):
    webdataset = pytest.importorskip("webdataset")
    paths = [str(path) for path in shards_in(encoded / "tars")]
    samples = list(webdataset.WebDataset(paths, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"clip{number:03d}" for number in range(8)]
    assert json.loads(samples[3]["json"])["id"] == "clip003" and len(samples[3]["safetensors"]) > 1000


def test_clips_with_some_of_the_conditions_are_drawn_by_what_they_have(encoded, vae, tmp_path):
    """A clip with a camera only, with depth only, with everything; and a smaller one."""
    plain = EncodedClips(encoded / "plain")
    some = {0: [key for key in plain.keys if key != "camera"], 1: [key for key in plain.keys if key != "depth"]}
    for number in range(4):
        write_sample(tmp_path / "e", as_sample(plain, number, fingerprint(vae), some.get(number, ())))
    small = as_sample(plain, 7, fingerprint(vae), size=(1, 16, 16), tokens=1)
    write_sample(tmp_path / "e", small)
    pack(tmp_path / "e", tmp_path / "t")
    clips = TarClips(tmp_path / "t", fingerprint(vae), SIZE)
    assert (clips.patterns(("camera",)) > 0).tolist() == [True, False, True, True]
    assert (clips.patterns(("depth",)) > 0).tolist() == [False, True, True, True]
    assert [stream.name for stream in clips.streams([0], NAMES)] == ["camera"]
    assert of_clips(clips, 8.0).clips == 3
    assert sizes_in(tmp_path / "t") == [(1, 16, 16), SIZE]
    with pytest.raises(UserError, match="several sizes"):
        TarClips(tmp_path / "t")
    with pytest.raises(UserError, match="holds no clips of 5x8x8"):
        TarClips(tmp_path / "t", None, (5, 8, 8))
    dataset = ShardDataset(tmp_path / "t")
    assert len(dataset) == 5
    groups = dataset.groups(["depth"])
    assert sorted(sum(groups, [])) == [0, 2, 3, 4] and [0] in groups
    batches = SeededBatches(groups, 2, seed=5, steps=20)
    for batch in DataLoader(dataset, batch_sampler=batches):
        assert batch["stream.depth"].shape[0] == 2


def test_few_clips_stay_in_memory(encoded, monkeypatch):
    clips = TarClips(encoded / "tars")
    size = sum(tensor.nbytes for tensor in clips.sample(0).values())
    monkeypatch.setattr("comfyui_fulldit.dataset.shards.tar_clips.KEPT_BYTES", 3 * size)
    for index in range(8):
        assert clips.sample(index) is clips.sample(index) and len(clips._kept) <= 4
    assert 0 not in clips._kept and torch.equal(clips.get("video", [0])[0], clips.sample(0)["video"])


def test_batches_depend_on_seed_and_step_alone():
    groups = [list(range(10)), [10, 11, 12]]
    drawn = list(SeededBatches(groups, 4, seed=1, steps=50))
    assert drawn == list(SeededBatches(groups, 4, seed=1, steps=50)) != list(SeededBatches(groups, 4, seed=2, steps=50))
    assert list(SeededBatches(groups, 4, seed=1, step=20, steps=50)) == drawn[20:]
    of_second = [batch for batch in drawn if batch[0] >= 10]
    assert all(min(batch) >= 10 for batch in of_second) and 3 < len(of_second) < 25
    assert all(len(set(batch)) == 4 for batch in drawn if batch[0] < 10)
    halves = [list(SeededBatches(groups, 2, seed=1, steps=50, rank=rank, ranks=2)) for rank in (0, 1)]
    assert [first + second for first, second in zip(*halves, strict=True)] == drawn
    with pytest.raises(UserError, match="encode some"):
        SeededBatches([[]], 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_goes_on_with_the_batch_that_is_next(encoded, workers):
    """The trainer counts its steps; a loader's workers may have drawn further."""
    dataset = ShardDataset(encoded / "tars")

    def videos(step, steps):
        batches = SeededBatches(dataset.groups(()), 2, seed=3, step=step, steps=steps)
        return [batch["video"] for batch in DataLoader(dataset, batch_sampler=batches, num_workers=workers)]

    whole = videos(0, 6)
    assert all(map(torch.equal, whole[:2] + videos(2, 6), whole))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_saves_its_state_resumes_exactly(encoded, workers):
    loaders = pytest.importorskip("torchdata.stateful_dataloader")
    dataset = ShardDataset(encoded / "tars")

    def loader():
        batches = SeededBatches(dataset.groups(()), 2, seed=3, steps=6)
        return loaders.StatefulDataLoader(dataset, batch_sampler=batches, num_workers=workers)

    first = loader()
    drawn = iter(first)
    whole = [next(drawn)["video"] for _ in range(2)]
    state = first.state_dict()
    whole += [batch["video"] for batch in drawn]
    second = loader()
    second.load_state_dict(state)
    rest = [batch["video"] for batch in second]
    assert len(rest) == 4 and all(map(torch.equal, whole[2:], rest))


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_packing_that_was_interrupted_is_done_again(encoded, vae, tmp_path, monkeypatch):
    plain = EncodedClips(encoded / "plain")
    for number in range(4):
        write_sample(tmp_path / "e", as_sample(plain, number, fingerprint(vae)))
    with monkeypatch.context() as patch:
        patch.setattr("comfyui_fulldit.dataset.shards.pack.write_index", lambda index: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # the shard is there, its index and the removal of the files are not
            pack(tmp_path / "e", tmp_path / "t", per_shard=2)
    assert len(list((tmp_path / "e").iterdir())) == 4
    assert pack(tmp_path / "e", tmp_path / "t", per_shard=2) == 2
    assert packed_ids(tmp_path / "t") == {f"clip{number:03d}" for number in range(4)}
    assert len(TarClips(tmp_path / "t")) == 4 and not list((tmp_path / "e").iterdir())
    index_path(next(iter(shards_in(tmp_path / "t")))).write_text("{")
    assert len(TarClips(tmp_path / "t")) == 4


def test_a_full_disk_loses_nothing(encoded, vae, tmp_path, monkeypatch):
    write_sample(tmp_path / "e", as_sample(EncodedClips(encoded / "plain"), 0, fingerprint(vae)))

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "addfile", full)
        with pytest.raises(DiskFullError, match="no room left"):
            pack(tmp_path / "e", tmp_path / "t")
    assert [path.suffix for path in (tmp_path / "t").iterdir()] == []
    assert pack(tmp_path / "e", tmp_path / "t") == 1


def test_damaged_and_foreign_shards_are_refused(encoded, vae, tmp_path):
    shutil.copytree(encoded / "tars", tmp_path / "t")
    with pytest.raises(UserError, match="another VAE"):
        TarClips(tmp_path / "t", "0123")
    first = next(iter(shards_in(tmp_path / "t")))
    twin = first.with_name(first.name.replace("000012-", "000013-"))
    shutil.copy(first, twin)
    with pytest.raises(UserError, match="have one number"):
        TarClips(tmp_path / "t")
    twin.unlink()
    clips = TarClips(tmp_path / "t", fingerprint(vae))
    first.write_bytes(first.read_bytes()[:-20_000])
    with pytest.raises(UserError, match="cut short"):
        TarClips(tmp_path / "t")
    with pytest.raises(UserError, match="cut short|damaged"):
        clips.get("video", [2])
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "x.safetensors").write_bytes(b"abc")
    with pytest.raises(UserError, match="not an encoded clip"):
        pack(tmp_path / "e", tmp_path / "new")
