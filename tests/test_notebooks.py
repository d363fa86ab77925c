"""Notebooks run from the first cell to the last, and are small with a picture each."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, tmp_path, monkeypatch):
    """In a copy of its folder, beside the sample scenes; an error in a cell is an error here."""
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))
    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "sample_tiles").symlink_to(ROOT / "sample_tiles")
    notebook = nbformat.read(shutil.copy(path, folder), as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    assert pictures(notebook) == pictures(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_saved_with_its_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert pictures(notebook) >= 1
    assert path.stat().st_size < 2**20
    texts = [str(output) for cell in cells for output in cell.outputs]
    assert not any("Traceback" in text or "/home/" in text for text in texts)


def pictures(notebook):
    """Number of outputs with a picture."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum(
        "image/png" in output.get("data", {}) or "data:image/png" in str(output)
        for output in outputs
    )
