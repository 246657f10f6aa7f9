"""Trials of a checkpoint that also takes known frames, source and control videos, with networks of random weights."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.control import scene_run
from comfyui_fulldit.evaluation.control.benchmark import run_control
from comfyui_fulldit.evaluation.control.table import markdown_table
from comfyui_fulldit.evaluation.control.targets import read_result, targets
from comfyui_fulldit.evaluation.control.trial_figures import trial_figures
from comfyui_fulldit.evaluation.control.trials import chosen, condition_sets, trials_of
from comfyui_fulldit.evaluation.held_out_scenes import held_out_scenes
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.streams import STREAMS
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.pipeline import Pipeline
from comfyui_fulldit.models.vae import VAE

FURTHER = ("known", "source", "canny", "boxes", "pose")


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    streams = tuple(name for name in STREAMS if name in (*PRESETS["debug"].streams, *FURTHER))
    config = dataclasses.replace(PRESETS["debug"], streams=streams)
    model = FullDiT(config)
    initialize(model)
    text = TextEncoder(dim=config.text_dim)
    return Pipeline(model.eval(), text.eval(), VAE(dim=4).eval(), config, torch.device("cpu"), torch.float32)


def test_what_a_checkpoint_knows_decides_what_is_tried(pipeline):
    assert condition_sets(("camera", "identity", "depth", "source")) == condition_sets(("camera", "identity", "depth"))
    assert condition_sets(("known",)) == ((),)
    assert trials_of(PRESETS["debug"]) == ()
    names = [trial.name for trial in trials_of(pipeline.config)]
    assert names[:2] == ["source.reshot", "source.edited"]
    assert names[2:] == [
        *(f"known.{k}" for k in ("first", "ends", "start", "region")),
        *(f"control.{k}" for k in ("canny", "pose", "boxes")),
    ]
    alone = dataclasses.replace(pipeline.config, streams=("known",))
    assert {trial.sets for trial in trials_of(alone)} == {(("known",),)}
    own, some = chosen("own, known.first ,control", pipeline.config)
    assert own and [trial.name for trial in some] == ["known.first", *names[6:]]
    assert chosen("source", pipeline.config)[0] is False
    with pytest.raises(UserError, match="row 'sound'.*own, source, known, control"):
        chosen("own,sound", pipeline.config)


def test_each_trial_asks_what_it_says(pipeline):
    (scene,) = held_out_scenes(1, 9, 32, 48, names=("camera",))
    made = {trial.name: trial.make(scene) for trial in trials_of(pipeline.config)}
    places = {name: one.places(9).tolist() for name, one in made.items() if name.startswith("known")}
    assert places == {"known.first": [0], "known.ends": [0, 8], "known.start": [0, 1, 2], "known.region": [*range(9)]}
    region = made["known.region"]
    hidden = region.mask < 0.5
    mask = scene.clips.identities(0)[0].mask_video > 0.5
    assert hidden[mask].all() and 0 < hidden.mean() < 1
    reshot, edited = (made[f"source.{name}"].frames for name in ("reshot", "edited"))
    assert np.allclose(reshot[0], scene.frames[0], atol=0.02), "both cameras begin in one place"
    assert np.abs(reshot[-1] - scene.frames[-1]).mean() > 0.02
    same = (np.abs(edited - scene.frames).max(-1) < 0.02).mean()
    assert 0.5 < same < 1, "the same camera, another object"
    assert made["control.canny"].kinds == ("canny",) and made["control.pose"] is None, "world 2 has no figures"


def test_trials_are_measured_beside_their_floors(pipeline, judge, tmp_path, monkeypatch):
    monkeypatch.setattr(scene_run, "OTHERS", 1)
    path = tmp_path / "bench.json"
    rows = "known.first,source,control.boxes"
    result = run_control(scenes=2, steps=1, rows=rows, pipeline=pipeline, judge=judge, json=path)
    assert json.loads(path.read_text()) == result == read_result(path)
    assert result["results"] == {} and result["scenes"]["rows"] == [*trial_names(result)]
    first = result["trials"]["known.first"]
    assert list(first["rows"]) == ["none", "camera", "known", "camera+known"] and first["n"] == 2
    assert first["references"]["truth"]["known_psnr"]["mean"] == 100
    floor, given = first["references"]["vae"]["known_psnr"]["mean"], first["rows"]["known"]["known_psnr"]["mean"]
    assert 3 < floor < 40 and 3 < given < 40, "neither the truth itself nor nothing"
    assert first["below"]["known"]["known_psnr"]["mean"] == pytest.approx(floor - given)
    reshot, edited = (result["trials"][f"source.{name}"] for name in ("reshot", "edited"))
    assert reshot["references"]["truth"]["scene_colors"]["mean"] == pytest.approx(0)
    assert (
        reshot["references"]["unchanged"]["scene_colors"]["mean"]
        < reshot["references"]["other"]["scene_colors"]["mean"]
    )
    assert (
        edited["references"]["unchanged"]["edited"]["mean"] == 0
        and edited["references"]["truth"]["edited"]["mean"] == 1
    )
    table = markdown_table(result)
    assert "| known.first | PSNR of known frames |" in table and "dB below the VAE" in table
    assert "| control.boxes | own error (1 - IoU) |" in table and "of another scene's" in table
    lines = [one["line"] for one in targets(result) if one["group"] == "further"]
    for words in ("below what the VAE", "of camera alone", "left of `none`", "another scene's colors", "(boxes)"):
        assert any(words in line for line in lines), words


def trial_names(result):
    return result["trials"]


def scene(none, given, vae, other):
    rows = {"none": {"own_error_canny": none}, "control": {"own_error_canny": given}}
    known = {"truth": {"own_error_canny": 0.0}, "vae": {"own_error_canny": vae}, "other": {"own_error_canny": other}}
    return {"trials": {"control.canny": {"rows": rows, "references": known}}}


def test_what_is_left_is_counted_from_the_vaes_floor():
    records = [scene(0.8, 0.4, 0.2, 0.9), scene(0.6, 0.4, 0.2, 0.9), {"trials": {}}, {}]
    found = trial_figures(records)["control.canny"]
    assert found["n"] == 2 and found["rows"]["none"]["own_error_canny"]["mean"] == pytest.approx(0.7)
    assert found["left"]["control"]["own_error_canny"]["ratio"] == pytest.approx(0.4)  # 0.2 of 0.5
    (one,) = targets({"results": {}, "trials": {"control.canny": found}, **COST})[:1]
    assert one["value"] == pytest.approx(0.4) and one["target"] == "at most 0.4"


COST = {"scenes": {"frames": 5, "height": 64, "width": 96, "steps": 1}, "machine": {"cores": 2, "device": "cpu"}}
