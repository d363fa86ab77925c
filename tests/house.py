"""Prints figures of the code: sizes, import circles, parameters, docstrings.

    python tests/house.py [FOLDER OF A CHECKOUT]

Lengths of functions are those from ``def`` to the last line.
"""

import ast
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = {  # name of a package: its folder in a checkout
    "georaster_dl": "georaster_dl",
    "geodl_cli": "cli",
    "georaster_dl_qgis": "georaster_dl_qgis",
}
MANY_PARAMETERS = 6
SMALL_MODULE = 60  # lines

# Words that hide the subject of a docstring's first line.
VAGUE_WORDS = {
    "a verb says what the function does": r"told|tells?",
    "name the thing": r"whoever|whom|who|what|whatever|such|nobody|theirs|ours",
    "state or place is meant": r"stands?|stood|lies?|laid|lay|alone|kept",
    "words of the field exist": r"demand|settled?|territor(?:y|ies)|accounts?",
    "ground truth and ground area only": r"grounds?(?! (?:truth|area|sampl|resol|dist))",
    "a pronoun in place of a noun": (
        r"ones|(?:the|every|each|any|another|no|which|this|that|like|of|as|from|to|by|is)"
        r" one(?!['\s-]*\w)|one (?:that|which|of|is|has|after|by)"
    ),
}
_VAGUE = re.compile(rf"\b(?:{'|'.join(VAGUE_WORDS.values())})\b", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@dataclass(frozen=True)
class Module:
    """A Python file of a package, parsed."""

    name: str
    path: Path

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def lines(self) -> int:
        return self.source.count("\n")

    @property
    def package(self) -> str:
        is_package = self.path.name == "__init__.py"
        return self.name if is_package else self.name.rpartition(".")[0]

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield every function with its name, that of its class included."""
        yield from _functions(self.tree, f"{self.name}:")

    def classes(self) -> list[ast.ClassDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    def imports(self, *, late: bool) -> Iterator[str]:
        """Yield the dotted names that are imported, for types only ones excepted."""
        for node in _nodes(self.tree, functions=late):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parents = self.package.split(".")[
                        : len(self.package.split(".")) - node.level + 1
                    ]
                    base = ".".join([*parents, base] if base else parents)
                yield from (f"{base}.{alias.name}" for alias in node.names)


def read_modules(checkout: Path, packages: list[str]) -> list[Module]:
    """Read every module of the packages in a checkout."""
    modules = []
    for package in packages:
        folder = checkout / PACKAGES[package]
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            modules.append(Module(name, path))
    return modules


def import_graph(modules: list[Module], *, late: bool) -> dict[str, set[str]]:
    """Map each module to those it imports, with ``late`` also those imported in functions."""
    names = {module.name for module in modules}

    def resolved(name: str) -> str | None:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name or None

    return {
        module.name: {
            found for name in module.imports(late=late) if (found := resolved(name)) is not None
        }
        - {module.name}
        for module in modules
    }


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """List the groups of modules that import each other, directly or through others."""
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def modules_by_folder(modules: list[Module]) -> Counter[Path]:
    """Count the modules of each folder, ``__init__`` included."""
    return Counter(module.path.parent for module in modules)


def vague_first_lines(module: Module) -> list[tuple[int, str]]:
    """List line and text of the docstrings whose first line hides its subject."""
    return [
        (getattr(node, "lineno", 1), first)
        for node in ast.walk(module.tree)
        if isinstance(node, Documented)
        and (text := ast.get_docstring(node))
        and _VAGUE.search(first := text.splitlines()[0])
    ]


def parameters(function: Function) -> list[ast.arg]:
    """List the parameters of a function, ``self`` and ``cls`` excepted."""
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return [argument for argument in named if argument.arg not in ("self", "cls")]


def length(function: Function) -> int:
    """Count the lines of a function from ``def`` to its end, docstring included."""
    return function.end_lineno - function.lineno + 1


def figures(checkout: Path, modules: list[Module]) -> dict[str, str]:
    """Measure modules; one text for each figure."""
    files = [module for module in modules if module.path.name != "__init__.py"]
    functions = [pair for module in modules for pair in module.functions()]
    classes = [node for module in modules for node in module.classes()]
    sizes = {module.name: module.lines for module in modules}
    lengths = {name: length(function) for name, function in functions}
    counts = {name: len(parameters(function)) for name, function in functions}
    arguments = [argument for _, function in functions for argument in parameters(function)]
    public = [node for module in modules for node in _public(module)]
    folders = {
        str(path.relative_to(checkout)): number
        for path, number in modules_by_folder(modules).items()
    }
    return {
        "modules": f"{len(modules)}",
        "lines": f"{sum(sizes.values())}",
        "lines of a module, median": f"{statistics.median(sizes.values()):.0f}",
        "lines of a module, most": _largest(sizes),
        "lines of a function, median": f"{statistics.median(lengths.values()):.0f}",
        "lines of a function, most": _largest(lengths),
        "modules of a folder, most": _largest(folders),
        "import circles, top level": f"{len(circles(import_graph(modules, late=False)))}",
        "import circles with late imports": f"{len(circles(import_graph(modules, late=True)))}",
        f"functions of more than {MANY_PARAMETERS} parameters": f"{sum(number > MANY_PARAMETERS for number in counts.values())}",
        "parameters of a function, most": _largest(counts),
        "classes": f"{len(classes)}",
        "classes of one method": f"{sum(_methods(node) == 1 for node in classes)}",
        f"modules under {SMALL_MODULE} lines": f"{sum(module.lines < SMALL_MODULE for module in files)} of {len(files)}",
        "public docstrings": _percent(bool(ast.get_docstring(node)) for node in public),
        "parameters annotated": _percent(node.annotation is not None for node in arguments),
        "vague first lines": f"{sum(len(vague_first_lines(module)) for module in modules)}",
    }


def main(checkout: Path) -> None:
    """Print a table: the library, and all packages."""
    library = read_modules(checkout, ["georaster_dl"])
    everything = read_modules(checkout, list(PACKAGES))
    tests = sum(path.read_text().count("\n") for path in (checkout / "tests").rglob("*.py"))
    print("| figure | georaster_dl | all packages |\n|---|---|---|")
    whole = figures(checkout, everything)
    for name, value in figures(checkout, library).items():
        print(f"| {name} | {value} | {whole[name]} |")
    ratios = [
        f"{tests / sum(module.lines for module in part):.2f}" for part in (library, everything)
    ]
    print(f"| lines of tests ({tests}) : of code | {' | '.join(ratios)} |")


def _public(module: Module) -> Iterator[Documented]:
    """Yield the module and its public functions, classes and methods."""
    yield module.tree
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                members = [child for child in node.body if isinstance(child, Function)]
                yield from (child for child in members if not child.name.startswith("_"))


def _methods(node: ast.ClassDef) -> int:
    return sum(isinstance(child, Function) for child in node.body)


def _largest(numbers: dict[str, int]) -> str:
    name = max(numbers, key=lambda key: numbers[key])
    return f"{numbers[name]} ({name})"


def _percent(flags: Iterator[bool]) -> str:
    values = list(flags)
    return f"{100 * sum(values) / len(values):.1f} %"


def _nodes(tree: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Yield the nodes below one, without blocks for type checkers."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, Function) and not functions:
            continue
        yield child
        yield from _nodes(child, functions=functions)


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(tree):
        named = isinstance(child, ast.ClassDef | Function)
        name = f"{prefix}{child.name}" if named else prefix
        if isinstance(child, Function):
            yield name, child
        yield from _functions(child, f"{name}." if named else prefix)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    stack = [start]
    while stack:
        for name in graph[stack.pop()] - seen:
            seen.add(name)
            stack.append(name)
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
