"""A condition of one's own (tests/toy_condition.py) comes to the Conditions node through a growing socket."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def toy(host):
    spec = importlib.util.spec_from_file_location("toy_condition", Path(__file__).parents[1] / "toy_condition.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.registered("comfyui_fulldit") as condition:
        yield module.define_node("comfyui_fulldit", condition)


def test_the_conditions_node_takes_counts_and_names_it(host, toy):
    value = toy.execute(0.5, 17).args[0]
    out = host.nodes["FullDiTConditions"].execute(frames=17, width=48, height=32, conditions={"condition0": value})
    assert out.args[0].names == ("brightness",)
    assert "brightness 5" in out.kwargs["ui"]["text"][0]


def test_it_is_fitted_as_all_others_are(host, toy):
    value = toy.execute(0.5, 5).args[0]
    sockets = {"frames": 17, "width": 48, "height": 32, "conditions": {"condition0": value}}
    with pytest.raises(Exception, match="The brightness has 5 frames"):
        host.nodes["FullDiTConditions"].execute(**sockets)
    out = host.nodes["FullDiTConditions"].execute(**sockets, fit_time="hold")
    assert len(out.args[0].items[0].values) == 17
