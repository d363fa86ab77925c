"""A process that is ended, or whose terminal is closed, tidies up."""

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

SCRIPT = """
import os, signal, sys
from georaster_dl.core.process import interrupt_when_ended
{before}
interrupt_when_ended()
try:
    os.kill(os.getpid(), signal.{sent})
    signal.pause() if {waits} else print("goes on")
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    print("tidied up")
"""


def _run(sent, before="", waits=True):
    script = SCRIPT.format(sent=sent, before=before, waits=waits)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGHUP"])
def test_it_is_interrupted_once(sent):
    assert _run(sent) == "tidied up\n"


def test_a_run_under_nohup_outlives_its_terminal():
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert _run("SIGHUP", before, waits=False) == "goes on\n"
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
