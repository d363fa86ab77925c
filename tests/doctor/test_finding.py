"""Findings, and the user's home kept out of what is told."""

from pathlib import Path

import pytest

from georaster_dl.doctor.finding import Finding, Part, hide_home, worst


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/al", "~"),
        ("/home/al/x and /home/al/y", "~/x and ~/y"),
        ("PATH=/home/al:/usr", "PATH=~:/usr"),
        ("('/home/al/m')", "('~/m')"),
        ("/home/alice/x", "/home/alice/x"),
        ("/home/al-2", "/home/al-2"),
        ("/mnt/home/al/x", "/mnt/home/al/x"),
    ],
)
def test_home_is_hidden(monkeypatch, text, shown):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/al"))
    assert hide_home(text) == shown
    assert hide_home({"a": [text, 3, None], "b": {"c": (text,)}}) == {
        "a": [shown, 3, None],
        "b": {"c": [shown]},
    }


def test_home_that_is_a_link(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "link")
    assert hide_home(f"{tmp_path}/real/x {tmp_path}/link/y") == "~/x ~/y"


def test_root_is_no_home(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert hide_home("/usr/bin") == "/usr/bin"


def test_worst():
    assert worst([]) == "ok"
    statuses = ("ok", "problem", "warning")
    assert worst(Finding("torch", status, "") for status in statuses) == "problem"
    part = Part()
    part.add("gpu", "warning", "slow", "wait")
    assert part.findings == [Finding("gpu", "warning", "slow", "wait")]
