from __future__ import annotations

import itertools
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.control import TOKEN, FakeControl
from tests.support.fits import header_bytes, image_cards
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

from .conftest import Dataset, MakeDataset

ROUTES = ["datasets", "datasets/x", "datasets/x/tree", "datasets/x/file?path=a", "datasets/x/preview?path=a"]
ROUTES += ["datasets/x/preview/image?path=a", "datasets/x/snippet", "usage", "notices", "leases", "anything"]
ROUTES += ["dask/gateways", "dask/clusters", "dask/clusters/x/y"]
ROUTES += [f"dask/clusters/x/y/{name}" for name in ("plots", "snippet", "dashboard/status")]
CHANGES = [
    "keep",
    "dask/clusters",
    "dask/estimates",
    *(f"dask/clusters/x/y/{name}" for name in ("scale", "adapt", "keep")),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}, {"Authorization": f"token {TOKEN}"}])
def test_without_this_servers_token_nothing_is_told(server: JupyterServer, route: str, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{server.url}perijove/{route}", headers=headers)

    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    for change in CHANGES:
        assert httpx.post(f"{server.url}perijove/{change}", headers=headers, json={"minutes": 30}).status_code == 403


def test_a_cookie_without_the_xsrf_token_may_not_post(server: JupyterServer) -> None:
    with httpx.Client(follow_redirects=True) as browser:
        browser.get(server.url, params={"token": SERVER_TOKEN})
        assert browser.get(f"{server.url}perijove/usage").status_code == 200

        for route, mode in itertools.product([*ROUTES, *CHANGES], ("no-cors", "navigate", "same-origin", "")):
            headers = {"Sec-Fetch-Mode": mode} if mode else {}
            answer = browser.post(f"{server.url}perijove/{route}", headers=headers)
            assert answer.status_code == 403
            assert "_xsrf" in answer.json()["detail"]


def test_another_sites_page_is_refused(server: JupyterServer) -> None:
    with httpx.Client(follow_redirects=True) as browser:
        browser.get(server.url, params={"token": SERVER_TOKEN})

        answer = browser.get(f"{server.url}perijove/usage", headers={"Origin": "https://evil.example"})

    assert answer.status_code in {403, 404}
    assert "quotas" not in answer.text
    assert answer.headers.get("Access-Control-Allow-Origin") != "https://evil.example"


def test_a_large_body_and_other_methods_are_refused(server: JupyterServer) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = server.http.request(method, "datasets", content=b"x" * (1 << 20))
        assert answer.status_code == 405
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_no_secret_is_in_answers_log_environment_or_arguments(
    server: JupyterServer, control: FakeControl, make_dataset: MakeDataset, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    dataset.put("x.txt", b"hello")
    answers = [
        server.get(dataset.route(route), path=path)
        for route in ("tree", "file", "preview", "snippet")
        for path in ("x.txt", "nope", "../x")
    ]

    said = "".join(f"{answer.text}{answer.headers}" for answer in answers) + server.log()
    children = psutil.Process(server.pid).children()
    for child in children:
        said += "".join(child.environ().values()) + " ".join(child.cmdline())
    server_environment = psutil.Process(server.pid).environ()

    assert children
    assert len(control.secrets) > 1
    assert not [secret for secret in [*control.secrets, TOKEN, "X-Amz-Signature"] if secret in said]
    assert not [name for name in server_environment if name.startswith("AWS_")]
    assert not [secret for secret in control.secrets if secret in str(server_environment)]


@pytest.mark.parametrize(
    ("fault", "status"), [(503, 503), ("drop", 503), ("html", 503), ("junk", 503), (403, 403), (404, 404), (500, 503)]
)
def test_what_control_does_wrong_is_a_sentence(
    server: JupyterServer, control: FakeControl, dataset: Dataset, fault: int | str, status: int
) -> None:
    control.faults.extend([fault] * 4)

    answer = server.get(f"datasets/{dataset.id}")

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if not isinstance(fault, int):
        assert control.url in answer.json()["detail"]


def test_control_may_stumble_without_anybody_noticing(
    server: JupyterServer, control: FakeControl, dataset: Dataset
) -> None:
    control.faults.extend([503, "drop"])

    assert server.get(f"datasets/{dataset.id}").status_code == 200


def test_without_a_platform_the_extension_loads_and_says_so(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {}) as server:
        for route in (
            "datasets",
            "usage",
            "datasets/x/preview?path=a",
            "dask/clusters",
            "dask/clusters/x/y/dashboard/a",
        ):
            answer = server.http.get(route)
            assert answer.status_code == 503
            assert "PERIJOVE_CONTROL_URL is not set" in answer.json()["detail"]


def test_a_preview_that_takes_too_long_or_too_much_is_ended(
    tmp_path: Path, control: FakeControl, dataset: Dataset
) -> None:
    environment = {"PERIJOVE_CONTROL_URL": control.url, "JUPYTERHUB_API_TOKEN": TOKEN}
    given = {"preview_seconds": 1, "preview_memory_bytes": 256 << 20, "byte_budget": 32 << 20}
    limits = [f"--PerijoveServer.{name}={value}" for name, value in given.items()]
    dataset.put("x.txt", b"x" * 200_000)
    dataset.put("large.fits", header_bytes(*image_cards(8, 4320, 4320)) + bytes(4320 * 4320))
    with jupyter_server(tmp_path, environment, *limits) as server:
        too_much = server.get(dataset.route("preview"), path="large.fits")
        for child in psutil.Process(server.pid).children():
            child.suspend()  # as if it computed for ever
        too_long = server.get(dataset.route("preview"), path="x.txt")
        after = server.get(dataset.route("preview"), path="x.txt")

    assert too_much.status_code == too_long.status_code == 422
    assert "more memory" in too_much.json()["detail"]
    assert "took too long" in too_long.json()["detail"]
    assert after.status_code == 200
