"""The engine: nothing is done twice, nothing is lost, whatever dies in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import DiskFullError
from comfyui_fulldit.dataset.engine import run
from comfyui_fulldit.dataset.manifest import Clip, read_manifest, write_manifest

from .works import Mark


def manifest_of(folder, *ids, license="x"):
    write_manifest(folder / "manifest.jsonl", [Clip(id, f"{id}.mp4", license=license) for id in ids])
    return read_manifest(folder / "manifest.jsonl")


def executions(folder):
    return sorted(path.name.split(".")[0] for path in (folder / "executions").iterdir())


def test_a_run_says_what_became_of_every_clip(tmp_path):
    write_manifest(tmp_path / "manifest.jsonl", [Clip(i, "v", license="x") for i in ("a", "bad-1", "odd-1", "crash-1")])
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write('{"id": "free", "video": "v"}\n')
    summary = run(read_manifest(tmp_path / "manifest.jsonl"), Mark(), "marked")
    assert (summary.done, summary.rejected, summary.failed, summary.before) == (2, 1, 2, 0)
    kept = read_manifest(tmp_path / "marked.jsonl")
    assert [clip.id for clip in kept] == ["a"] and kept.clips[0].figures == {"length": 1.0}
    failed = [json.loads(line) for line in (tmp_path / "marked" / "failed.jsonl").read_text().splitlines()]
    assert {entry["id"]: entry["reason"] for entry in failed} == {
        "free": "It has no license.",
        "bad-1": "'bad-1' is bad: leave it out.",
        "odd-1": "It is odd.",
        "crash-1": "ZeroDivisionError: by zero",
    }
    page = summary.report.read_text()
    assert "1 clips kept, 1 rejected, 2 failed" in page and "images/a.jpg" in page and "It is odd." in page
    assert (tmp_path / "marked" / "images" / "a.jpg").exists()


def test_a_run_goes_on_where_it_was(tmp_path):
    manifest = manifest_of(tmp_path, "a", "b", "bad-1")
    run(manifest, Mark(), "marked")
    summary = run(manifest, Mark(), "marked")
    assert summary.before == 2 and executions(tmp_path / "marked") == ["a", "b", "bad-1", "bad-1"]
    write_manifest(tmp_path / "manifest.jsonl", [Clip("a", "other.mp4", license="x"), *manifest.clips[1:]])
    run(read_manifest(tmp_path / "manifest.jsonl"), Mark(), "marked")  # a has another line now
    assert executions(tmp_path / "marked").count("a") == 2 and executions(tmp_path / "marked").count("b") == 1
    with pytest.raises(UserError, match="made with another version"):
        run(manifest, Mark(version=2), "marked")
    with pytest.raises(UserError, match="-1 workers"):
        run(manifest, Mark(), "marked", workers=-1)


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path):
    with pytest.raises(DiskFullError, match="no room"):
        run(manifest_of(tmp_path, "a", "full-1", "b"), Mark(), "marked")
    assert [clip.id for clip in read_manifest(tmp_path / "marked.jsonl")] == ["a"]
    summary = run(manifest_of(tmp_path, "a", "b"), Mark(), "marked")
    assert (summary.done, summary.before) == (2, 1)


def test_two_runs_do_not_share_a_folder(tmp_path):
    manifest = manifest_of(tmp_path, *"abc")
    script = (
        "import sys; from pathlib import Path\n"
        "from comfyui_fulldit.dataset.engine import run\n"
        "from comfyui_fulldit.dataset.manifest import read_manifest\n"
        "from comfyui_fulldit.tests.dataset.works import Mark\n"
        "run(read_manifest(sys.argv[1]), Mark(wait=1), 'marked')\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, tmp_path / "manifest.jsonl"], cwd=tmp_path)
    wait_for(lambda: list((tmp_path / "marked").glob("executions/*")))
    with pytest.raises(UserError, match="marked"):
        run(manifest, Mark(), "marked")
    other.kill()
    other.wait()
    assert run(manifest, Mark(), "marked").done == 3


def wait_for(condition, seconds=120):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "it took too long"
        time.sleep(0.05)


# ---- on Ray ----------------------------------------------------------------------------------------------------------

ON_RAY = """
import sys
from comfyui_fulldit.dataset.engine import run
from comfyui_fulldit.dataset.manifest import read_manifest
from comfyui_fulldit.tests.dataset.works import Mark
wait, dies = float(sys.argv[2]), sys.argv[3]
print(run(read_manifest(sys.argv[1]), Mark(wait, dies), "marked", workers=2))
"""


def on_ray(folder, wait, dies=""):
    environment = {**os.environ, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}
    command = [sys.executable, "-c", ON_RAY, str(folder / "manifest.jsonl"), str(wait), dies]
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_without_ray_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="comfyui-fulldit.dataset"):
        run(manifest_of(tmp_path, "a"), Mark(), "marked", workers=2)


def test_a_ray_that_does_not_start_is_said_in_a_sentence(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")

    def init(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match=r"Ray did not start \(The current node timed out.*take 0 workers"):
        run(manifest_of(tmp_path, "a"), Mark(), "marked", workers=2)


def test_a_killed_worker_and_a_killed_driver_lose_nothing(tmp_path):
    """Two workers on Ray: one is killed, then the driver; what is there stays, what is missing is done, once."""
    pytest.importorskip("ray")
    count = int(os.environ.get("FULLDIT_CLIPS", "24"))
    names = [f"clip{number:02d}" for number in range(count - 2)]
    manifest = manifest_of(tmp_path, *names, "bad-1", "odd-1")
    done = tmp_path / "marked" / "clips"
    driver = on_ray(tmp_path, wait=0.3, dies="clip03")
    wait_for(lambda: len(list(done.glob("*.json"))) >= 8)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = {path.name: path.stat().st_mtime_ns for path in done.glob("*.json")}
    assert executions(tmp_path / "marked").count("clip03") >= 1 and len(before) < count - 1
    wait_for(lambda: not running_workers(tmp_path))  # Ray's own processes notice a little later
    before = {path.name: path.stat().st_mtime_ns for path in done.glob("*.json")}
    driver = on_ray(tmp_path, wait=0.0)
    out, error = driver.communicate(timeout=240)
    assert driver.returncode == 0, error.decode()[-3000:]
    after = {path.name: path.stat().st_mtime_ns for path in done.glob("*.json")}
    assert len(after) == count - 1 and all(after[name] == before[name] for name in before)
    kept = read_manifest(tmp_path / "marked.jsonl")
    assert [clip.id for clip in kept] == names  # all, once, in order
    failed = [json.loads(line)["id"] for line in (tmp_path / "marked" / "failed.jsonl").read_text().splitlines()]
    assert failed == ["bad-1", "odd-1"] and len(manifest) == count
    assert not [path for path in (tmp_path / "marked").rglob("*.part*")]


def running_workers(folder):
    """The processes that have written into a run and still live."""
    pids = {int(path.name.split(".")[2]) for path in (folder / "marked" / "executions").iterdir()}
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
