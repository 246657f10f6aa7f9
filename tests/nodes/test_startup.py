"""What the pack costs ComfyUI's start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import asyncio, importlib.util, pathlib, sys

spec = importlib.util.spec_from_file_location("fake_host", sys.argv[1])
fake_host = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fake_host)
sys.modules.update(fake_host.modules(pathlib.Path(sys.argv[2])))

import comfyui_fulldit

extension = asyncio.run(comfyui_fulldit.comfy_entrypoint())
for node in asyncio.run(extension.get_node_list()):
    node.define_schema()
print(*sorted({"torch", "cv2", "scipy", "PIL", "av", "transformers", "safetensors"} & set(sys.modules)))
"""


def test_listing_the_nodes_and_their_schemas_imports_no_large_library(tmp_path):
    (tmp_path / "input").mkdir()
    command = [sys.executable, "-c", CODE, str(Path(__file__).with_name("fake_host.py")), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
