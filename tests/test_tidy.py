"""The style and the layers of this tree, as tests over its files. Ruff and mypy run elsewhere."""

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
THIS = "tests/test_tidy.py"

MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 70

# Where each layer is, and what of ours it may import (DESIGN section 3).
LAYERS: dict[str, tuple[str, ...]] = {
    "wire/roamwire/": ("roamwire",),
    "firmware/dtu/core/": ("roamwire", "dtu.core"),
    "firmware/dtu/drivers/": ("roamwire", "dtu.core", "dtu.drivers"),
    "firmware/dtu/app/": ("roamwire", "dtu"),
    "server/sessionhost/core/": ("roamwire", "sessionhost.core"),
    "server/sessionhost/adapters/": ("roamwire", "sessionhost.core", "sessionhost.adapters"),
    "server/sessionhost/app/": ("roamwire", "sessionhost"),
    "image-build/imagebuild/": ("imagebuild",),
    "tools/roamtools/": ("roamwire", "dtu", "sessionhost", "roamtools"),
}
OURS = ("roamwire", "dtu", "sessionhost", "imagebuild", "roamtools")
PURE = ("wire/roamwire/", "firmware/dtu/core/", "server/sessionhost/core/")

# What pure code may import of the standard library: nothing that reads a clock, a file, a socket or
# the system's randomness. `random` is there for the type of a generator that is handed in.
PURE_LIBRARY = {
    "abc", "ast", "base64", "binascii", "bisect", "collections", "collections.abc", "contextlib",
    "copy", "dataclasses", "difflib", "enum", "functools", "hashlib", "heapq", "hmac", "ipaddress",
    "itertools", "json", "math", "operator", "random", "re", "shlex", "string", "struct",
    "textwrap", "tomllib", "types", "typing", "unicodedata", "urllib.parse", "zlib",
}  # fmt: skip
# What is more for some of it; the first that fits counts. `ctypes` binds libturbojpeg.
PURE_THIRD_PARTY = {
    "firmware/dtu/core/rfb/turbojpeg.py": {"ctypes"},
    "firmware/dtu/core/rfb/": {"numpy"},
}
IMPURE_CALLS = {"open", "print", "input", "breakpoint", "exec", "eval"}

# Libraries that one file alone may import, so that one file changes when they do.
ONE_FILE = ("smartcard", "evdev", "pyudev", "pygame")
ONE_FILE_A_SIDE = ("zeroconf",)

UNITS = ("_s", "_ms", "_us", "_ns", "_hz")
COUNTS = ("_rounds", "_times", "_tries", "_count", "_factor", "_share")


@dataclass(frozen=True)
class Module:
    """One Python file of the tree."""

    name: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @functools.cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full name of everything imported; `from a import b` gives a.b."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = ("." * node.level) + (node.module or "")
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


@functools.cache
def files() -> tuple[str, ...]:
    """Every file that is in the repository or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    names = {name for name in listed.decode().split("\0") if name}
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@functools.cache
def modules() -> tuple[Module, ...]:
    names = [name for name in files() if name.endswith(".py")]
    return tuple(Module(name, (ROOT / name).read_text(encoding="utf-8")) for name in names)


def product() -> list[Module]:
    return [module for module in modules() if not module.name.startswith("tests/")]


def texts() -> Iterator[tuple[str, int, str]]:
    """Name, line number and line of every text file but this one."""
    for name in files():
        if name in (THIS, "LICENSE"):
            continue
        data = (ROOT / name).read_bytes()
        if b"\0" not in data:
            for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
                yield name, number, line


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def none(problems: list[str]) -> None:
    if problems:
        pytest.fail("\n" + "\n".join(problems), pytrace=False)


def test_a_module_says_what_it_is_in_its_first_line():
    none(
        [
            f"{module.name}: the first line must be a docstring that says what the module is"
            for module in modules()
            if module.text.strip() and not re.match(r'r?"""\S.*[.?!:]', module.text.split("\n")[0])
        ]
    )


def test_modules_and_functions_are_short():
    problems = []
    for module in modules():
        lines = module.text.count("\n")
        if lines > MAX_MODULE_LINES:
            problems.append(f"{module.name}: {lines} lines; {MAX_MODULE_LINES} are the most")
        for node in module.functions():
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                problems.append(
                    f"{module.name}:{node.lineno}: {node.name} has {length} lines; "
                    f"{MAX_FUNCTION_LINES} are the most"
                )
    none(problems)


def test_imports_go_one_way():
    problems = []
    for module in product():
        allowed = next((v for k, v in LAYERS.items() if module.name.startswith(k)), None)
        for line, name in module.imports():
            if name.startswith("."):
                problems.append(f"{module.name}:{line}: write imports in full, not relative")
            elif allowed is not None and within(name, OURS) and not within(name, allowed):
                problems.append(f"{module.name}:{line}: this layer must not import {name}")
    none(problems)


def test_every_module_is_in_a_layer():
    places = (*LAYERS, "firmware/dtu/__init__", "server/sessionhost/__init__", "hw/", "tests/")
    none(
        [
            f"{module.name}: no layer is here; LAYERS in {THIS} has none for it"
            for module in modules()
            if not module.name.startswith(places)
        ]
    )


def test_pure_code_stays_pure():
    problems = []
    for module in product():
        if not module.name.startswith(PURE):
            continue
        extra = next((v for k, v in PURE_THIRD_PARTY.items() if module.name.startswith(k)), set())
        for line, name in module.imports():
            if not (_pure_name(name) or within(name, OURS) or within(name, tuple(extra))):
                problems.append(f"{module.name}:{line}: pure code must not import {name}")
        problems += [f"{module.name}:{line}: {words}" for line, words in _impure_uses(module)]
    none(problems)


def _pure_name(name: str) -> bool:
    return name in PURE_LIBRARY or name.rpartition(".")[0] in PURE_LIBRARY


def _impure_uses(module: Module) -> Iterator[tuple[int, str]]:
    annotated = {"Random"}
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "random" and node.attr not in annotated:
                yield node.lineno, f"random.{node.attr}: take a generator as an argument"
        elif isinstance(node, ast.ImportFrom) and node.module == "random":
            yield node.lineno, "write `import random`; only its type Random may be used"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in IMPURE_CALLS or called == "random.Random":
                yield node.lineno, f"pure code must not call {called}"


@pytest.mark.parametrize("library", ONE_FILE)
def test_a_hardware_library_is_imported_in_one_file(library):
    importers = _importers(library, "")
    assert len(importers) <= 1, f"{library} is imported by {', '.join(importers)}"


@pytest.mark.parametrize("library", ONE_FILE_A_SIDE)
@pytest.mark.parametrize("side", ["firmware/", "server/"])
def test_a_network_library_is_imported_in_one_file_a_side(library, side):
    importers = _importers(library, side)
    assert len(importers) <= 1, f"{library} is imported by {', '.join(importers)}"


def _importers(library: str, side: str) -> list[str]:
    return [
        module.name
        for module in product()
        if module.name.startswith(side)
        and any(within(name, (library,)) for _, name in module.imports())
    ]


def test_everything_is_annotated():
    problems = []
    for module in product():
        for node in module.functions():
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            every += [arg for arg in (node.args.vararg, node.args.kwarg) if arg]
            bare = [a.arg for a in every if a.annotation is None and a.arg not in ("self", "cls")]
            if bare or node.returns is None:
                missing = ", ".join(bare) or "the result"
                problems.append(f"{module.name}:{node.lineno}: {node.name}: annotate {missing}")
    none(problems)


def test_intervals_carry_their_unit_and_their_relations():
    problems = []
    for module in product():
        if not module.name.endswith("/timing.py"):
            continue
        for line, name in _numbers(module.tree):
            if not name.lower().endswith(UNITS + COUNTS):
                problems.append(f"{module.name}:{line}: {name} must end in one of {UNITS + COUNTS}")
        if not any(
            isinstance(node, ast.Assert | ast.If) and node in module.tree.body
            for node in module.nodes
        ):
            problems.append(f"{module.name}: says nothing of how its intervals relate")
    none(problems)


def _numbers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names of numeric constants and of numeric dataclass fields."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.BinOp):
            for target in node.targets:
                if isinstance(target, ast.Name) and not isinstance(_constant(node.value), str):
                    yield node.lineno, target.id
        elif isinstance(node, ast.ClassDef):
            for field in node.body:
                if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                    continue
                if ast.unparse(field.annotation) in ("float", "int"):
                    yield field.lineno, field.target.id


def _constant(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def test_tests_of_pure_code_neither_sleep_nor_connect():
    outside = ("tests/system/", "tests/bench/", "tests/qemu/", "tests/test_hygiene.py", THIS)
    problems = []
    for module in modules():
        if not module.name.startswith("tests/") or module.name.startswith(outside):
            continue
        if "pytestmark = pytest.mark.system" in module.text:
            continue
        for node in module.nodes:
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("time.sleep", "socket.socket", "socket.create_connection"):
                problems.append(f"{module.name}:{node.lineno}: {called} belongs in tests/system")
            elif called.startswith("subprocess."):
                problems.append(f"{module.name}:{node.lineno}: processes belong in tests/system")
    none(problems)


def test_nothing_is_left_for_later():
    later = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    none([f"{name}:{number}: {line}" for name, number, line in texts() if later.search(line)])


def test_nothing_names_a_machine():
    # Folders of whoever wrote this, and package indexes that others cannot reach.
    machine = re.compile(
        r"(?<![\w.])/(?:work|root/\.|opt/(?:pypi|wheels))\b|--(?:extra-)?index-url|--find-links"
    )
    none([f"{name}:{number}: {line}" for name, number, line in texts() if machine.search(line)])


def test_lines_end_as_unix_lines_do():
    problems = []
    for name in files():
        data = (ROOT / name).read_bytes()
        if b"\0" in data or not data:
            continue
        if b"\r" in data and not name.startswith("tests/vectors/"):
            problems.append(f"{name}: has carriage returns")
        if not data.endswith(b"\n") and not name.startswith("tests/vectors/"):
            problems.append(f"{name}: does not end in a newline")
    none(problems)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_every_top_level_folder_is_explained(page):
    folders = {name.split("/")[0] for name in files() if "/" in name}
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = sorted(folder for folder in folders if f"`{folder}/" not in text)
    assert not missing, f"{page} says nothing about {missing}"


@pytest.mark.parametrize(
    "line",
    [
        "import random\nrandom.random()",
        "import random\nrandom.Random(1)",
        "from random import random",
        "open('x')",
        "print()",
    ],
)
def test_the_rule_on_purity_bites(line):
    assert list(_impure_uses(Module("wire/roamwire/x.py", line)))


@pytest.mark.parametrize(
    "name", ["time", "os.path", "datetime.datetime", "logging", "asyncio.sleep"]
)
def test_the_rule_on_pure_imports_bites(name):
    assert not _pure_name(name)
