"""Compare, Agreement Report, Fit Video, Export and Import in the real host, through its API."""

from __future__ import annotations

import json
import os

import pytest

from .test_api import node

pytestmark = pytest.mark.comfyui

SIZE = {"frames": 0, "width": 0, "height": 0, "spread": False, "camera_strength": 1.0, "depth_strength": 1.0}
# Enough steps for a picture where those of the help pages are renewed.
STEPS = 12 if os.environ.get("FULLDIT_UPDATE") else 2
SAMPLING = {"prompt": "a ball", "seed": 3, "steps": STEPS, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple"}


def loaded(**more) -> dict:
    """The embedded model and the example as conditions, all of them."""
    return {
        "load": node("FullDiTLoad", checkpoint="embedded", vae="embedded", precision="default"),
        "example": node("FullDiTExample"),
        "depth": node("FullDiTDepth", images=["example", 3], kind="disparity"),
        "one": node(
            "FullDiTIdentity",
            name="object",
            image=["example", 0],
            mask=["example", 1],
            track=["example", 2],
            strength=1.0,
        ),
        "conditions": node(
            "FullDiTConditions",
            camera=["example", 4],
            depth=["depth", 0],
            model=["load", 0],
            **{"identities.identity0": ["one", 0]},
            **SIZE,
        ),
        **more,
    }


def done(server, prompt: dict) -> dict:
    history = server.wait(server.queue(prompt), 400)
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    return history["outputs"]


def sampled(kind: str, **more) -> dict:
    return node(
        kind, model=["load", 0], clip=["load", 1], vae=["load", 2], conditions=["conditions", 0], **SAMPLING, **more
    )


def test_conditions_follow_the_model_and_say_so(server):
    out = done(
        server,
        loaded(
            look=node("FullDiTPreview", conditions=["conditions", 0], layout="sheet", height=64),
            show=node("PreviewImage", images=["look", 0]),
        ),
    )
    assert "Size and length are those of the model: 17 frames of 96x64." in out["conditions"]["text"][0]
    assert out["conditions"]["fulldit_followed"] == [
        {"frames": 17, "width": 96, "height": 64, "fps": 8.0, "aspect": 1.5}
    ]


def test_compare_makes_each_clip_once(server):
    prompt = loaded(
        compare=sampled("FullDiTCompare"),
        sheet=node("PreviewImage", images=["compare", 0]),
        video=node("PreviewImage", images=["compare", 1]),
    )
    out = done(server, prompt)
    lines = out["compare"]["text"][0].split("\n")
    titles = ["all conditions", "without camera", "without identity", "without depth", "without any"]
    assert lines == [f"{title}: made." for title in titles]
    assert len(out["video"]["images"]) == 17 and len(out["sheet"]["images"]) == 1
    prompt["conditions"]["inputs"]["depth_strength"] = 0.5
    lines = done(server, prompt)["compare"]["text"][0].split("\n")
    kept = [line.split(":")[0] for line in lines if "as before" in line]
    assert kept == ["without depth", "without any"]


def test_the_agreement_of_a_video_of_the_embedded_model(server):
    prompt = loaded(
        sampler=sampled("FullDiTSampler"),
        decode=node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        report=node("FullDiTAgreementReport", images=["decode", 0], conditions=["conditions", 0], estimators="auto"),
        json=node("PreviewAny", source=["report", 2]),
    )
    out = done(server, prompt)
    assert len(out["report"]["images"]) == 1 and "camera: " in out["report"]["text"][0]
    figures = json.loads(out["json"]["text"][0])
    assert [one["condition"] for one in figures["conditions"]] == ["camera", "identity", "depth"]
    assert all(one["source"] == "embedded estimators" for one in figures["conditions"])


def test_the_agreement_of_connected_estimates_needs_no_estimator(server):
    prompt = loaded(
        images=node("EmptyImage", width=192, height=128, batch_size=17, color=255),
        report=node(
            "FullDiTAgreementReport",
            images=["images", 0],
            conditions=["conditions", 0],
            estimators="connected",
            camera=["example", 4],
            depth=["depth", 0],
            **{"masks.mask0": ["example", 2]},
        ),
    )
    (text,) = done(server, prompt)["report"]["text"]
    assert text.count(": followed: ") == 3 and "not known" in text


def test_export_and_import_give_the_same_video(server):
    prompt = loaded(
        export=node(
            "FullDiTExportConditions",
            conditions=["conditions", 0],
            folder_prefix="there/and",
            videos=True,
            camera_format="transforms",
        ),
    )
    (text,) = done(server, prompt)["export"]["text"]
    folder = text.split("\n")[0].removeprefix("output/")
    assert (server.output / folder / "manifest.json").is_file()
    names = server.get("/object_info/FullDiTImportConditions")["FullDiTImportConditions"]["input"]["required"]["folder"]
    assert f"{folder} [output]" in str(names)
    back = {
        "load": prompt["load"],
        "conditions": node("FullDiTImportConditions", folder=f"{folder} [output]"),
    }
    videos = []
    for start in (loaded(), back):
        out = done(
            server,
            {
                **start,
                "sampler": sampled("FullDiTSampler"),
                "decode": node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
                "look": node("PreviewImage", images=["decode", 0]),
            },
        )
        files = out["look"]["images"]
        videos.append([(server.folder / "temp" / "temp" / one["subfolder"] / one["filename"]) for one in files])
    import cv2

    for one, other in zip(*videos, strict=True):
        assert (cv2.imread(str(one)) == cv2.imread(str(other))).all()
    outside = {
        **loaded(),
        "conditions": node("FullDiTImportConditions", folder="../x"),
        "look": node("FullDiTPreview", conditions=["conditions", 0], layout="sheet", height=64),
        "show": node("PreviewImage", images=["look", 0]),
    }
    status, answer = server.post("/prompt", {"prompt": outside})
    assert status == 400 and "is not a folder" in json.dumps(answer)


def test_fit_video_follows_the_conditions(server):
    prompt = loaded(
        long=node("EmptyImage", width=200, height=120, batch_size=60, color=128),
        fit=node(
            "FullDiTFitVideo",
            images=["long", 0],
            source_fps=24.0,
            fit_space="crop",
            time="keep_speed",
            start=0.0,
            frames=0,
            width=0,
            height=0,
            fps=0.0,
            conditions=["conditions", 0],
        ),
        look=node("PreviewImage", images=["fit", 0]),
    )
    out = done(server, prompt)
    assert len(out["look"]["images"]) == 17
    (text,) = out["fit"]["text"]
    assert "From 60 frames of 200x120 at 24 fps (2.5 s) to 17 frames of 96x64 at 8 fps" in text
    assert "10% was cut off at left and right." in text


def test_a_length_that_conditions_refuse_is_said_before_depth_is_estimated(server):
    prompt = loaded(
        images=node("EmptyImage", width=96, height=64, batch_size=9, color=128),
        depth=node(
            "FullDiTExtractDepth",
            images=["images", 0],
            stabilise=True,
            **{"source": "embedded", "range": "clip", "range.low": 0.02, "range.high": 0.98},
        ),
        look=node("FullDiTPreview", conditions=["conditions", 0], layout="sheet", height=64),
        show=node("PreviewImage", images=["look", 0]),
    )
    history = server.wait(server.queue(prompt))
    kind, said = history["status"]["messages"][-1]
    assert kind == "execution_error" and said["node_id"] == "depth"
    assert "has 9 frames" in said["exception_message"] and "`fit_time`" in said["exception_message"]
    prompt["conditions"]["inputs"]["fit_time"] = "resample"
    done(server, prompt)


def test_a_size_that_cannot_be_is_refused_before_anything_runs(server):
    prompt = loaded(
        show=node("FullDiTPreview", conditions=["conditions", 0], layout="sheet", height=64),
        look=node("PreviewImage", images=["show", 0]),
    )
    del prompt["conditions"]["inputs"]["model"]
    prompt["conditions"]["inputs"]["frames"] = 16
    status, answer = server.post("/prompt", {"prompt": prompt})
    assert status == 400 and "take 13 or 17" in json.dumps(answer["node_errors"])


def test_four_identities_and_nine_get_a_sentence(server):
    prompt = loaded(
        look=node("FullDiTPreview", conditions=["conditions", 0], layout="sheet", height=64),
        sampler=sampled("FullDiTSampler"),
        show=node("PreviewImage", images=["look", 0]),
        decode=node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        end=node("PreviewImage", images=["decode", 0]),
    )
    for slot in range(4):
        prompt["conditions"]["inputs"][f"identities.identity{slot}"] = ["one", 0]
    history = server.wait(server.queue(prompt))
    kind, said = history["status"]["messages"][-1]
    assert kind == "execution_error" and "3 slots" in said["exception_message"], said
    for slot in range(9):
        prompt["conditions"]["inputs"][f"identities.identity{slot}"] = ["one", 0]
    history = server.wait(server.queue(prompt))
    kind, said = history["status"]["messages"][-1]
    assert kind == "execution_error" and "takes up to 8 identities" in said["exception_message"], said
