"""What the nodes make of their inputs, and what they refuse before anything is sampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.formats import write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import CameraCondition, DepthCondition, IdentityCondition, SourceCondition
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.encode import count_tokens, encode_conditions
from comfyui_fulldit.models.families.presets import PRESETS

FRAMES, HEIGHT, WIDTH = 5, 32, 48


def run(host, node, **inputs):
    return host.nodes[node].execute(**inputs).args


def camera(host, frames=FRAMES):
    movement = {"movement": "pan_right", "amount": 20.0}
    return run(host, "FullDiTCameraPreset", movement=movement, frames=frames, fps=8.0, ease="smooth")[0]


def identity(host, name="ball", frames=FRAMES, **more):
    track = torch.zeros(frames, HEIGHT, WIDTH)
    track[:, 8:24, 10:30] = 1
    mask = torch.zeros(1, 20, 20)
    mask[:, 5:15, 5:15] = 1
    given = {"image": torch.rand(1, 20, 20, 3), "mask": mask, "track": track, "strength": 1.0, **more}
    return run(host, "FullDiTIdentity", name=name, **given)[0]


def depth(host, frames=FRAMES):
    clip = torch.linspace(0, 1, WIDTH).expand(frames, HEIGHT, WIDTH)[..., None].expand(-1, -1, -1, 3)
    return run(host, "FullDiTDepth", images=clip, kind="disparity")[0]


def conditions(host, **given):
    size = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT}
    return run(host, "FullDiTConditions", **{**size, **given})[0]


def test_a_preset_reaches_its_amount(host):
    path = camera(host)
    assert path.frames == FRAMES
    ahead = path.relative().c2w[-1, :, 2]
    assert np.degrees(np.arctan2(ahead[0], ahead[2])) == pytest.approx(20)


def test_every_movement_runs_with_its_default_values(host):
    entry = host.schemas["FullDiTCameraPreset"].inputs[0]
    assert len(entry.options) >= 20
    for option in entry.options:
        movement = {"movement": option.key, **{i.id: i.default for i in option.inputs}}
        (path,) = run(host, "FullDiTCameraPreset", movement=movement, frames=5, fps=8.0, ease="linear")
        assert path.frames == 5, option.key


def test_a_camera_file_is_spread_over_the_frames_and_scaled(host):
    write_camera(preset("dolly_in", frames=9), host.folder / "input" / "path.json")
    (path,) = run(host, "FullDiTLoadCamera", file="path.json", frames=5, scale=2.0)
    assert path.frames == 5
    assert path.relative().c2w[-1, 2, 3] == pytest.approx(2 * 0.4)


def test_a_camera_file_outside_of_the_input_folder_is_refused(host):
    write_camera(preset("static"), host.folder / "secret.json")
    with pytest.raises(UserError, match="outside"):
        run(host, "FullDiTLoadCamera", file="../secret.json", frames=5, scale=1.0)


def test_a_missing_camera_file_is_refused_before_the_run(host):
    assert "no file" in host.nodes["FullDiTLoadCamera"].validate_inputs(file="absent.json")


def test_an_identity_takes_the_inverted_mask_of_load_image(host):
    mask = torch.ones(1, 20, 20)
    mask[:, 5:15, 5:15] = 0
    slot = identity(host, mask=mask, invert_mask=True)
    assert slot.mask[10, 10] == 1 and slot.mask[0, 0] == 0


def test_an_identity_takes_the_alpha_of_its_image_as_mask(host):
    image = torch.rand(2, 20, 20, 4)
    image[..., 3] = 0
    image[:, 5:15, 5:15, 3] = 1
    slot = identity(host, image=image, mask=None)
    assert len(slot.images) == 2 and slot.images[0].shape[-1] == 3 and slot.mask.sum() == 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": torch.full((1, 20, 20, 3), float("nan"))}, "NaN"),
        ({"image": torch.full((1, 20, 20, 3), 2.0)}, "0 and 1"),
        ({"mask": torch.zeros(1, 64, 32)}, "cannot belong"),
        ({"mask": torch.zeros(1, 20, 20)}, "empty"),
        ({"strength": 7.0}, "strength"),
        ({"start": 0.6, "end": 0.4}, "start"),
    ],
)
def test_an_identity_that_cannot_be_used_is_refused(host, change, message):
    with pytest.raises(UserError, match=message):
        identity(host, **change)


def test_depth_is_normalized_and_shown(host):
    clip = torch.rand(FRAMES, HEIGHT, WIDTH, 3) * 0.2 + 0.3
    values, shown = run(host, "FullDiTDepth", images=clip, kind="inverted")
    assert values.values.min() == 0 and values.values.max() == 1
    assert shown.shape == (FRAMES, HEIGHT, WIDTH, 3)


def test_a_constant_depth_clip_is_refused(host):
    with pytest.raises(UserError, match="same everywhere"):
        run(host, "FullDiTDepth", images=torch.full((5, 8, 8, 3), 0.5), kind="disparity")


def test_any_subset_and_its_token_budget(host):
    everything = conditions(
        host,
        camera=camera(host),
        identities={"identity0": identity(host), "identity1": identity(host, "cube"), "identity2": None},
        depth=depth(host),
    )
    assert everything.names == ("camera", "identity", "depth")
    # 2 latent frames of 4x6: video, map and depth 2x2x3, references 2x3.
    mini = {"video": 12, "camera": 2, "reference": 12, "identity_map": 12, "depth": 12}
    assert count_tokens(everything, PRESETS["mini-cpu"]) == mini
    # At Wan's size the map is half as fine (rows 1, columns 1.5 -> 2).
    assert count_tokens(everything, PRESETS["wan-1.3b"])["identity_map"] == 4
    out = host.nodes["FullDiTConditions"].execute(frames=5, width=48, height=32, camera=camera(host))
    said = "Size and length were set here: 5 frames of 48x32. Those of the embedded model are 17 frames of 96x64."
    assert out.kwargs["ui"]["text"] == [f"2 tokens, video 12\ncamera 2\n{said}"]
    assert conditions(host).names == ()
    assert count_tokens(conditions(host, depth=depth(host), depth_strength=0.0), PRESETS["mini-cpu"]) == {"video": 12}


def test_the_budget_is_shown_in_short_lines(host):
    from comfyui_fulldit.nodes.page.token_budget import describe_budget

    counts = {"video": 12, "camera": 2, "reference": 12, "identity_map": 12, "depth": 12}
    assert describe_budget(counts, ["Mind this."]).splitlines() == [
        "38 tokens, video 12",
        "camera 2, references 12",
        "who is where 12, depth 12",
        "Mind this.",
    ]
    assert describe_budget({"video": 12}, [], ["identity", "depth"]).splitlines() == [
        "video 12 tokens",
        "read without tokens of their own: identity, depth",
    ]
    assert describe_budget({"video": 12, "source": 12}, ["Mind."], ["camera"]).splitlines() == [
        "12 tokens, video 12",
        "source 12",
        "read without tokens of their own: camera",
        "Mind.",
    ]


@pytest.mark.parametrize("preset", ["mini-cpu", "wan-1.3b"])
def test_the_budget_is_what_the_network_gets(host, preset):
    class Gray:
        def parameters(self):
            return iter([torch.empty(0)])

        def encode(self, clip):
            return torch.zeros(len(clip), 16, (clip.shape[2] - 1) // 4 + 1, clip.shape[3] // 8, clip.shape[4] // 8)

    asked = conditions(
        host,
        camera=camera(host),
        identities={"identity0": identity(host), "identity1": identity(host, "cube", strength=0.5)},
        depth=depth(host),
    )
    config = PRESETS[preset]
    streams = encode_conditions(asked, Gray(), config)
    assert streams.tokens(config.geometry) == count_tokens(asked, config)


def test_the_reference_case_at_wans_size_has_10604_condition_tokens(host):
    size = {"frames": 77, "width": 672, "height": 384}
    clip = torch.linspace(0, 1, 672).expand(77, 384, 672)[..., None].expand(-1, -1, -1, 3)
    everything = conditions(
        host,
        camera=camera(host, 77),
        identities={f"identity{k}": identity(host, f"cube {k}", frames=77) for k in range(3)},
        depth=run(host, "FullDiTDepth", images=clip, kind="disparity")[0],
        **size,
    )
    counts = count_tokens(everything, PRESETS["wan-1.3b"])
    # DESIGN's reference case takes depth on 21 of 77 frames (6,048); the registry takes all 20 latent frames.
    assert counts == {"video": 20160, "camera": 20, "reference": 3024, "identity_map": 5040, "depth": 20160}


def test_other_lengths_are_refused_resampled_or_held(host):
    longer = {"camera": camera(host, 9), "identities": {"identity0": identity(host, frames=9)}, "depth": depth(host, 9)}
    for name, value in longer.items():
        with pytest.raises(UserError, match="9 frames, the video 5.*resample or hold"):
            conditions(host, **{name: value})
    for choice in ({"fit_time": "resample"}, {"fit_time": "hold"}, {"spread": True}):
        fitted = conditions(host, **longer, **choice)
        assert fitted.get(CameraCondition).trajectory.frames == fitted.get(DepthCondition).clip.frames == FRAMES
        assert len(fitted.get(IdentityCondition).identities[0].mask_video) == FRAMES
        verb = "cut after frame 5" if choice.get("fit_time") == "hold" else "resampled to 5"
        assert sum(verb in text for text in fitted.warnings()) == 3


def test_a_still_depth_image_is_held_only_where_that_is_asked(host):
    with pytest.raises(UserError, match="1 frame, the video 5"):
        conditions(host, depth=depth(host, 1))
    held = conditions(host, depth=depth(host, 1), fit_time="hold")
    assert held.get(DepthCondition).clip.frames == FRAMES


def test_other_proportions_are_cropped_and_said(host):
    gray = torch.rand(FRAMES, 32, 32, 1).expand(-1, -1, -1, 3)
    square = run(host, "FullDiTDepth", images=gray, kind="disparity")[0]
    made = conditions(host, depth=square)
    assert made.get(DepthCondition).clip.values.shape == (FRAMES, HEIGHT, WIDTH)
    assert made.warnings() == ["The depth clip is 32x32 and was cropped to the proportions of 48x32."]
    with pytest.raises(UserError, match="fit_space"):
        conditions(host, depth=square, fit_space="refuse")


def test_a_size_of_0_is_that_of_the_source_video_or_else_of_the_embedded_model(host):
    size = {"frames": 0, "width": 0, "height": 0}
    out = host.nodes["FullDiTConditions"].execute(**size)
    assert out.args[0].video == PRESETS["mini-cpu"].video
    assert "Size and length are those of the embedded model: 17 frames of 96x64." in out.kwargs["ui"]["text"][0]
    out = host.nodes["FullDiTConditions"].execute(**size, source_video=video(9, width=64))
    assert (out.args[0].video.frames, out.args[0].video.width) == (9, 64)
    assert "Size and length are those of the source video: 9 frames of 64x32." in out.kwargs["ui"]["text"][0]
    assert out.kwargs["ui"]["fulldit_followed"][0]["width"] == 64
    with pytest.raises(UserError, match="source video has 10 frames, the video 9: set `fit_time` to resample"):
        host.nodes["FullDiTConditions"].execute(**size, source_video=video(10))


def test_a_size_far_beyond_the_model_is_said_before_anything_is_sampled(host):
    out = host.nodes["FullDiTConditions"].execute(frames=17, width=832, height=480)
    assert "65 times the tokens" in out.kwargs["ui"]["text"][0]
    out = host.nodes["FullDiTConditions"].execute(frames=17, width=192, height=64)
    assert "times the tokens" not in out.kwargs["ui"]["text"][0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"frames": 16}, "take 13 or 17"),
        ({"frames": -1}, "from 0 to 1025"),
        ({"width": 100}, "take 96"),
        ({"width": 99999}, "from 0 to 4096"),
        ({"camera_start": 0.5, "camera_end": 0.5}, "the camera holds from 0.5 to 0.5"),
        ({"depth_end": 1.5}, "depth"),
    ],
)
def test_what_conditions_cannot_be_is_refused_before_anything_runs(host, given, words):
    check = host.nodes["FullDiTConditions"].validate_inputs
    size = {"frames": 0, "width": 0, "height": 0}
    assert check(**size) is True and words.lower() in check(**{**size, **given}).lower()
    # What is linked is not known yet, and a connected model takes sizes of its own.
    assert check(**{**size, **dict.fromkeys(given)}) is True
    if set(given) <= {"frames", "width"} and 0 <= next(iter(given.values())) <= 4096:
        assert check(**{**size, **given}, model=None) is True


def test_an_identity_whose_range_is_empty_is_refused_before_anything_runs(host):
    check = host.nodes["FullDiTIdentity"].validate_inputs
    assert check(strength=1.0) is True and check(strength=None, start=0.5, end=0.2) is True
    assert "holds from 0.5 to 0.2" in check(strength=1.0, start=0.5, end=0.2)


@pytest.mark.parametrize(
    ("size", "message"), [({"frames": 6}, r"take 5\s+or 9"), ({"width": 50}, "width"), ({"height": 40}, "height")]
)
def test_sizes_that_the_latent_cannot_hold_are_refused(host, size, message):
    with pytest.raises(UserError, match=message):
        conditions(host, **size)


def test_two_identities_of_one_name_are_refused(host):
    with pytest.raises(UserError, match="same name"):
        conditions(host, identities={"identity0": identity(host), "identity1": identity(host)})


def test_identities_whose_name_nobody_chose_are_numbered(host):
    default = next(entry.default for entry in host.schemas["FullDiTIdentity"].inputs if entry.id == "name")
    made = conditions(host, identities={"identity0": identity(host, default), "identity1": identity(host, " ")})
    assert [one.name for one in made.get(IdentityCondition).identities] == ["object", "object 2"]


def test_a_socket_beyond_the_last_is_refused_with_a_sentence(host):
    with pytest.raises(UserError, match="takes up to 8 identities"):
        conditions(host, **{"identities.identity8": identity(host)})
    with pytest.raises(UserError, match="takes up to 3 identities"):
        host.nodes["FullDiTIdentityMap"].execute(**{"identities.identity3": identity(host)})


def test_conditions_has_sockets_for_eight_identities_and_the_map_for_three(host):
    eight = {f"identity{k}": identity(host, f"thing {k}") for k in range(8)}
    out = host.nodes["FullDiTConditions"].execute(frames=FRAMES, width=WIDTH, height=HEIGHT, identities=eight)
    names = [one.name for one in out.args[0].get(IdentityCondition).identities]
    assert names == [f"thing {k}" for k in range(8)]
    assert "references 48" in out.kwargs["ui"]["text"][0], "2x3 tokens for each"
    sockets = {
        node: entry.template.max
        for node in ("FullDiTConditions", "FullDiTIdentityMap")
        for entry in host.schemas[node].inputs
        if entry.id == "identities"
    }
    assert sockets == {"FullDiTConditions": 8, "FullDiTIdentityMap": 3}
    with pytest.raises(UserError, match="4 identities were connected, but there are 3 slots"):
        run(host, "FullDiTIdentityMap", identities={name: eight[name] for name in list(eight)[:4]})


def video(frames=FRAMES, height=HEIGHT, width=WIDTH):
    """Frame k is of the gray k / 10."""
    return (torch.arange(frames) / 10)[:, None, None, None].expand(frames, height, width, 3)


def test_a_source_video_is_fitted_and_mentioned_where_no_model_is_connected(host):
    size = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT, "camera": camera(host)}
    weights = {"source_strength": 0.5, "source_start": 0.1, "source_end": 0.9}
    out = host.nodes["FullDiTConditions"].execute(**size, source_video=video(), **weights)
    made = out.args[0].get(SourceCondition)
    assert out.args[0].names == ("camera", "source")
    assert (made.strength, made.start, made.end) == (0.5, 0.1, 0.9)
    assert made.frames[:, 0, 0, 0] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    lines = out.kwargs["ui"]["text"][0].splitlines()
    assert lines[:2] == ["14 tokens, video 12", "camera 2, source 12"]
    assert lines[3:] == ["FullDiT models take the condition 'source' only if they were trained with it."]
    with pytest.raises(UserError, match="source video has 9 frames"):
        conditions(host, source_video=video(9))
    longer = conditions(host, source_video=video(9), fit_time="resample").get(SourceCondition)
    assert longer.frames[:, 0, 0, 0] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    square = conditions(host, source_video=video(width=32))
    assert square.get(SourceCondition).frames.shape == (FRAMES, HEIGHT, WIDTH, 3) and "cropped" in square.warnings()[0]


def test_a_workflow_of_before_gives_the_source_its_defaults(host):
    """Old prompts have neither the socket nor its weights."""
    assert conditions(host, camera=camera(host), camera_strength=1.0).names == ("camera",)
    made = conditions(host, source_video=video()).get(SourceCondition)
    assert (made.strength, made.start, made.end) == (1.0, 0.0, 1.0)


def test_equal_conditions_have_equal_digests_and_others_do_not(host):
    path = camera(host)
    assert conditions(host, camera=path).digest() == conditions(host, camera=camera(host)).digest()
    assert conditions(host, camera=path).digest() != conditions(host, camera=path, camera_strength=0.5).digest()
    assert conditions(host, camera=path).digest() != conditions(host, camera=path, width=64).digest()


def test_the_preview_draws_a_row_for_each_condition(host):
    asked = conditions(host, camera=camera(host), identities={"identity0": identity(host)}, depth=depth(host))
    (sheet,) = run(host, "FullDiTPreview", conditions=asked, layout="sheet", height=64)
    assert sheet.shape[0] == 1 and sheet.shape[1] > 4 * 64
    (frames,) = run(host, "FullDiTPreview", conditions=asked, layout="frames", height=64)
    assert frames.shape == (FRAMES, 64, 4 * 96, 3)
    assert frames.min() >= 0 and frames.max() <= 1
    (frames,) = run(
        host, "FullDiTPreview", conditions=conditions(host, source_video=video()), layout="frames", height=64
    )
    assert frames.shape == (FRAMES, 64, 96, 3) and frames[4].mean() == pytest.approx(0.4)


def test_the_preview_of_no_condition_is_refused(host):
    with pytest.raises(UserError, match="nothing to show"):
        run(host, "FullDiTPreview", conditions=conditions(host), layout="sheet", height=64)


def test_load_lora_says_that_there_is_none_yet(host, tmp_path, monkeypatch):
    """In the list, which the page shows as 'undefined' where it is empty, and before anything runs."""
    import folder_paths

    load = host.nodes["FullDiTLoadLora"]
    (names,) = (entry.options for entry in load.define_schema().inputs if entry.id == "lora")
    assert names == ["none in models/loras"]
    assert "folder models/loras has no LoRA yet" in load.validate_inputs(names[0])
    assert "'mine.safetensors' is not there" in load.validate_inputs("mine.safetensors")
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"1")
    monkeypatch.setattr(folder_paths, "get_full_path", lambda folder, name: str(file))
    assert load.validate_inputs("mine.safetensors") is True and load.validate_inputs(None) is True


def test_load_video_model_says_where_to_put_a_model_and_where_to_get_it(host, tmp_path, monkeypatch):
    """In the list, which the page shows, and before anything runs."""
    import folder_paths

    load = host.nodes["FullDiTLoadVideoModel"]
    (names,) = (entry.options for entry in load.define_schema().inputs if entry.id == "model_name")
    assert names == ["none in models/diffusion_models"]
    first = load.validate_inputs(names[0])
    assert "folder models/diffusion_models has no model yet" in first and "docs/models.md" in first
    assert "wan2.1_bernini_1.3B_fp16.safetensors (2.84 GB, Apache-2.0) from https://huggingface.co/" in first
    missing = load.validate_inputs("wan2.1_vace_1.3B_fp16.safetensors")
    assert "There is no file 'wan2.1_vace_1.3B_fp16.safetensors'" in missing and "4.31 GB" in missing
    assert "https" not in load.validate_inputs("mine.safetensors")
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"1")
    monkeypatch.setattr(folder_paths, "get_full_path", lambda folder, name: str(file))
    assert load.validate_inputs("mine.safetensors") is True
    assert load.validate_inputs(None) is True  # the name comes from another node


@pytest.mark.parametrize("value", [5, "x", [1, 2], True, {}, float("nan")])
def test_a_value_typed_where_a_node_belongs_is_refused_before_the_run(host, value):
    """An API prompt may hold anything: nodes whose socket of the pack is not connected but has a value of its own."""
    sockets = [
        (name, entry.id)
        for name, schema in host.schemas.items()
        for entry in schema.inputs
        if entry.io_type.startswith("FULLDIT_")
    ]
    assert len(sockets) > 15
    for node, name in sockets:
        answer = host.nodes[node].validate_inputs(**{name: value})
        assert answer.startswith(f"The input '{name}' is ") and "connect one" in answer, node
    with pytest.raises(UserError, match="The input 'camera' is .* takes the output of another node"):
        run(host, "FullDiTCameraToPoses", camera=value, width=48, height=32)


def test_an_option_that_is_not_there_is_refused(host):
    with pytest.raises(UserError, match="'operation' is 'dolly'; choose one of smooth, ease"):
        run(host, "FullDiTTransformCamera", camera=camera(host), operation={"operation": "dolly"})
    with pytest.raises(UserError, match="'operation' is None; choose one of smooth, ease"):
        run(host, "FullDiTTransformCamera", camera=camera(host), operation=None)
    with pytest.raises(UserError, match="The input 'second' is 5, but takes"):
        run(host, "FullDiTTransformCamera", camera=camera(host), operation={"operation": "add", "second": 5})
    with pytest.raises(UserError, match="Nothing is connected to the input 'camera'"):
        run(host, "FullDiTTransformCamera", camera=None, operation={"operation": "mirror"})


def test_the_host_still_checks_what_it_checked(host):
    """It leaves out its own checks of the inputs that `validate_inputs` names: only sockets may be named besides."""
    import inspect

    for name, cls in host.nodes.items():
        listed = {entry.id: entry.io_type for entry in host.schemas[name].inputs}
        named = inspect.getfullargspec(cls.validate_inputs)
        assert named.args[0] == "cls" and not named.varkw and not named.varargs
        if name in ("FullDiTConditions", "FullDiTIdentity"):
            continue  # they check the bounds of their numbers themselves, as tests of what is refused before a run hold
        assert all(listed[arg] not in ("INT", "FLOAT", "BOOLEAN") for arg in named.args[1:]), name
    assert host.nodes["FullDiTSaveCamera"].validate_inputs(camera=None) is True


@pytest.mark.parametrize("name", ["a\0b", "x" * 2000, "y" * 300, "z/" + "é" * 140, "half \ud800"])
def test_names_that_no_file_has_are_refused(host, name):
    with pytest.raises(UserError, match="is not a file name"):
        run(host, "FullDiTSaveCamera", camera=camera(host), format="fulldit", filename_prefix=name)
    with pytest.raises(UserError, match="is not a file name"):
        run(host, "FullDiTExportConditions", conditions=conditions(host), folder_prefix=name)
    with pytest.raises(UserError, match="is not a file name"):
        run(host, "FullDiTImportConditions", folder=name)
    for node, entry in (("LoadCamera", "file"), ("ImportConditions", "folder"), ("ExportConditions", "folder_prefix")):
        assert "is not a file name" in host.nodes[f"FullDiT{node}"].validate_inputs(**{entry: name})


def test_the_longest_name_that_fits_is_written_and_a_longer_one_refused_before_the_work(host):
    (saved,) = run(host, "FullDiTSaveCamera", camera=camera(host), format="fulldit", filename_prefix="n" * 240)
    assert Path(saved).is_file() and len(Path(saved).name) > 250
    (folder,) = run(host, "FullDiTExportConditions", conditions=conditions(host), folder_prefix="n" * 243)
    assert (Path(folder) / "manifest.json").is_file()
    assert "is not a file name" in host.nodes["FullDiTExportConditions"].validate_inputs(folder_prefix="n" * 250)


def test_a_file_in_the_place_of_a_folder_is_said(host):
    (saved,) = run(host, "FullDiTSaveCamera", camera=camera(host), format="fulldit", filename_prefix="place")
    for name in (Path(saved).name, f"{Path(saved).name}/below"):
        with pytest.raises(UserError, match="cannot be made"):
            run(host, "FullDiTExportConditions", conditions=conditions(host), folder_prefix=f"{name}/shot")
