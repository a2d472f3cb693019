from __future__ import annotations

from pathlib import Path

import pytest

from perijove_hub.policy.secrets import SecretError, Secrets

CANARY = "canary-5d1f"
KEY = f'{{"access_key_id": "reader", "secret_access_key": "{CANARY}"}}'


def write(directory: Path, text: str, mode: int = 0o600) -> Secrets:
    path = directory / "store"
    path.write_text(text)
    path.chmod(mode)
    return Secrets(directory)


def refusal(secrets: Secrets, name: str = "store", *, key: bool = False) -> str:
    with pytest.raises(SecretError) as caught:
        secrets.access_key(name) if key else secrets.text(name)
    assert CANARY not in str(caught.value)
    assert CANARY not in str(caught.value.__cause__)
    assert caught.value.__context__ is None or caught.value.__suppress_context__ or caught.value.__cause__ is not None
    return str(caught.value)


def test_a_secret_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    assert write(tmp_path, f"{CANARY}\n").text("store") == CANARY


def test_a_rotated_secret_counts_at_once(tmp_path: Path) -> None:
    secrets = write(tmp_path, "old")
    assert secrets.text("store") == "old"
    write(tmp_path, "new")
    assert secrets.text("store") == "new"


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o620, 0o666])
def test_a_secret_that_others_may_read_or_change_is_refused(mode: int, tmp_path: Path) -> None:
    assert refusal(write(tmp_path, CANARY, mode)) == (
        f"secret 'store' is open to other accounts: chmod 600 {tmp_path / 'store'}"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_a_mounted_secret_may_be_readable_by_the_group_of_the_service(mode: int, tmp_path: Path) -> None:
    assert write(tmp_path, CANARY, mode).text("store") == CANARY


def test_a_missing_or_empty_secret_is_named(tmp_path: Path) -> None:
    assert refusal(Secrets(tmp_path)) == f"secret 'store' cannot be read from {tmp_path}"
    assert refusal(write(tmp_path, " \n")) == f"secret 'store' in {tmp_path} is empty"
    (tmp_path / "folder").mkdir()
    assert refusal(Secrets(tmp_path), "folder") == f"secret 'folder' cannot be read from {tmp_path}"


@pytest.mark.parametrize("name", ["../store", "a/b", "", "Store", ".hidden", "store\n"])
def test_a_name_cannot_lead_out_of_the_directory(name: str, tmp_path: Path) -> None:
    assert "is no name of a secret" in refusal(Secrets(tmp_path), name)


def test_an_access_key_is_read_and_not_shown(tmp_path: Path) -> None:
    key = write(tmp_path, KEY).access_key("store")
    assert (key.access_key_id, key.secret_access_key) == ("reader", CANARY)
    assert CANARY not in repr(key)


@pytest.mark.parametrize(
    "text", [CANARY, f'{{"secret_access_key": "{CANARY}"}}', KEY.replace("}", ', "more": 1}'), "[]"]
)
def test_what_is_no_access_key_is_told_without_its_value(text: str, tmp_path: Path) -> None:
    assert refusal(write(tmp_path, text), key=True).startswith("secret 'store' must be JSON: ")
