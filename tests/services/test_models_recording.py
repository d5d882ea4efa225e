"""Recordings on disk."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calls import RecordedAnswer, Usage
from schemas.errors import InputError
from services.models.recording import made_today, read_recording, write_file

INPUTS = "a" * 64


def entry(answer: str = "x\ny\n", attempt: int = 1, agent: str = "planner") -> RecordedAnswer:
    usage = Usage(input_tokens=3, output_tokens=2)
    return RecordedAnswer(
        agent=agent, subject="run", attempt=attempt, inputs=INPUTS, answer=answer, usage=usage
    )


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, answer: str) -> None:
    path = tmp_path_factory.mktemp("r") / "deep" / "recording.json"
    recording = made_today("a person", "demo", [entry(answer)])
    write_file(path, recording)
    assert read_recording(path) == recording


def test_lines_stand_apart_and_entries_have_one_order(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    write_file(path, made_today("x", "demo", [entry(attempt=2), entry(agent="a"), entry()]))
    data = json.loads(path.read_text())
    assert [(e["agent"], e["attempt"]) for e in data["entries"]] == [("a", 1), ("planner", 1), ("planner", 2)]
    assert data["entries"][0]["answer"] == {"lines": ["x", "y", ""]}
    assert [p.name for p in tmp_path.iterdir()] == ["recording.json"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "invalid at the file"),
        ('{"format": 2}', "invalid at format"),
        ('{"format": 1, "answered_by": "x", "recorded": "d", "project": "p", "entries": [7]}', "entries.0"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "recording.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_recording(path)


def test_a_missing_or_double_entry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read: No such file"):
        read_recording(tmp_path / "none.json")
    path = tmp_path / "double.json"
    write_file(path, made_today("x", "demo", [entry(), entry()]))
    with pytest.raises(InputError, match="occur twice"):
        read_recording(path)
