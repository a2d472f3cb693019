"""The arrows of the house run downward only; this reads the imports of every file and holds them to it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "perijove": ROOT / "server_ext/perijove",
    "perijove_server": ROOT / "server_ext/perijove_server",
    "perijove_hub": ROOT / "hub_ext/perijove_hub",
    "perijove_demo": ROOT / "demo/perijove_demo",
}
LONGEST_FILE_LINES = 450

FLOORS = [
    {"policy", "logs", "metrics", "__init__"},
    {"ledger", "placement", "catalogue", "sites"},
    {"admission", "datastore", "classroom"},
    {
        "web",
        "controller",
        "spawner",
        "spawning",
        "hub",
        "dask",
        "authenticator",
        "cli",
        "cli_explain",
        "cli_ledger",
        "__main__",
    },
]
#: The rooms of one floor that may not even look at their neighbours.
STRANGERS = {("ledger", "placement"), ("placement", "ledger"), ("sites", "ledger")}
#: The command's one door up to the demo, opened only when somebody asks for it.
DOORS = {("perijove_hub.cli", "perijove_demo.main")}


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            yield ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts), path


def imports_of(name: str, path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, under its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                inside = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*inside[: len(inside) - node.level + 1], *([base] if base else [])])
            # `from perijove_hub import web` names the module in the list
            yield from (f"{base}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


EDGES = sorted({(name, target) for name, path in modules() for target in imports_of(name, path)})


def edges(source: str, target: str) -> list[tuple[str, str]]:
    return [
        (importer, imported)
        for importer, imported in EDGES
        if importer.split(".")[0] == source and imported.split(".")[0] == target
    ]


def test_every_package_is_looked_at() -> None:
    assert {name.split(".")[0] for name, _ in modules()} == set(PACKAGES)
    assert len(edges("perijove_hub", "perijove_hub")) > 50


def test_every_room_has_a_floor() -> None:
    homeless = {room(name) for name, _ in modules() if name.startswith("perijove_hub.")} - set().union(*FLOORS)
    assert homeless == set(), "say in FLOORS where the new room is"


def test_the_hub_imports_downward_only() -> None:
    upward = [
        (importer, imported)
        for importer, imported in edges("perijove_hub", "perijove_hub")
        if room(imported) in set().union(*FLOORS) and floor(room(imported)) > floor(room(importer))
    ]
    assert upward == []


def test_strangers_do_not_know_each_other() -> None:
    acquainted = [edge for edge in edges("perijove_hub", "perijove_hub") if (room(edge[0]), room(edge[1])) in STRANGERS]
    assert acquainted == []


@pytest.mark.parametrize("light", ["perijove", "perijove_server"])
@pytest.mark.parametrize("heavy", ["perijove_hub", "perijove_demo"])
def test_the_light_side_speaks_http(light: str, heavy: str) -> None:
    assert edges(light, heavy) == []


def test_what_users_import_does_not_need_the_server_extension() -> None:
    assert edges("perijove", "perijove_server") == []


def test_the_hub_takes_only_models_names_and_rules_of_addresses_from_the_light_side() -> None:
    assert edges("perijove_hub", "perijove_server") == []
    # the names of the settings with which a scheduler tells a gateway how it is, where strangers may send us, and which
    # keys of a store paths stand for
    light = ("perijove.models.", "perijove.dask_settings.", "perijove.places.", "perijove.keys.")
    others = [edge for edge in edges("perijove_hub", "perijove") if not edge[1].startswith(light)]
    assert others == []


def test_nothing_stands_on_the_demo() -> None:
    upward = [edge for package in set(PACKAGES) - {"perijove_demo"} for edge in edges(package, "perijove_demo")]
    assert {(importer, imported.rpartition(".")[0]) for importer, imported in upward} <= DOORS


def test_the_wire_models_need_nothing_of_ours() -> None:
    needed = {
        imported.split(".")[0]
        for importer, imported in EDGES
        if f"{importer}.".startswith("perijove.models.") and not f"{imported}.".startswith("perijove.models.")
    }
    assert needed - set(sys.stdlib_module_names) == {"pydantic"}


def test_placement_is_pure() -> None:
    needed = {imported.split(".")[0] for importer, imported in EDGES if importer.startswith("perijove_hub.placement")}
    assert needed - set(sys.stdlib_module_names) == {"perijove", "perijove_hub"}
    assert needed.isdisjoint({"asyncio", "datetime", "os", "pathlib", "random", "socket", "time"})


def test_no_file_is_too_long_to_read() -> None:
    long = {
        str(path): lines for _, path in modules() if (lines := len(path.read_text().splitlines())) > LONGEST_FILE_LINES
    }
    assert long == {}
