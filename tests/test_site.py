"""The documentation site leaves out no page, no public name, no command, and quotes messages that exist."""

import ast
import json
import re
import runpy
from pathlib import Path

import click
import yaml
from geodl_cli.main import geodl

import georaster_dl as gdl
from georaster_dl.models.package.file import builtin_models

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def made_by(name):
    return runpy.run_path(str(DOCS / "site" / f"{name}.py"))


def pages_of(navigation):
    for entry in navigation:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages_of(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = list(pages_of(settings["nav"]))
    assert len(set(listed)) == len(listed)
    assert {path.name for path in DOCS.glob("*.md")} - set(listed) == set()


def test_the_reference_names_what_is_public():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: georaster_dl\.(\w+)$", page, re.MULTILINE)) == sorted(
        gdl.__all__
    )


def commands(command, path):
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


def test_every_command_and_option_is_described():
    pages = made_by("commands")["pages"]()
    assert set(pages) == {"geodl", *geodl.commands}
    for path, command in commands(geodl, "geodl"):
        text = pages[(path.split() * 2)[1]]
        section = re.search(rf"^#+ {path}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)[1]
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert [option.opts for option in options if option.opts[-1] not in section] == []
        assert "\b" not in section
        assert section.count("```") % 2 == 0


def test_text_of_click_is_no_markdown():
    plain = made_by("commands")["plain"]
    assert plain("*_map.tif, [x](y) and <b>") == r"\*\_map.tif, \[x\](y) and \<b>"


def test_every_bundled_model_has_its_card():
    pages = made_by("cards")["pages"]()
    assert set(pages) == set(builtin_models())
    assert "| 9 | " in pages["s2-landcover"]
    assert "snow and ice" in pages["s2-landcover"]
    assert "[Method and accuracy](../s2-landcover.md)" in pages["s2-landcover"]


def test_notebooks_are_shown_with_their_outputs(tmp_path):
    outputs = [
        {"output_type": "stream", "name": "stderr", "text": ["a warning\n"]},
        {"output_type": "stream", "name": "stdout", "text": ["mean IoU 0.8\n"]},
        {"output_type": "execute_result", "data": {"text/plain": ["2"], "text/html": ["<b>2</b>"]}},
        {
            "output_type": "display_data",
            "data": {"text/plain": ["<Figure>"], "image/png": "iVBO\n"},
        },
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# A map\n", "of a scene"]},
        {"cell_type": "code", "source": ["1 + 1"], "outputs": outputs},
    ]
    notebook = tmp_path / "one.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    assert made_by("notebooks")["page"](notebook) == (
        "# A map\nof a scene\n\n```python\n1 + 1\n```\n\n```text\nmean IoU 0.8\n```\n\n"
        '<div class="output">\n<b>2</b>\n</div>\n\n'
        '<div class="output"><img alt="" src="data:image/png;base64,iVBO"></div>\n'
    )


def test_descriptions_of_docstrings_are_no_types():
    numpydoc = made_by("docstrings")["numpydoc"]
    given = "Do it.\n\nParameters\n----------\nrows, cols : of a\n    window.\n**more : others.\n\nReturns\n-------\nThe sum."
    wanted = (
        "Do it.\n\nParameters\n----------\nrows\n    of a\n    window.\ncols\n    of a\n    window.\n"
        "**more\n    others.\n\nReturns\n-------\n:\n    The sum."
    )
    assert numpydoc(given) == wanted


def test_public_names_in_docstrings_are_links():
    numpydoc = made_by("docstrings")["numpydoc"]
    given = "As ``segment`` has it: as ``segment`` takes it, of ``RunKeywords``, ``Nothing`` and ``features``."
    wanted = (
        "As ``segment`` has it: as [`segment`][georaster_dl.segment] takes it, of "
        "[`RunKeywords`][georaster_dl.RunKeywords], ``Nothing`` and ``features``."
    )
    assert numpydoc(given) == wanted


def texts_of_the_code():
    """Every text of the code, with NUL for what is put in."""
    for package in ("georaster_dl", "cli", "georaster_dl_qgis"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        getattr(part, "value", "\0") if isinstance(part, ast.Constant) else "\0"
                        for part in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_messages_that_are_explained_exist():
    quotes = re.findall(
        r"^> (.+)", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    code = "\n".join(re.sub(r"`(\w+)=[^`]*`", r"`--\1`", text) for text in texts_of_the_code())
    pieces = [
        piece for quote in quotes for piece in quote.split("…") if len(piece.strip(" .;:,")) > 3
    ]
    assert len(pieces) > 20
    assert [piece for piece in pieces if piece.strip() not in code] == []
