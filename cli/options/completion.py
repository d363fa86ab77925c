"""Shell completion of arguments and options that are more than paths."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ["complete_files", "complete_models"]


def complete_files(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a path, for values that may also be something other than a file."""
    return [CompletionItem(incomplete, type="file")]


def complete_models(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a bundled model, or the path of a model file."""
    from georaster_dl.models.package.file import builtin_models

    names = [name for name in builtin_models() if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *map(CompletionItem, names)]
