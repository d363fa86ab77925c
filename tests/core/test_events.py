"""The protocol of events: dataclasses, docs/events.md and the plugin's reader agree."""

import ast
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from georaster_dl.core import events
from georaster_dl.core.events import (
    Event,
    Finished,
    SceneEnded,
    Started,
    TrainingProgressed,
    Warned,
)

ROOT = Path(__file__).parents[2]
FEEDBACK = ROOT / "georaster_dl_qgis" / "results" / "feedback.py"
ROW = re.compile(r"^\| (?P<keys>\[?`.*?) \| (?P<type>\w+) \|", re.MULTILINE)
JSON_TYPES = {
    str: "string", int: "number", float: "number", bool: "boolean", Mapping: "object", Sequence: "array",
}  # fmt: skip
RESULTS = {
    "pixels", "classes", "values", "metrics", "scores", "device", "folds", "transitions", "comparison", "suspects",
    "labels", "pairs",
}  # fmt: skip
"""Keys of ``done`` that hang on the command."""


def subclasses(kind):
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def json_type(hint):
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return JSON_TYPES[typing.get_origin(hint) or hint]


def optional(field, hint):
    return field.default is not MISSING or type(None) in typing.get_args(hint)


def schema():
    """Of each event: the type of every key, and the keys that are always there."""
    keys, required = {}, {}
    for kind in subclasses(Event):
        hints = typing.get_type_hints(kind)
        own = [field for field in fields(kind) if field.name != "results"]
        keys.setdefault(kind.kind, {}).update((f.name, json_type(hints[f.name])) for f in own)
        always = {field.name for field in own if not optional(field, hints[field.name])}
        required[kind.kind] = required.get(kind.kind, always) & always
    return keys, required


def documented():
    text = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    keys, required = {}, {}
    for section in text.split("\n## ")[2:]:
        name = section.split("\n")[0]
        keys[name], required[name] = {}, set()
        for row in ROW.finditer(section):
            for bracket, key in re.findall(r"(\[?)`(\w+)`", row["keys"]):
                keys[name][key] = row["type"]
                if not bracket:
                    required[name].add(key)
    return keys, required


def test_every_event_is_documented_with_its_keys():
    keys, required = schema()
    in_docs, always = documented()
    assert in_docs == keys
    assert always == required


def read_by_the_plugin():
    """Keys that the plugin's reader takes from each event, by its methods ``_event(self, facts)``."""
    tree = ast.parse(FEEDBACK.read_text(encoding="utf-8"))
    reader = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    for method in reader.body:
        if isinstance(method, ast.FunctionDef) and [a.arg for a in method.args.args][1:] == [
            "facts"
        ]:
            yield method.name.removeprefix("_"), set(_keys(method))


def _keys(method):
    for node in ast.walk(method):
        match node:
            case ast.Subscript(value=ast.Name("facts"), slice=ast.Constant(key)):
                yield key
            case ast.Call(
                func=ast.Attribute(ast.Name("facts"), "get"), args=[ast.Constant(key), *_]
            ):
                yield key


def test_the_plugin_reads_keys_that_exist():
    keys, _ = schema()
    read = dict(read_by_the_plugin())
    assert {"model", "start", "progress", "epoch", "scene", "warning", "done"} <= read.keys()
    for event, of_event in read.items():
        assert of_event
        assert of_event <= keys[event].keys() | (RESULTS if event == "done" else set()), event


def test_every_event_has_a_name_and_is_public():
    for kind in subclasses(Event):
        assert kind.kind
        assert kind.__name__ in events.__all__


def test_json():
    assert Started("cpu").to_json() == {"event": "start", "level": "info", "device": "cpu"}
    assert "score" not in TrainingProgressed(1, 2, 3.0, 0.5).to_json()
    done = Finished(["a.tif"], {}, [], results={"classes": {"water": 1}, "accuracy": None})
    assert json.loads(json.dumps(done.to_json())) == {
        "event": "done", "level": "info", "outputs": ["a.tif"], "sidecars": {}, "failed": [],
        "classes": {"water": 1}, "accuracy": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (Warned("x"), "warning"),
        (events.Failed("x"), "error"),
        (SceneEnded("a", "", again=False, ended=1, scenes=1), "info"),
        (SceneEnded("a", "x", again=True, ended=0, scenes=1), "warning"),
        (SceneEnded("a", "x", again=False, ended=1, scenes=1), "error"),
    ],
)
def test_levels(event, level):
    assert event.to_json()["level"] == level
