"""Pages of the commands, made of what ``--help`` shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click
from geodl_cli.main import geodl


def pages() -> dict[str, str]:
    """Markdown of each page by its name: ``geodl`` itself, and each command with its own commands."""
    top = click.Context(geodl, info_name="geodl", **geodl.context_settings)
    names = geodl.list_commands(top)
    table = "".join(f"| [geodl {name}]({name}.md) | {_short(geodl, name)} |\n" for name in names)
    start = f"{_page(geodl, top)}\n## Commands\n\n| | |\n|---|---|\n{table}"
    return {"geodl": start} | {name: "".join(_tree(_child(geodl, name, top), 1)) for name in names}


def _child(group: click.Group, name: str, context: click.Context) -> click.Context:
    command = group.commands[name]
    return click.Context(command, info_name=name, parent=context)


def _short(group: click.Group, name: str) -> str:
    return group.commands[name].get_short_help_str(limit=200)


def _tree(context: click.Context, level: int) -> Iterator[str]:
    yield _page(context.command, context, level)
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            yield from _tree(_child(context.command, name, context), level + 1)


def _page(command: click.Command, context: click.Context, level: int = 1) -> str:
    """Heading, usage, help and options of one command."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [param.get_help_record(context) for param in command.get_params(context)]
    options = "".join(
        f"`{names}`\n:   {plain(text)}\n\n" for names, text in filter(None, records) if text
    )
    return (
        f"{'#' * level} {context.command_path}\n\n```text\n{usage}\n```\n\n"
        f"{_markdown(command.help or '')}\n\n{options}"
    )


def _markdown(text: str) -> str:
    r"""The help text, in which ``\b`` begins a paragraph whose lines stay as they are."""
    paragraphs = cleandoc(text).split("\n\n")
    kept = re.compile(r"^\x08\n", re.MULTILINE)
    return "\n\n".join(
        f"```bash\n{kept.sub('', p)}\n```" if kept.match(p) else plain(p) for p in paragraphs
    )


def plain(text: str) -> str:
    """Text of click as Markdown: without tags, emphasis and links."""
    return re.sub(r"([\\<*_\[\]`])", r"\\\1", " ".join(text.split()))
