"""Groups of options whose values reach a command as one argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["option_group"]

F = TypeVar("F", bound=Callable[..., Any])


def option_group(
    argument: str, make: Callable[..., Any], *options: Callable[[Any], Any]
) -> Callable[[F], F]:
    """Make a decorator that adds options to a command and passes their values on as one argument.

    Parameters
    ----------
    argument : name of the command's argument.
    make : makes its value of the options' values, by their names, when the command is run.
    options : decorators of click, in the order of the help page.
    """
    names = [name for option in options for name in _names(option)]

    def add(command: F) -> F:
        @functools.wraps(command)
        def run(**values: Any) -> Any:
            made = make(**{name: values.pop(name) for name in names})
            return command(**values, **{argument: made})

        decorated: Any = run
        for option in reversed(options):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return add


def _names(option: Callable[[Any], Any]) -> list[str]:
    """Names under which an option gives its value."""

    def probe() -> None:
        """Take the option."""

    option(probe)
    parameters: list[click.Parameter] = probe.__click_params__  # type: ignore[attr-defined]
    return [each.name for each in parameters if each.name and each.expose_value]
