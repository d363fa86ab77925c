"""Commands as people paste them into a terminal."""

from __future__ import annotations

import os
import shlex
import subprocess

__all__ = ["command_line"]


def command_line(*parts: object) -> str:
    """A command with its arguments, quoted where this system's shell needs it."""
    words = [str(part) for part in parts]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
