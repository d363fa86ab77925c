"""Tables are read and predicted by classic methods without torch."""

import subprocess
import sys


def test_no_torch():
    code = (
        "import sys, georaster_dl.spectra.tuning, georaster_dl.spectra.table, "
        "georaster_dl.spectra.lwplsr, georaster_dl.spectra.resample, georaster_dl.spectra.networks, "
        "georaster_dl.spectra.comparison; "
        "print([name for name in ('torch', 'rasterio', 'chemotools') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
