from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from perijove_hub import __version__
from perijove_hub.cli import main
from perijove_hub.policy import Platform, load_platform
from perijove_hub.policy.sites import AnySite
from tests.support.platforms import SMALL_FILE

EXAMPLE = Path(__file__).resolve().parents[3] / "perijove.example.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def used_keys(model: BaseModel, used: dict[type[BaseModel], set[str]]) -> None:
    """Which keys of which models a document has set."""
    used.setdefault(type(model), set()).update(model.model_fields_set)
    for name in model.model_fields_set:
        value = getattr(model, name)
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for part in parts:
            if isinstance(part, BaseModel):
                used_keys(part, used)


def test_the_example_is_good_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "check", EXAMPLE)
    version = load_platform(EXAMPLE).version
    assert (code, err) == (0, "")
    assert out == f"{EXAMPLE}: good. 3 sites, 2 profiles, 9 quotas, 1 allocation, 2 datasets; version {version}.\n"


def test_the_example_shows_every_key_there_is() -> None:
    used: dict[type[BaseModel], set[str]] = {}
    used_keys(load_platform(EXAMPLE), used)
    # what all kinds of sites have is shown with the first of them
    shown = set(AnySite.model_fields)
    missing = {model.__name__: set(model.model_fields) - keys for model, keys in used.items()}
    missing["KubernetesSite"] -= shown
    # a remark: it cannot stand beside what an ingress controller needs
    missing["IngressEdge"].remove("gateway")
    assert missing == {model.__name__: set() for model in used}
    assert len(used) == 26


def test_every_key_of_the_example_has_a_remark_near_it() -> None:
    assert sum("#" in line for line in EXAMPLE.read_text().splitlines()) > 40


def test_a_wrong_file_is_told_line_by_line_and_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SMALL_FILE.replace("cpu: 8", "cpu: 0") + "colour: red\n")
    assert run(capsys, "check", path) == (
        2,
        "",
        f"{path}:6: sites.esac.capacity.cpu: Input should be greater than 0\n{path}:9: colour: unknown key\n",
    )


def test_a_file_that_is_not_there_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.yaml"
    assert run(capsys, "check", path) == (2, "", f"{path}: cannot be read: No such file or directory\n")


def test_the_schema_is_json_schema_that_knows_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema")
    schema = json.loads(out)
    assert code == 0
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["sites", "profiles"]
    assert set(schema["properties"]) == set(Platform.model_fields)
    references = {part.split('"')[0] for part in out.split('"#/$defs/')[1:]}
    assert references <= set(schema["$defs"])


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["control", "--help"], ["--version"]])
def test_help_and_version_end_well(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out == f"perijove {__version__}\n" if arguments == ["--version"] else "perijove" in out


@pytest.mark.parametrize("arguments", [[], ["chekc", "x"], ["check"], ["demo", "--port", "x"], ["control"]])
def test_a_wrong_command_ends_with_two_and_a_usage_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: perijove")
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["control", "controller"])
@pytest.mark.parametrize(
    ("database", "sentence"),
    [
        ("nonsense", "perijove: the database address cannot be used: "),
        ("sqlite:///x.db", "perijove: the ledger is kept in SQLite or PostgreSQL, not in sqlite: use "),
        ("sqlite+aiosqlite:////no/such/folder/x.db", "perijove: /no/such/folder/x.db.{role}.lock cannot be opened: "),
    ],
)
def test_a_service_that_cannot_have_its_database_says_why_in_one_sentence(
    command: str,
    database: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    service_environment: None,
) -> None:
    platform, secrets = write_platform(tmp_path)
    arguments = [command, "--platform", platform, "--database", database]
    code, _, err = run(capsys, *arguments, *(["--secrets-dir", secrets] if command == "control" else []))
    assert code == 2
    assert err.startswith(sentence.format(role=command))
    assert err.count("\n") == 1


def test_control_without_its_secret_says_which_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], service_environment: None
) -> None:
    platform, secrets = write_platform(tmp_path)
    (secrets / "hub-to-control").unlink()
    database = f"sqlite+aiosqlite:///{tmp_path}/c.db"
    code, _, err = run(capsys, "control", "--platform", platform, "--database", database, "--secrets-dir", secrets)
    assert (code, err) == (2, f"perijove: secret 'hub-to-control' cannot be read from {secrets}\n")


def write_platform(directory: Path) -> tuple[Path, Path]:
    platform, secrets = directory / "p.yaml", directory / "secrets"
    platform.write_text(SMALL_FILE)
    secrets.mkdir()
    (secrets / "hub-to-control").write_text("canary")
    (secrets / "hub-to-control").chmod(0o600)
    return platform, secrets


@pytest.fixture
def service_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # the commands take over the process's logs and are children of a hub
    monkeypatch.setattr("perijove_hub.logs.configure_logs", lambda process: None)
    monkeypatch.setenv("JUPYTERHUB_API_URL", "http://127.0.0.1:9/hub/api")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "none")
    monkeypatch.setenv("JUPYTERHUB_CLIENT_ID", "service-perijove")
