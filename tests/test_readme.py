"""The README's Python runs as it stands."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks
    (tmp_path / "sample_tiles").symlink_to(ROOT / "sample_tiles")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "'water'" in capsys.readouterr().out
    assert (tmp_path / "east.tif").exists()


def test_every_file_it_names_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
