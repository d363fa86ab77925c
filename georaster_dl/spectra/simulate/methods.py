"""Methods of simulation by name, with the functions and options of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed, nearest_names

__all__ = ["METHODS", "Method", "check_options", "known_method"]


@dataclass(frozen=True)
class Method:
    """Method of simulation.

    Attributes
    ----------
    name : as it is asked for.
    function : ``module:name`` in this package, imported when it is used. Its keyword arguments but ``n``, ``seed`` and
        ``report`` are the method's options; it returns a ``Simulated``.
    summary : what it does, for the help page.
    from_library : whether it simulates from measured spectra, its first argument.
    """

    name: str
    function: str
    summary: str
    from_library: bool = True

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        found: Callable[..., Any] = getattr(import_module(f"{__package__}.{module}"), name)
        return found

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that are the method's own."""
        return tuple(
            name for name in self._keywords if name not in ("n", "seed", "bands", "report")
        )

    @property
    def reports(self) -> bool:
        """Whether it reports its progress."""
        return "report" in self._keywords

    @property
    def _keywords(self) -> tuple[str, ...]:
        parameters = inspect.signature(self.load()).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "mixtures",
            "mixtures:simulate_mixtures",
            "sums of library spectra with random shares",
        ),
        Method(
            "gaussian",
            "gaussian:simulate_gaussian",
            "draws from the normal distribution of each class",
        ),
        Method(
            "prospect",
            "plants.prospect:simulate_prospect",
            "leaves with their traits, by radiative transfer",
            from_library=False,
        ),
        Method(
            "prosail",
            "plants.prosail:simulate_prosail",
            "plants on soil with their leaf area index and traits, by radiative transfer",
            from_library=False,
        ),
        Method(
            "gan",
            "gan:simulate_gan",
            "a conditional generative adversarial network",
        ),
    )
}


def known_method(name: str) -> Method:
    """Return a method by its name.

    Raises
    ------
    OptionError
        When there is none of that name.
    """
    if name not in METHODS:
        raise OptionError(
            f"{name!r} is no method of simulation{nearest_names(name, METHODS)}; known are {listed(METHODS)}."
        )
    return METHODS[name]


def check_options(method: Method, given: Iterable[str]) -> None:
    """Refuse options that a method does not have; those that have them are named.

    Raises
    ------
    OptionError
        When it lacks one of them.
    """
    for name in given:
        if name in method.options:
            continue
        others = [other.name for other in METHODS.values() if name in other.options]
        cure = f"it is one of {listed(others)}" if others else "leave it out"
        raise OptionError(f"`{name}=` is no option of {method.name}; {cure}.")
