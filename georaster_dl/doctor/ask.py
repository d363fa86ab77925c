"""Probes asked in processes of their own, all at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from georaster_dl.doctor.probes import GROUPS

__all__ = ["Answer", "ask"]

_PATIENCE_S = 180.0  # torch from a cold network disk takes a minute


@dataclass(frozen=True)
class Answer:
    """Answer of a probe, or the reason for its failure.

    Attributes
    ----------
    facts : plain values; None where it failed.
    error : one line; empty where it did not fail.
    """

    facts: Any = None
    error: str = ""


def ask(patience_s: float = _PATIENCE_S) -> dict[str, Answer]:
    """Answer of every probe, by its name; a probe that crashes or hangs has one too."""
    with ThreadPoolExecutor(len(GROUPS)) as pool:
        groups = pool.map(lambda group: _ask_group(group, patience_s), GROUPS)
        return {name: answer for group in groups for name, answer in group.items()}


def _ask_group(group: str, patience_s: float) -> dict[str, Answer]:
    try:
        # Not -m, which would let a torch.py of the working folder in; -P keeps that out too.
        code = "import sys; from georaster_dl.doctor.probes import main; main(sys.argv[1])"
        isolated = ["-I"] if sys.flags.isolated else ["-P"]
        done = subprocess.run(
            [sys.executable, *isolated, "-c", code, group],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        written: Any = late.stdout or ""  # bytes on POSIX, text on Windows
        text = written.decode("utf-8", "replace") if isinstance(written, bytes) else written
        return _answers(group, text, f"no answer within {patience_s:.0f} s")
    except OSError as error:
        return _answers(group, "", f"{sys.executable or 'Python'} cannot be started: {error}")
    last = (done.stderr.strip().splitlines() or [""])[-1]
    return _answers(group, done.stdout, f"its process {_ending(done.returncode)} {last}".strip())


def _answers(group: str, output: str, otherwise: str) -> dict[str, Answer]:
    """Parse the probes' answers; a crash is attributed to the first probe without an answer."""
    told: dict[str, Answer] = {}
    for line in output.splitlines():
        if line.startswith('{"probe"'):
            entry = json.loads(line)
            error = " ".join(str(entry.get("error", "")).split())
            told[entry["probe"]] = Answer(entry.get("facts"), error)
    blamed = otherwise
    for name in GROUPS[group]:
        if name not in told:
            told[name] = Answer(error=blamed)
            blamed = "not asked, because the check before it did not end"
    return told


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with {code}:"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
