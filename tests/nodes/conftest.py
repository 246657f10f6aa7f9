"""The pack's nodes, imported with a fake in the place of ComfyUI."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


def _fake_host():
    """The file beside this one; the tests' import mode keeps folders out of sys.path."""
    spec = importlib.util.spec_from_file_location("fulldit_fake_host", Path(__file__).with_name("fake_host.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """`nodes`: id -> class, `schemas`: id -> schema, `folder`: the fake's folder with input/, output/ and temp/."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "input").mkdir()
    fake = _fake_host()
    fake.forget_nodes()
    fakes = fake.modules(folder)
    before = {name: sys.modules.get(name) for name in fakes}
    sys.modules.update(fakes)
    try:
        import comfyui_fulldit

        extension = asyncio.run(comfyui_fulldit.comfy_entrypoint())
        classes = asyncio.run(extension.get_node_list())
        schemas = [cls.define_schema() for cls in classes]
        yield SimpleNamespace(
            nodes={schema.node_id: cls for schema, cls in zip(schemas, classes, strict=True)},
            schemas={schema.node_id: schema for schema in schemas},
            folder=folder,
        )
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        fake.forget_nodes()
