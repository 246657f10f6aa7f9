"""Configs: every file in the repository is read, and one that does not fit is refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.training.common.settings import CONFIGS, config_path, read_settings
from comfyui_fulldit.training.estimators.settings import EstimatorSettings
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.vae.settings import VAESettings, read_vae_settings

KINDS = {"generator": GeneratorSettings, "vae": VAESettings, "estimators": EstimatorSettings}
FILES = sorted(CONFIGS.glob("*/*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_config_of_the_repository_is_read(path):
    settings = read_settings(path, KINDS[path.parent.name])
    if path.parent.name == "generator":
        assert settings.phases[-1].until == 1.0
    if path.parent.name == "vae":
        assert read_vae_settings(path)[0] == settings


def test_there_are_configs_of_every_stage():
    assert {path.parent.name for path in FILES} == set(KINDS)


def write(folder, stage, **changes):
    """A copy of the stage's debug config with these entries; None takes an entry out."""
    values = {**json.loads(config_path(stage, "debug").read_text()), **changes}
    path = folder / "bad.json"
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    return path


PHASE = {"until": 1.0, "subsets": {"none": 1}}
VAE_PHASE = {"until": 1.0, "frames": 5, "height": 16, "width": 16, "batch": 1, "images": 2}
STAGE = {"steps": 2, "minutes": 1, "batch": 5, "lr": 0.001}
BAD = [
    # unknown, missing, renamed
    ("generator", {"learning": 1}, "learning is 1; there is no such entry, expected one of model, phases, base"),
    ("generator", {"phases": None}, "phases is missing; expected a list"),
    ("generator", {"model": None}, "model is missing; expected a text"),
    ("generator", {"phases": [{"until": 1.0}]}, "phases[0].subsets is missing; expected an object"),
    ("generator", {"phases": [{**PHASE, "shares": 1}]}, "phases[0].shares is 1; there is no such entry"),
    ("vae", {"kl": None}, "kl is missing; expected a number of at least 0"),
    ("estimators", {"bf16": True}, "bf16 is true; this entry is called precision ('auto', 'bf16' or 'fp32') now"),
    # types
    ("generator", {"batch": True}, "batch is true; expected a whole number of at least 1"),
    ("generator", {"batch": 4.0}, "batch is 4.0; expected a whole number of at least 1"),
    ("generator", {"muon_lr": "0.1"}, 'muon_lr is "0.1"; expected a number above 0'),
    ("generator", {"model": 3}, "model is 3; expected a text"),
    ("generator", {"phases": {}}, "phases is {}; expected a list"),
    ("generator", {"phases": [1.0]}, "phases[0] is 1.0; expected an object with the entries until, subsets"),
    ("generator", {"never": ["camera", 1]}, "never[1] is 1; expected a text"),
    ("generator", {"precision": "half"}, "precision is \"half\"; expected one of 'auto', 'bf16', 'fp32'"),
    ("generator", {"data": [{"clips": "all"}]}, 'data[0].clips is "all"; expected a whole number of at least 1'),
    ("generator", {"data": [{"clips": 8, "world": 9}]}, "data[0].world is 9; expected one of"),
    ("generator", {"data": [{"clips": 8, "size": [17, 64]}]}, "data[0].size is [17, 64]; expected [FRAMES, HEIGHT"),
    ("vae", {"compile": 1}, "compile is 1; expected true or false"),
    ("vae", {"lr": float("nan")}, "lr is NaN; expected a number above 0"),
    ("estimators", {"stages": {"camera": 3}}, "stages.camera is 3; expected an object with the entries steps, minutes"),
    # ranges
    ("generator", {"plain_captions": 1.5}, "plain_captions is 1.5; expected a number from 0 to 1"),
    ("generator", {"warmup": -1}, "warmup is -1; expected a whole number of at least 0"),
    ("generator", {"steps": 0}, "steps is 0; expected a whole number of at least 1."),
    ("vae", {"adam": 0}, "adam is 0; expected a number above 0"),
    ("estimators", {"stages": {"camera": {**STAGE, "lr": -1}}}, "stages.camera.lr is -1; expected a number above 0"),
    # what depends on several entries
    ("generator", {"steps": None}, "steps is null; expected at least one of steps and minutes"),
    ("generator", {"batch": 5}, "batch is 5; expected a multiple of micro_batches (2)"),
    ("generator", {"start": "phantom"}, "start is \"phantom\"; expected one of 'wan', 'bernini-r'"),
    ("generator", {"start": "bernini-r"}, 'start is "bernini-r"; expected the entry base'),
    ("generator", {"times": [0.2, 0.8]}, "times is [0.2, 0.8]; expected [BOUNDARY, 1] or [0, BOUNDARY]"),
    ("generator", {"times": [0.875, 1]}, "held_out_time is 0.8; expected one of the times [0.875, 1]"),
    ("generator", {"attention": "fast"}, 'attention is "fast"; expected one of sdpa, explicit'),
    ("generator", {"phases": [{**PHASE, "until": 0.5}]}, "phases.until is [0.5]; expected shares of the run that"),
    ("generator", {"phases": [PHASE, PHASE]}, "phases.until is [1.0, 1.0]; expected shares of the run that increase"),
    ("generator", {"phases": []}, "phases.until is []; expected shares of the run"),
    ("generator", {"phases": [{"until": 1, "subsets": {"camera+pose": 1}}]}, "phases[0].subsets.camera+pose is 1; "),
    ("generator", {"phases": [{"until": 1, "subsets": {"none": 0}}]}, "phases[0].subsets is {"),
    ("generator", {"never": ["camera+depth"]}, 'never is ["camera+depth"]; '),
    ("vae", {"cycles": [0.5, 0.4, 1.0]}, "cycles is [0.5, 0.4, 1.0]; expected shares of the run that increase"),
    ("vae", {"cycles": [0.5]}, "cycles is [0.5]; expected shares of the run"),
    ("vae", {"frames": 6}, "frames is 6; expected 4k + 1 frames"),
    ("vae", {"phases": [{**VAE_PHASE, "width": 20}]}, "phases[0].width is 20; expected a multiple of 8"),
    ("vae", {"phases": [{**VAE_PHASE, "frames": 9}]}, "phases[0].frames is 9; the clips have 5 only"),
    ("vae", {"mix": {"video": 1, "sound": 1}}, 'mix is {"video": 1, "sound": 1}; expected weights of video, disparity'),
    ("vae", {"decoder": {"steps": 0}}, "decoder.steps is 0; expected a whole number of at least 1."),
    ("vae", {"decoder": {"step": 3}}, "decoder.step is 3; there is no such entry"),
    ("estimators", {"stages": {"sound": STAGE}}, 'stages is "sound"; expected stages of perception, identity, camera'),
    (
        "estimators",
        {"order": ["identity", "identity"]},
        'order is ["identity", "identity"]; expected some of the stages',
    ),
    (
        "estimators",
        {"order": ["camera", "perception"]},
        'order is ["camera", "perception"]; expected perception before',
    ),
]


@pytest.mark.parametrize("stage, changes, sentence", BAD, ids=[sentence[:40] for _, _, sentence in BAD])
def test_a_config_that_does_not_fit_is_refused_in_one_sentence(tmp_path, stage, changes, sentence):
    path = write(tmp_path, stage, **changes)
    with pytest.raises(UserError) as error:
        read_vae_settings(path) if stage == "vae" else read_settings(path, KINDS[stage])
    message = str(error.value)
    assert message.startswith(f"The config {path}: {sentence}") and message.endswith(".")


def test_a_setting_is_checked_in_code_as_well():
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
    with pytest.raises(UserError, match="The setting batch is 5; expected a multiple of micro_batches \\(2\\)."):
        replace(settings, batch=5)


def test_configs_are_found_by_name():
    names = (
        "cpu, debug, emergence, emergence_gpu, few_steps, fewer_tokens, gpu, more, more_gpu, more_sizes, more_streams, "
        "sounds, upsampler, wan_1.3b_24gb, wan_1.3b_8gpu, wan_1.3b_bernini_24gb, wan_14b_64gpu, world3"
    )
    with pytest.raises(UserError, match=f"There are: {names}"):
        config_path("generator", "tpu")


def test_changes_replace_entries_and_are_checked(tmp_path):
    path = config_path("generator", "debug")
    assert read_settings(path, GeneratorSettings, {"minutes": 2.5}).minutes == 2.5
    with pytest.raises(UserError, match="minutes is -1; expected a number above 0."):
        read_settings(path, GeneratorSettings, {"minutes": -1})


def test_a_config_may_be_like_another(tmp_path):
    def config(name, **values):
        (tmp_path / f"{name}.json").write_text(json.dumps(values))
        return tmp_path / f"{name}.json"

    config("base", about="x", model="debug", phases=[PHASE], steps=1, batch=4, clip=2.0)
    settings = read_settings(config("other", about="y", like="base", batch=8), GeneratorSettings)
    assert (settings.model, settings.batch, settings.clip) == ("debug", 8, 2.0)
    with pytest.raises(UserError, match="missing.json cannot be read"):
        read_settings(config("lost", like="missing"), GeneratorSettings)
    with pytest.raises(UserError, match="like is \"other\"; this one is like 'base'"):
        read_settings(config("third", like="other"), GeneratorSettings)
    with pytest.raises(UserError, match="learning is 1; there is no such entry"):
        read_settings(config("odd", like="base", learning=1), GeneratorSettings)
    with pytest.raises(UserError, match="like is 3; expected the name of a config"):
        read_settings(config("number", like=3), GeneratorSettings)
    for name in ("../base", "configs/base", ".", "a/"):
        with pytest.raises(UserError, match="like is .*; expected the name of a config beside it"):
            read_settings(config("away", like=name), GeneratorSettings)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match="is not a JSON object"):
        read_settings(tmp_path / "list.json", GeneratorSettings)


@pytest.mark.parametrize("text", ['{"steps": 1' + "0" * 400 + "}", "[" * 100_000, '{"lr": 1e999}', '{"clip": -1e400}'])
def test_numbers_and_nestings_beyond_reason_get_one_sentence(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(UserError) as error:
        read_settings(tmp_path / "odd.json", GeneratorSettings)
    assert str(error.value).startswith("The config ") and len(str(error.value)) < 900
