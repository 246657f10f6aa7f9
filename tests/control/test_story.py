"""Stories: how they are written, what does not fit a video, and how much each text holds at any time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import TimeFit
from comfyui_fulldit.control.story import Span, Story, is_story, parse_story, read_story

VIDEO = VideoSize(33, 64, 96, 8.0)  # 4.125 s
TWO = "0-2s: a red ball\n2-4s: a blue ball"


def story(*spans, fade=0.0) -> Story:
    return Story(tuple(Span(*span) for span in spans), fade)


@pytest.mark.parametrize(
    ("text", "spans", "fade"),
    [
        (TWO, [(0, 2, "a red ball"), (2, 4, "a blue ball")], 0),
        ("0-2s: a red ball | 2s - 4 s: a blue ball", [(0, 2, "a red ball"), (2, 4, "a blue ball")], 0),
        ("fade 0.5s\n0-1.5: one\n 1.5-END:  two\n   more ", [(0, 1.5, "one"), (1.5, math.inf, "two more")], 0.5),
        ("0-end: at 3-4s: it rains", [(0, math.inf, "at 3-4s: it rains")], 0),
        (".5-1s:", [(0.5, 1, "")], 0),
    ],
)
def test_a_story_is_read_as_it_is_written(text, spans, fade):
    assert is_story(text) and parse_story(text) == story(*spans, fade=fade)


@pytest.mark.parametrize(
    "text", ["", "a red ball", "0-2s a red ball", "a day\n0-2s: x", "fade 1s", "10: x", "2:1-3: x"]
)
def test_other_prompts_are_not_stories(text):
    assert not is_story(text)
    with pytest.raises(UserError, match="begins with a time span"):
        parse_story(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2-1s: x", "later end"),
        ("0-2s: a\n0-3s: b", "order"),
        ("0-2s: a\n1-1.5s: b", "order"),
        ("0-2s: a\n1-3s: b\n1.5-4s: c", "three spans"),
        ("\n".join(f"{i}-{i + 1}s: x" for i in range(65)), "65 spans"),
    ],
)
def test_spans_that_make_no_story_are_refused(text, words):
    with pytest.raises(UserError, match=f"(?i){words}"):
        parse_story(text)


def test_a_story_that_fits_needs_no_word_and_rounding_to_seconds_is_none():
    fitted, notes = parse_story(TWO).fitted(VIDEO)
    assert notes == [] and fitted == story((0, 2, "a red ball"), (2, 4.125, "a blue ball"))
    assert fitted.fitted(VIDEO) == (fitted, [])
    assert parse_story("0.1-2s: a\n2.1s-end: b").fitted(VIDEO)[1] == []


PROBLEMS = [
    ("0-1s: a\n2-4s: b", "gap from 1 to 2 s", [(0, 2, "a"), (2, 4.125, "b")]),
    ("1-2s: a\n2-4s: b", "begins at 1 s only", [(0, 2, "a"), (2, 4.125, "b")]),
    ("0-2s: a\n2-3s: b", "ends at 3 s, before the video", [(0, 2, "a"), (2, 4.125, "b")]),
    ("0-2s: a\n2-9s: b", "ends after the video", [(0, 2, "a"), (2, 4.125, "b")]),
    ("0-4s: a\n5-6s: b", "lies beyond the video", [(0, 4.125, "a")]),
    ("0-3s: a\n2-4s: b", "overlap from 2 to 3 s", [(0, 3, "a"), (2, 4.125, "b")]),
]


@pytest.mark.parametrize(("text", "problem", "held"), PROBLEMS)
def test_gaps_overlaps_and_spans_beyond_are_refused_or_fitted_and_said(text, problem, held):
    with pytest.raises(UserError, match=f"(?i){problem}.*fit_time.*hold"):
        parse_story(text).fitted(VIDEO)
    fitted, notes = parse_story(text).fitted(VIDEO, TimeFit.HOLD)
    assert fitted == story(*held) and len(notes) == 1 and problem in notes[0]


def test_a_story_is_stretched_to_the_video():
    fitted, notes = parse_story("0-4s: a\n4-8.25s: b").fitted(VIDEO, TimeFit.RESAMPLE)
    assert [(span.start, span.end) for span in fitted.spans] == [(0, 2), (2, 4.125)]
    assert notes == ["The story lasts 8.25 s: it was stretched to the video's 4.125 s."]


def test_a_story_behind_the_video_or_a_fade_longer_than_a_span_is_refused():
    with pytest.raises(UserError, match="No span"):
        parse_story("9-12s: a").fitted(VIDEO, TimeFit.HOLD)
    with pytest.raises(UserError, match=r"fades over 3 s.*shortest span lasts 2 s"):
        parse_story(f"fade 3s\n{TWO}").fitted(VIDEO)


def test_weights_cut_at_the_boundary_and_fade_around_it():
    times = np.array([0.0, 1.5, 1.75, 2.0, 2.25, 2.5, 4.0])
    cut = parse_story(TWO).fitted(VIDEO)[0].weights(times)
    assert (cut[1] == [0, 0, 0, 1, 1, 1, 1]).all() and (cut[0] == 1 - cut[1]).all()
    faded = parse_story(f"fade 1s\n{TWO}").fitted(VIDEO)[0].weights(times)
    assert faded[1] == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1])


@pytest.mark.parametrize("seed", range(20))
def test_weights_are_a_share_of_one_at_every_time_and_at_most_two_texts_hold(seed):
    random = np.random.default_rng(seed)
    ends = np.cumsum(random.uniform(0.5, 1.5, random.integers(1, 6)))
    starts = [0.0, *ends[:-1]]
    told = story(*((a, b, "x") for a, b in zip(starts, ends, strict=True)), fade=random.uniform(0, 0.5))
    fitted, _ = told.fitted(VideoSize(int(8 * ends[-1]), 8, 8), TimeFit.HOLD)
    weights = fitted.weights(random.uniform(-1, ends[-1] + 1, 200))
    assert weights.sum(0) == pytest.approx(1, abs=1e-12) and weights.min() >= 0
    assert ((weights > 0).sum(0) <= 2).all()


def test_one_span_holds_exactly_always():
    fitted = parse_story("0-end: a").fitted(VIDEO)[0]
    assert (fitted.weights(np.linspace(-1, 9, 50)) == 1).all()


def test_files_of_json_and_text(tmp_path):
    told = parse_story("fade 0.5s\n0-2s: a\n2-end: b")
    (tmp_path / "s.json").write_text(json.dumps(told.to_json()))
    (tmp_path / "s.txt").write_text(TWO)
    assert read_story(tmp_path / "s.json") == told and read_story(tmp_path / "s.txt") == parse_story(TWO)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "JSON"),
        (b"[]", "expected"),
        (b"{}", "expected"),
        (b'{"spans": []}', "0 spans"),
        (b'{"spans": [{"start": 0, "end": 1}]}', "start, end and text"),
        (b'{"spans": [{"start": "0", "end": 1, "text": "a"}]}', "number of seconds"),
        (b'{"spans": [{"start": 0, "end": NaN, "text": "a"}]}', "number of seconds"),
        (b'{"spans": [{"start": ' + b"9" * 400 + b', "end": null, "text": "a"}]}', "number of seconds"),
        (b'{"spans": [{"start": true, "end": 1, "text": "a"}]}', "number of seconds"),
        (b'{"spans": [{"start": 0, "end": 1, "text": "a"}], "fade": -1}', "fade"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[" * 100000, "JSON"),
        (b"a red ball", "time span"),
        (b"0" * 2_000_000, "bytes"),
    ],
)
def test_foreign_files_are_refused_by_name(tmp_path, content, words):
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        read_story(tmp_path / "s.json")
    assert "s.json" in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.json"):
        read_story(tmp_path / "nowhere.json")
