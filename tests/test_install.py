"""The installer reports, and never touches torch or a working OpenCV."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parent.parent / "install.py"


@pytest.fixture
def install():
    spec = importlib.util.spec_from_file_location("fulldit_install", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(install, monkeypatch):
    made = []

    class Done:
        returncode = 0

    monkeypatch.setattr(install.subprocess, "run", lambda command, check: made.append(command) or Done())
    return made


def test_it_imports_only_the_standard_library():
    for node in ast.walk(ast.parse(PATH.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] in sys.stdlib_module_names


def test_nothing_is_installed_where_nothing_is_missing(install, calls, monkeypatch, capsys):
    monkeypatch.setattr(install, "missing_packages", lambda: [])
    monkeypatch.setattr(install, "cv2_providers", lambda: ["opencv-contrib-python 4.10"])
    assert install.main([]) == 0
    assert not calls
    assert "opencv-contrib-python 4.10" in capsys.readouterr().out


def test_it_installs_only_small_packages_that_are_missing(install, calls, monkeypatch):
    monkeypatch.setattr(install, "missing_packages", lambda: ["einops"])
    monkeypatch.setattr(install, "cv2_providers", lambda: ["opencv-python 4.10"])
    assert install.main([]) == 0
    (command,) = calls
    assert command[-1] == "einops" and "--no-deps" in command
    assert not any(name.startswith(("torch", "opencv")) for name in command)


def test_small_packages_are_installed_even_where_torch_is_missing(install, calls, monkeypatch):
    monkeypatch.setattr(install, "missing_packages", lambda: ["einops"])
    real = importlib.util.find_spec
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    assert install.main([]) == 1
    assert len(calls) == 1


def test_check_installs_nothing(install, calls, monkeypatch, capsys):
    monkeypatch.setattr(install, "missing_packages", lambda: ["einops"])
    assert install.main(["--check"]) == 1
    assert not calls and "einops" in capsys.readouterr().out


def test_opencv_is_installed_headless_where_there_is_none(install, calls, monkeypatch):
    monkeypatch.setattr(install, "missing_packages", lambda: [])
    monkeypatch.setattr(install, "cv2_providers", lambda: [])
    real = importlib.util.find_spec
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None if name == "cv2" else real(name))
    assert install.main([]) == 0
    assert calls[0][-1] == "opencv-python-headless"
