"""``geodl completion``: print a script for shell completion of commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete geodl: commands, options, models, files.

    For every new shell:

    \b
    echo 'eval "$(geodl completion bash)"' >> ~/.bashrc
    echo 'eval "$(geodl completion zsh)"' >> ~/.zshrc        # behind compinit
    geodl completion fish > ~/.config/fish/completions/geodl.fish
    """
    kind: type[ShellComplete] | None = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "geodl", "_GEODL_COMPLETE").source())
