"""Hooks of MkDocs: pages that are made, and links that also hold where the files are read beside the code."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import cards
import commands
import notebooks
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = {  # files outside docs that are pages, or have one in their place
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^()\s#]+)(#[^()\s]*)?\)")
_SECTION = re.compile(r"^\[[^\]]*\]\(\.\./README\.md#([\w-]+)\)$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`")


def on_config(config: MkDocsConfig) -> None:
    """Make the pages, and list them where the navigation has ``folder/*``."""
    folders = {
        "commands": commands.pages(),
        "models": cards.pages(),
        "notebooks": notebooks.pages(),
    }
    config["made"] = {
        f"{f}/{name}.md": text for f, pages in folders.items() for name, text in pages.items()
    }
    config.nav = _listed(config.nav, list(config["made"]))


def _listed(entries: list[Any], made: list[str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            found += [{k: _listed(v, made) if isinstance(v, list) else v} for k, v in entry.items()]
        elif entry.endswith("/*"):
            found += [path for path in made if path.startswith(entry[:-1])]
        else:
            found.append(entry)
    return found


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are no files of docs."""
    for path, text in config["made"].items():
        files.append(File.generated(config, path, content=text))
    for source, path in OUTSIDE.items():
        if path not in files.src_uris:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / source)))


def on_page_markdown(markdown: str, page: Page, files: Files, **_others: object) -> str:
    """Put in the sections of the README that a page has, and lead links to pages of the site."""
    uri = page.file.src_uri
    source = next(
        (name for name, path in OUTSIDE.items() if path == uri != "index.md"), f"docs/{uri}"
    )

    def section(match: re.Match[str]) -> str:
        return _linked(readme_section(match[1]), "README.md", page, files)

    # A line that is nothing but a link to a section stands for the section.
    markdown = _linked(_SECTION.sub(section, markdown), source, page, files)
    # Code hosts want pipes in the code of tables escaped, Python's Markdown shows the escape.
    return _CODE.sub(lambda code: code[0].replace(r"\|", "|"), markdown)


def readme_section(anchor: str) -> str:
    """Text of a section of the README, without its heading."""
    _, *parts = re.split(
        r"^## (.+)\n", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    anchors = [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in parts[::2]]
    return dict(zip(anchors, parts[1::2], strict=True))[anchor].strip()


def _linked(markdown: str, source: str, page: Page, files: Files) -> str:
    """The text of a file of the repository, with links to pages, and names in place of links to other files."""

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if ":" in target or not (ROOT / path).exists():
            return match[0]
        if path not in OUTSIDE and not path.startswith("docs/"):
            return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"
        uri = OUTSIDE.get(path, path.removeprefix("docs/").replace(".ipynb", ".md"))
        file = files.get_file_from_path(uri)
        if text.endswith(".md") and file is not None and file.page is not None:
            text = file.page.title
        return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"

    return _LINK.sub(link, markdown)
