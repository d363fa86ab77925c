"""Tables are read and predicted by classic methods without torch."""

import subprocess
import sys


def test_no_torch():
    code = (
        "import sys, georaster_dl.spectra.methods.tuning, georaster_dl.spectra.table.samples, "
        "georaster_dl.spectra.methods.lwplsr, georaster_dl.spectra.table.resample, georaster_dl.spectra.network.networks, "
        "georaster_dl.spectra.compare; "
        "print([name for name in ('torch', 'rasterio', 'chemotools') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
