"""Findings of the doctor, without the path of the user's home."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Finding", "Part", "Status", "hide_home", "worst"]

Status = Literal["ok", "warning", "problem"]
_ORDER: tuple[Status, ...] = ("ok", "warning", "problem")


@dataclass(frozen=True)
class Finding:
    """Finding about a topic, and the remedy.

    Attributes
    ----------
    topic : a stable word: geodl, python, packages, extras, torch, gpu, gdal, proj, vectors, models,
        memory, temporary, caches, environment, qgis.
    status : ok, warning (something does not work, or soon will not) or problem (geodl does not work).
    text : one sentence.
    remedy : what to do; empty where there is nothing to be done.
    """

    topic: str
    status: Status
    text: str
    remedy: str = ""


@dataclass
class Part:
    """One section of the report: plain values for programs, and findings for people.

    Attributes
    ----------
    facts : plain values that JSON can hold, by stable keys.
    findings : in the order in which they matter.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, topic: str, status: Status, text: str, remedy: str = "") -> None:
        """Note one more finding."""
        self.findings.append(Finding(topic, status, text, remedy))


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status among them; ok where there is none."""
    return max((found.status for found in findings), key=_ORDER.index, default="ok")


def hide_home(value: Any) -> Any:
    """The same plain value with the user's home written as ``~`` wherever a text names it."""
    if isinstance(value, str):
        for home in _homes():
            # Not within a longer name, nor below another folder.
            value = re.sub(rf"(?<![\w.~-]){re.escape(home)}(?![\w-])", "~", value)
        return value
    if isinstance(value, dict):
        return {key: hide_home(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [hide_home(entry) for entry in value]
    return value


def _homes() -> set[str]:
    """Ways of writing the home folder; none where it is the root of the disk."""
    try:
        home = Path.home()
    except RuntimeError:
        return set()
    if home == Path(home.anchor):
        return set()
    ways = {str(home), os.path.realpath(home)}
    return ways | {way.replace("\\", "/") for way in ways}
