"""What a training leaves when the disk is full, the power fails, or another one wants its folder."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from comfyui_fulldit.control import files
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import DiskFullError, atomic_path, remove_parts, write_json
from comfyui_fulldit.control.folder_lock import folder_lock
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import save_vae
from comfyui_fulldit.models.weights.tensor_file import read_tensors, write_tensors
from comfyui_fulldit.training import stages
from comfyui_fulldit.training.common.log import Log, read_log
from comfyui_fulldit.training.common.state import saved_step

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def python(code: str, *arguments: object, wait: bool = True):
    """Run Python code in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    if wait:
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# ---- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)])
def test_a_full_disk_is_one_sentence_and_keeps_what_was_there(tmp_path, number):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(DiskFullError, match="no room left for .*a.json.*free some") as caught, atomic_path(path):
        raise OSError(number, os.strerror(number))
    assert "\n" not in str(caught.value)
    assert path.read_text() == '{\n  "a": 1\n}\n' and [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_room_may_end_when_the_bytes_are_forced_to_the_disk(tmp_path, monkeypatch):
    """Network folders and delayed allocation say so only then."""

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DiskFullError):
        write_json(tmp_path / "a.json", {})
    assert not list(tmp_path.iterdir())


@posix
def test_a_real_limit_of_the_system_is_said_by_every_writer(tmp_path):
    """RLIMIT_FSIZE stands for the disk: writers written in C and in Rust meet it too."""
    code = """
        import resource, signal, sys
        from pathlib import Path
        import numpy as np, torch
        from comfyui_fulldit.control.files import DiskFullError, atomic_path
        from comfyui_fulldit.control.media import write_image
        from comfyui_fulldit.models.weights.tensor_file import write_tensors
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        folder = Path(sys.argv[1])
        def array():
            with atomic_path(folder / "a.npy") as part:
                np.save(part, np.zeros(10000))
        for write in (
            lambda: write_tensors(folder / "a.safetensors", {"a": torch.zeros(10000)}, {}),
            lambda: write_image(folder / "a.png", np.random.rand(100, 100, 3)),
            array,
        ):
            try:
                write()
                print("written")
            except DiskFullError as error:
                print("full", error)
    """
    done = python(code, tmp_path)
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all(line.startswith("full There is no room left for") for line in lines), done
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A folder with a random VAE and the debug config's clips."""
    out = tmp_path_factory.mktemp("ready")
    torch.manual_seed(0)
    save_vae(out / "fulldit_mini_vae.safetensors", VAE(dim=4))
    stages.run("data", "debug", out)
    return out


@pytest.fixture
def out(ready, tmp_path):
    return Path(shutil.copytree(ready, tmp_path / "run"))


def test_a_training_on_a_full_disk_says_its_last_good_state_and_goes_on_bit_equal(out, ready, tmp_path, monkeypatch):
    whole = Path(shutil.copytree(ready, tmp_path / "whole"))
    stages.run("generator", "debug", whole)

    from comfyui_fulldit.training.generator import train_generator

    state, kept = out / "generator" / "state.safetensors", train_generator.Trainer.train_step
    room = {"full": False}
    save = train_generator.Trainer.save

    def step(self):
        losses = kept(self)
        if self.loop.step == 1:
            self.save()
            room["full"] = True
        elif self.loop.step == 2:
            self.save()
        return losses

    def no_room(handle):
        if room["full"]:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train_generator.Trainer, "train_step", step)
    monkeypatch.setattr(files.os, "fsync", no_room)
    with pytest.raises(
        DiskFullError, match="The state of step 1 is whole in .*state.safetensors.*run the same command"
    ):
        stages.run("generator", "debug", out)
    assert saved_step(state) == 1 and save is train_generator.Trainer.save
    assert not [path for path in out.rglob("*.part*")]
    monkeypatch.undo()
    stages.run("generator", "debug", out)
    for names in ("state.safetensors", "state.*/*.safetensors"):
        ours, theirs = (read_tensors(path) for folder in (out, whole) for path in (folder / "generator").glob(names))
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_before_anything_was_saved_it_says_that(tmp_path):
    assert "Nothing was saved yet" in stages.last_good_state("vae", tmp_path)
    (tmp_path / "data").mkdir()
    write_tensors(tmp_path / "data" / "shard_00000.safetensors", {"a": torch.zeros(1)}, {})
    assert "1 shards of clips are whole" in stages.last_good_state("data", tmp_path)


def test_a_log_on_a_full_disk_is_a_sentence_and_is_mended_when_it_goes_on(tmp_path, monkeypatch):
    log = Log(tmp_path / "log.jsonl")
    log.write(step=1, loss=1.0)
    with log.path.open("a") as file:
        file.write('{"step": 2, "lo')  # what was written before the room ended
    again = Log(log.path, step=2)
    again.write(step=3)
    assert [line["step"] for line in read_log(log.path)] == [1, 3]

    def full(self, *_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DiskFullError, match="log.jsonl"):
        log.write(step=4)


# ---- killed writes ---------------------------------------------------------------------------------------------------


@posix
def test_a_write_that_is_killed_leaves_the_old_file_and_a_part_that_the_next_start_removes(tmp_path):
    path = tmp_path / "vae" / "state.safetensors"
    write_tensors(path, {"a": torch.zeros(3)}, {})
    code = """
        import os, signal, sys
        from pathlib import Path
        import torch
        from comfyui_fulldit.control import files
        from comfyui_fulldit.models.weights.tensor_file import write_tensors
        files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        write_tensors(Path(sys.argv[1]), {"a": torch.ones(3)}, {})
    """
    assert python(code, path).returncode == -signal.SIGKILL
    (part,) = (p for p in path.parent.iterdir() if p != path)
    assert ".part." in part.name and torch.equal(read_tensors(path)["a"], torch.zeros(3))
    (tmp_path / ".hidden.part.txt").write_text("somebody else's")
    with stages.only_training_in(tmp_path):
        assert not part.exists() and path.exists()
    assert (tmp_path / ".hidden.part.txt").exists()


def test_parts_that_are_being_written_stay(tmp_path):
    now = time.time()
    with atomic_path(tmp_path / "a.txt") as part:
        part.write_text("a")
        assert not remove_parts(tmp_path, now - 10) and part.exists()
    assert (tmp_path / "a.txt").read_text() == "a"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """What is synced when: the file's content, its new name, then the folder that holds the name."""
    events = []
    sync, replace = files.os.fsync, files.os.replace

    def note_sync(handle):
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        sync(handle)

    monkeypatch.setattr(files.os, "fsync", note_sync)
    monkeypatch.setattr(files.os, "replace", lambda *names: (events.append("name"), replace(*names)))
    write_json(tmp_path / "a.json", {})
    assert [event for event in events if event != "folder"] == ["file", "name"]
    assert os.name != "posix" or events[-1] == "folder" or not os.path.isdir("/proc/self/fd")
    events.clear()
    with atomic_path(tmp_path / "b.txt", durable=False) as part:
        part.write_text("b")
    assert events == ["name"]


# ---- two trainings ---------------------------------------------------------------------------------------------------


HOLD = """
    import sys, time
    from pathlib import Path
    from comfyui_fulldit.control.folder_lock import folder_lock
    with folder_lock(Path(sys.argv[1]), "another training"):
        print("held", flush=True)
        time.sleep(600)
"""


def test_a_second_training_in_a_folder_is_refused_by_name_until_the_first_is_dead(out):
    holder = python(HOLD, out, wait=False)
    try:
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(
            UserError, match=rf"(?s)Another training is at work in '.*' \(process {holder.pid} on .*since"
        ):
            stages.run("generator", "debug", out)
        assert not (out / "generator").exists()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with folder_lock(out, "another training"):
        pass  # the file is still there, the lock is not


def test_a_process_does_not_lock_out_itself_but_holds_a_folder_once(tmp_path):
    with folder_lock(tmp_path / "a", "a training"), folder_lock(tmp_path / "b", "a training"):
        with (
            pytest.raises(UserError, match=f"process {os.getpid()}"),
            folder_lock(tmp_path / "a", "a training"),
        ):
            pass
        probe = """
            import sys
            from pathlib import Path
            from comfyui_fulldit.control.errors import UserError
            from comfyui_fulldit.control.folder_lock import folder_lock
            try:
                with folder_lock(Path(sys.argv[1]), "a training"):
                    print("free")
            except UserError as error:
                print(error)
        """
        assert f"process {os.getpid()} on" in python(probe, tmp_path / "a").stdout, "still held after the refusal"
    assert python(probe, tmp_path / "a").stdout.strip() == "free"


def test_the_other_processes_of_one_training_need_no_lock(tmp_path, monkeypatch):
    with folder_lock(tmp_path, "another training"):
        monkeypatch.setenv("RANK", "1")
        with stages.only_training_in(tmp_path):
            pass
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(UserError, match="Another training"), stages.only_training_in(tmp_path):
            pass


def test_a_file_system_without_locks_only_warns(tmp_path, monkeypatch):
    from comfyui_fulldit.control import folder_lock as module

    if module.fcntl is None:
        pytest.skip("Windows has locks everywhere")

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.fcntl, "lockf", none)
    with pytest.warns(UserWarning, match="without locks"), folder_lock(tmp_path, "a training"):
        pass
