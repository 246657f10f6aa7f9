"""A real ComfyUI: its modules in this process, and its server in another, which never outlives the tests.

Nothing here is imported at collection, so that the other tests can be collected where there is no ComfyUI.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "outputs" / "comfyui"
PACK = "fulldit_under_test"
# Nodes that make what core makes with weights that are not here.
GENERATED = "fulldit_generated_data.py"
# What a user would choose in Load Video.
VIDEO = "fulldit_video.mp4"
SOUND = ("fulldit_beats.wav", "fulldit_beats.png")


def comfyui_path() -> Path:
    """The host's folder; the tests are skipped without one."""
    path = Path(os.environ.get("COMFYUI_PATH") or "~/ComfyUI").expanduser().resolve()
    if not (path / "main.py").is_file():
        pytest.skip(f"no ComfyUI at {path}")
    return path


@pytest.fixture(scope="session")
def host():
    """ComfyUI's modules in this process, on the CPU; gives the pack, loaded from this checkout as the host loads it."""
    path = comfyui_path()
    sys.path.insert(0, str(path))
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    pack = importlib.util.module_from_spec(spec)
    sys.modules[PACK] = pack
    spec.loader.exec_module(pack)
    return pack


@pytest.fixture(scope="session")
def folder(host, tmp_path_factory):
    """Files of tiny public models (see tiny_models.py)."""
    import torch

    from .tiny_models import write_families

    torch.set_num_threads(1)
    return write_families(tmp_path_factory.mktemp("families"))


def pytest_sessionstart(session):
    """A terminated run tears its fixtures down like an interrupted one, so that the server ends with it."""

    def stop(number, frame):
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not the main thread: nobody can be told
        signal.signal(signal.SIGTERM, stop)


def _die_with_parent() -> None:
    """In the server's process: a group of its own, and on Linux an end when the tests are killed outright."""
    os.setpgrp()
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Server:
    """A ComfyUI server with this checkout, VideoHelperSuite and the tests' own nodes, and folders of its own."""

    def __init__(self, folder: Path):
        self.host, self.folder = comfyui_path(), folder
        self.log = folder / "server.log"
        self.output, self.models = folder / "output", folder / "models"
        self.process: subprocess.Popen | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, seconds: float = 400) -> None:
        """Start and wait until it answers. Fails with the end of its log."""
        for name in ("output", "input", "temp", "user", "custom_nodes"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "custom_nodes" / PACK).symlink_to(ROOT, target_is_directory=True)
        (self.folder / "custom_nodes" / GENERATED).symlink_to(Path(__file__).with_name("generated_data.py"))
        for name in (VIDEO, *SOUND):
            shutil.copy(ROOT / "assets" / name, self.folder / "input" / name)
        extra = self.folder / "paths.yaml"
        # Model folders of the tests' own, for weights that they make.
        kinds = ("diffusion_models", "text_encoders", "vae", "loras", "clip_vision", "model_patches", "fulldit")
        places = {"custom_nodes": self.folder / "custom_nodes", **{kind: self.models / kind for kind in kinds}}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        extra.write_text(json.dumps({"fulldit_test": {kind: str(place) for kind, place in places.items()}}))
        suite = "ComfyUI-VideoHelperSuite"
        found = [p.name for p in (self.host / "custom_nodes").iterdir() if p.name.lower() == suite.lower()]
        if not found:
            pytest.fail(f"The workflows end in VideoHelperSuite, but {self.host}/custom_nodes has no {suite}.")
        command = [sys.executable, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(self.port)]
        command += ["--disable-auto-launch", "--disable-all-custom-nodes", "--whitelist-custom-nodes", PACK, GENERATED]
        command += found
        command += ["--extra-model-paths-config", str(extra), "--database-url", "sqlite:///:memory:"]
        for name in ("output", "input", "temp", "user"):
            command += [f"--{name}-directory", str(self.folder / name)]
        command += os.environ.get("COMFYUI_ARGS", "").split()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.host, stdout=log, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent
            )
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                pytest.fail(f"ComfyUI ended with code {self.process.returncode}:\n{self.tail()}")
            try:
                self.get("/system_stats")
                return
            except (OSError, ValueError):
                time.sleep(0.3)
        pytest.fail(f"ComfyUI did not answer within {seconds:.0f} s:\n{self.tail()}")

    def stop(self) -> None:
        """End the server and everything that it started."""
        if self.process is None or self.process.poll() is not None:
            return
        group = os.getpgid(self.process.pid)
        os.killpg(group, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(group, signal.SIGKILL)
            self.process.wait(10)

    def tail(self, lines: int = 60) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def get(self, path: str) -> Any:
        """JSON of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON (or text) of a POST."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def queue(self, prompt: dict) -> str:
        """The id of a queued API prompt."""
        status, answer = self.post("/prompt", {"prompt": prompt})
        assert status == 200, answer
        return answer["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 240) -> dict:
        """The history of a prompt once it ended. Fails with the log when it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry and entry["status"].get("status_str"):
                return entry
            if self.process.poll() is not None:
                pytest.fail(f"ComfyUI ended while it worked:\n{self.tail()}")
            time.sleep(0.2)
        pytest.fail(f"the prompt did not end within {seconds:.0f} s:\n{self.tail()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One running server for all tests."""
    folder = tmp_path_factory.mktemp("comfyui")
    running = Server(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        OUT.mkdir(parents=True, exist_ok=True)
        if running.log.is_file():
            shutil.copy(running.log, OUT / "server.log")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test that used the server shows the end of its log."""
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(running, Server) and running.log.is_file():
        report.sections.append(("ComfyUI's log", running.tail()))
