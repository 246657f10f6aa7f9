"""Train FullDiT Conditions without a host: what it refuses before anything runs, and where its files go."""

from __future__ import annotations

import pytest

GIVEN = {"checkpoint": "embedded", "vae": "embedded", "wan_model": "none", "name": "mine", "folder": "none"}


@pytest.fixture
def validate(host):
    node = host.nodes["FullDiTTrainConditions"]
    return lambda **changes: node.validate_inputs(**{**GIVEN, **changes})


@pytest.fixture
def folders(host):
    from comfyui_fulldit.nodes import folders

    return folders


@pytest.mark.parametrize("change", [{}, {"name": "mine.safetensors"}, {"name": "été 2-b.v3"}, {"name": None}])
def test_what_can_be_trained_is_let_through(validate, change):
    assert validate(**change) is True


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "../mine"}, "is not a name for the file"),
        ({"name": ""}, "is not a name for the file"),
        ({"name": ".hidden"}, "is not a name for the file"),
        ({"name": "a" * 200}, "is not a name for the file"),
        ({"checkpoint": "gone.safetensors"}, "The file 'gone.safetensors' is not there"),
        ({"wan_model": "gone.safetensors"}, "There is no file 'gone.safetensors'"),
        ({"folder": "gone"}, "There is no folder 'gone'"),
        ({"folder": "../.."}, "lies outside ComfyUI's input folder"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_runs(validate, change, said):
    answer = validate(**change)
    assert isinstance(answer, str) and said in answer


def test_folders_of_videos_are_listed_and_their_changes_seen(host, folders):
    clips = host.folder / "input" / "clips to learn"
    (clips / "empty").mkdir(parents=True)
    (clips / "a.MP4").write_bytes(b"video")
    (host.folder / "input" / "b.mp4").write_bytes(b"beside the folders")
    assert folders.clip_folders() == ["clips to learn"]
    before = folders.clip_folder_fingerprint("clips to learn")
    (clips / "a.txt").write_text("A ball.", encoding="utf-8")
    assert folders.clip_folder_fingerprint("clips to learn") != before
    node = host.nodes["FullDiTTrainConditions"]
    assert node.fingerprint_inputs(folder="none", name="x") == ""
    assert node.fingerprint_inputs(folder="clips to learn") == folders.clip_folder_fingerprint("clips to learn")


def test_the_run_lies_in_the_output_folder(host, folders):
    assert folders.training_folder("mine") == host.folder / "output" / "fulldit" / "training" / "mine"
