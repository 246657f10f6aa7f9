"""Small stand-ins: estimators with random weights, and a pipeline that shows the truth when it is told enough."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import Conditions
from comfyui_fulldit.evaluation.held_out_scenes import held_out_scenes
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.estimators.estimators_file import Estimators
from comfyui_fulldit.models.estimators.judge import Judge, identities_of

SIZE = (5, 64, 96)


@pytest.fixture(scope="session")
def judge():
    torch.manual_seed(0)
    estimators = Estimators(about={"steps": 0})
    for module in estimators.modules().values():
        module.eval().requires_grad_(False)
    return Judge(estimators)


@pytest.fixture(scope="session")
def scenes():
    return list(held_out_scenes(2, *SIZE))


@dataclass
class StandIn:
    """A pipeline without networks: the truth under all conditions, gray noise under fewer. Counts what it is asked."""

    truth: dict
    config: FullDiTConfig = FullDiTConfig(frames=5, height=64, width=96, steps=7, guidance=2.0, first_frame_pass=0.0)
    device: str = "cpu"
    encoded: int = 0
    asked: list = field(default_factory=list)
    model: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(1, 1))
    text: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(1, 1))
    vae: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(1, 1))

    def encode(self, conditions: Conditions):
        from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream

        self.encoded += 1
        streams = [
            Stream("reference", torch.full((1, 16, 1, 8, 12), float(k)), slot=k)
            for k in range(len(identities_of(conditions)))
        ]
        streams.append(Stream("identity_map", torch.zeros(1, 16, 2, 8, 12)))
        streams.append(Stream("depth", torch.zeros(1, 16, 2, 8, 12)))
        return ConditionStreams(tuple(streams), (2, 8, 12))

    def generate(self, prompt, conditions, *, seed, steps, guidance, streams, first_frame_pass=0.0):
        self.asked.append((seed, steps, guidance, conditions.names, streams))
        if len(conditions.names) == 3:
            return SimpleNamespace(frames=self.truth[seed])
        video = conditions.video
        noise = np.random.default_rng(seed).random((video.frames, video.height, video.width, 3), np.float32)
        return SimpleNamespace(frames=noise)


def new_stand_in(scenes):
    torch.manual_seed(1)
    return StandIn({scene.seed: scene.frames for scene in scenes})


@pytest.fixture
def stand_in(scenes):
    return new_stand_in(scenes)


@pytest.fixture(scope="session")
def benched(scenes, judge, tmp_path_factory):
    """One whole run of the benchmark: its result, its file, what the pipeline was asked, the steps of its bar."""
    from comfyui_fulldit.evaluation.control.benchmark import run_control

    steps = []

    class Bar:
        def __init__(self, total, title):
            steps.append(total)

        def __enter__(self):
            return lambda: steps.append(1)

        def __exit__(self, *_):
            pass

    path = tmp_path_factory.mktemp("bench") / "bench.json"
    pipeline = new_stand_in(scenes)
    result = run_control(scenes=2, steps=3, pipeline=pipeline, judge=judge, json=path, progress=Bar)
    return SimpleNamespace(result=result, path=path, pipeline=pipeline, steps=steps)
