"""The plugin needs nothing but Python 3.9 and QGIS."""

import ast
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "georaster_dl_qgis"
MODULES = sorted(FOLDER.rglob("*.py"))
WITHOUT_QGIS = ("__init__", "runner", "installation")  # what needs no more than Python


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_the_standard_library_and_qgis_alone(module):
    names = set(imported(ast.parse(module.read_text(encoding="utf-8"), feature_version=(3, 9))))
    of_qgis = names - set(sys.stdlib_module_names)
    assert of_qgis <= {"qgis", "processing", FOLDER.name}  # the second is a part of QGIS
    if module.stem in WITHOUT_QGIS:
        assert of_qgis <= {FOLDER.name}


def test_there_are_modules():
    assert {"runner", "provider", "segment"} <= {path.stem for path in MODULES}
