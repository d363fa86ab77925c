"""A file that cannot be written is named, with the reason and what to do."""

import errno
import os

import pytest

from georaster_dl.core.disk import writing
from georaster_dl.core.errors import OptionError, OutputError


def test_failures_of_the_system_and_of_libraries(tmp_path):
    path = tmp_path / "a.tif"
    full = pytest.raises(OutputError, match=r"Cannot write a\.tif: No space left .* MiB are free")
    with full, writing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    wrong = pytest.raises(OutputError, match=r"Cannot write a\.tif: no such field \(")
    with wrong, writing(path, KeyError, RuntimeError):
        raise RuntimeError("no  such\nfield")


@pytest.mark.parametrize("error", [OptionError("bands"), ValueError("a fault")])
def test_other_errors_stay(tmp_path, error):
    with pytest.raises(type(error), match=str(error)), writing(tmp_path / "a.tif", RuntimeError):
        raise error
