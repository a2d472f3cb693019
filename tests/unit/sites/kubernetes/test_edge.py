"""The edge of a cluster: under which names and paths a session is there, and what is told while it is not open."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient

from perijove_demo.ports import free_ports
from perijove_hub.policy.sites import IngressEdge
from perijove_hub.sites import SiteError
from perijove_hub.sites.kubernetes.edge import Edge, path_forms
from tests.support.kube.certificates import make_identity

from .conftest import SiteBed

PUBLIC_URL = "https://science.example:8443/"


def edge(public_url: str = PUBLIC_URL, **change: Any) -> Edge:
    told = {"host": "localhost", "timeout_seconds": 0.1} | change
    return Edge(IngressEdge.model_validate(told), "esac", public_url)


@asynccontextmanager
async def serving(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that gives this answer to every request; an empty one: it gives none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
async def hub_trusts() -> AsyncIterator[Callable[[bytes], None]]:
    """Lets the hub trust an authority."""
    asks = JupyterHubHTTPClient.instance()

    def trust(authority: bytes) -> None:
        asks.connector_options = {"ssl": ssl.create_default_context(cadata=authority.decode())}

    yield trust
    await asks.close()


async def faults(of: Edge) -> tuple[str, list[str]]:
    """Why it is not open, and what was said meanwhile."""
    said: list[str] = []
    with pytest.raises(SiteError) as refused:
        await of.wait_until_open("/user/ana/", asyncio.get_running_loop().time() + 10, said.append)
    return str(refused.value), said


# -- names and paths


@pytest.mark.parametrize(
    ("public_url", "names"),
    [
        ("https://science.example", ["esac.science.example", "science.example"]),
        ("https://science.example:8443/", ["esac.science.example", "science.example"]),
        ("https://esac.science.example", ["esac.science.example"]),
        # Kubernetes takes no address for the name of a host
        ("http://192.0.2.7:8000", ["esac.science.example"]),
        ("http://[2001:db8::1]", ["esac.science.example"]),
    ],
)
def test_it_is_asked_by_its_own_name_and_by_the_platforms(public_url: str, names: list[str]) -> None:
    assert edge(public_url, host="{site}.science.example").names == names


@pytest.mark.parametrize(
    ("path", "forms"),
    [
        ("/user/ana/", ["/user/ana/"]),
        ("/user/a.b@c.d/", ["/user/a.b@c.d/"]),
        ("/user/o%27neil/", ["/user/o%27neil/", "/user/o'neil/"]),
        ("/user/%C3%BCnal/lab/", ["/user/%C3%BCnal/lab/", "/user/ünal/lab/"]),
        # what could end a path in a controller's configuration, and begin something else
        ("/user/ana/my%20lab/", ["/user/ana/my%20lab/"]),
        ("/user/ana/x%7B%7D%3B/", ["/user/ana/x%7B%7D%3B/"]),
        ("/user/ana/%0Areturn/", ["/user/ana/%0Areturn/"]),
        ("/user/ana/%22%60%24%5C/", ["/user/ana/%22%60%24%5C/"]),
        # it would be a path of somebody else
        ("/user/a%2Fna/", ["/user/a%2Fna/"]),
    ],
)
def test_a_path_is_given_as_it_is_sent_and_decoded_where_that_is_harmless(path: str, forms: list[str]) -> None:
    assert path_forms(path) == forms


async def test_an_ingress_has_each_name_with_each_form_of_the_path(make_site: Callable[..., SiteBed]) -> None:
    async with serving(NOT_FOUND) as port:
        bed = make_site(connect="ingress", ingress={"host": "localhost", "port": port, "tls": False})
        await bed.start(path="/user/o%27neil/")
    [ingress] = bed.kube.objects("ingresses", "users")
    paths = {rule["host"]: [path["path"] for path in rule["http"]["paths"]] for rule in ingress["spec"]["rules"]}
    forms = ["/user/o%27neil/", "/user/o'neil/"]
    assert paths == {"localhost": forms, "science.example": forms}


# -- whether it is open


async def test_any_answer_will_do() -> None:
    async with serving(NOT_FOUND) as port:
        await edge(port=port, tls=False).wait_until_open("/user/ana/", asyncio.get_running_loop().time() + 10, print)


async def test_a_certificate_of_nobodys_authority_is_told() -> None:
    async with serving(NOT_FOUND, make_identity().to_context()) as port:
        why, said = await faults(edge(port=port))
    assert why.startswith(f"the certificate of its edge https://localhost:{port} is not one that the hub can trust (un")
    assert 'the guide "On Kubernetes", under "Edges with https"' in why
    assert said == [f"It waits: {why[:-1]}"]


async def test_a_certificate_that_lacks_the_platforms_name_is_told(hub_trusts: Callable[[bytes], None]) -> None:
    identity = make_identity()
    hub_trusts(identity.authority)
    async with serving(NOT_FOUND, identity.to_context()) as port:
        why, _ = await faults(edge(port=port))
    assert "is not one that the proxy, which asks for science.example, can trust (Hostname mismatch" in why


async def test_a_certificate_for_both_names_will_do(hub_trusts: Callable[[bytes], None]) -> None:
    identity = make_identity(names=["localhost", "science.example"])
    hub_trusts(identity.authority)
    async with serving(NOT_FOUND, identity.to_context()) as port:
        await edge(port=port).wait_until_open("/user/ana/", asyncio.get_running_loop().time() + 10, print)


async def test_an_edge_without_https_is_told() -> None:
    async with serving(NOT_FOUND) as port:
        why, _ = await faults(edge(port=port))
    assert why.startswith(f"its edge https://localhost:{port} does not speak https as the hub does")


async def test_an_edge_that_is_away_is_told() -> None:
    [port] = free_ports(1)
    assert f"its edge https://localhost:{port} takes no connection (" in (await faults(edge(port=port)))[0]
    why, _ = await faults(edge(host="no-such-edge.invalid"))
    assert why.startswith("the name of its edge https://no-such-edge.invalid is not known to the hub")


async def test_an_edge_that_hangs_up_is_told() -> None:
    async with serving(b"?\r\n\r\n") as port:
        assert (await faults(edge(port=port, tls=False)))[0] == f"its edge http://localhost:{port} does not answer."


async def test_one_that_comes_late_is_waited_for() -> None:
    [port] = free_ports(1)
    said: list[str] = []
    waits = asyncio.ensure_future(
        edge(port=port, tls=False, timeout_seconds=60).wait_until_open(
            "/user/ana/", asyncio.get_running_loop().time() + 60, said.append
        )
    )
    while not said:  # noqa: ASYNC110 - what is said has no event
        await asyncio.sleep(0.01)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(NOT_FOUND)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        await waits
    assert len(said) == 1
