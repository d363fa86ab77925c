"""Keyword arguments that the library's messages name, written as options of the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["with_options"]

_CODE = re.compile(r"`([^`]+)`")
_CALL = re.compile(r"(?P<function>[a-z_]+)\((?P<arguments>.*)\)")
_KEYWORD = re.compile(r"(?P<name>[a-z_.]+)=(?P<value>.*)")
_ON = ("", "True", "...")
_NAMES = {
    "class_name": "--class",
    "folder": "--directory",
    "for_": "--for",
    "level": "--sets",
    "predictor": "--uncertainty",
    "split.block": "--block",
    "split.buffer": "--buffer",
    "split.column": "--split-column",
    "split.kind": "--split",
    "start.freeze": "--freeze",
    "start.weights": "--init",
    "targets": "--target",
}
"""Options that are not spelt like the keyword."""
_NAMES_OF = {("calibrate", "predictor"): "--predictor"}
"""Options of single commands."""
_CALLS = {"list_models()": "geodl models list --architectures"}


def with_options(value: Any) -> Any:
    """Replace keyword arguments in a message, or in all texts of an event, by command-line options.

    ``georaster_dl.core.errors`` describes how messages name them. Quoted code of any other form
    stays as it is.
    """
    if isinstance(value, str):
        return _CODE.sub(lambda code: _as_command(code[1]) or code[0], value)
    if isinstance(value, Mapping):
        return {key: with_options(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_options(each) for each in value]
    return value


def _as_command(code: str) -> str | None:
    if code in _CALLS:
        return _CALLS[code]
    call = _CALL.fullmatch(code)
    arguments = call["arguments"] if call else code
    keywords = [_KEYWORD.fullmatch(each) for each in arguments.split(", ") if each or not call]
    function = call["function"] if call else ""
    options = [
        _option(keyword["name"], keyword["value"], function) for keyword in keywords if keyword
    ]
    if len(options) < len(keywords):
        return None
    return " ".join([f"geodl {call['function']}", *options] if call else options)


def _option(name: str, value: str, function: str) -> str:
    usual = _NAMES.get(name, f"-{'-' * (len(name) > 1)}{name.replace('_', '-')}")
    option = _NAMES_OF.get((function, name), usual)
    if value in _ON:
        return option
    text = value.strip("\"'")
    return f"{option} {text if ' ' not in text else value}"
