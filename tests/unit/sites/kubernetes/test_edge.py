"""The edge of a cluster: under which names and paths a session is there, and what is told while it is not open."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient

from perijove_demo.ports import free_ports
from perijove_hub.policy.sites import IngressEdge
from perijove_hub.sites import SiteError
from perijove_hub.sites.kubernetes.edge import Edge
from tests.support.gateway_api import HTTP_ROUTES, parents
from tests.support.kube.certificates import make_identity

from .conftest import SiteBed

PUBLIC_URL = "https://science.example:8443/"


def edge(public_url: str = PUBLIC_URL, **change: Any) -> Edge:
    told = {"host": "localhost", "timeout_seconds": 0.1} | change
    return Edge(IngressEdge.model_validate(told), "esac", public_url)


def gateway(port: int) -> dict[str, Any]:
    """An edge that is a Gateway."""
    told = {"name": "public", "namespace": "edges"}
    return {"host": "localhost", "port": port, "tls": False, "timeout_seconds": 1, "gateway": told}


@asynccontextmanager
async def serving(answer: bytes | Mapping[bytes, bytes], context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server that gives this answer to every request, or one by the name that it is asked by."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(1 << 16):
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                writer.write(next(given for name, given in answer.items() if b"Host: " + name in asked))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#: Of a server of a user, which may not know the path that it is asked for.
OWN_NOT_FOUND = NOT_FOUND.replace(b"\r\n\r\n", b"\r\nX-JupyterHub-Version: 6.1.1\r\n\r\n")
BAD_GATEWAY = NOT_FOUND.replace(b"404 Not Found", b"502 Bad Gateway")


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


async def test_an_ingress_has_each_name_with_each_form_of_the_path(make_site: Callable[..., SiteBed]) -> None:
    async with serving(BAD_GATEWAY) as port:
        bed = make_site(connect="ingress", ingress={"host": "localhost", "port": port, "tls": False})
        await bed.start(path="/user/o%27neil/")
    [ingress] = bed.kube.objects("ingresses", "users")
    paths = {rule["host"]: [path["path"] for path in rule["http"]["paths"]] for rule in ingress["spec"]["rules"]}
    forms = ["/user/o%27neil/", "/user/o'neil/"]
    assert paths == {"localhost": forms, "science.example": forms}


# -- a Gateway


async def test_behind_a_gateway_a_session_has_a_route_that_goes_with_its_pod(make_site: Callable[..., SiteBed]) -> None:
    async with serving(BAD_GATEWAY) as port:
        bed = make_site(connect="ingress", ingress=gateway(port))
        bed.kube.define(HTTP_ROUTES)
        handle = await bed.start(path="/user/ana/lab/")
    [route], [pod] = bed.kube.objects("httproutes", "users"), bed.pods()
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "edges"}]
    assert route["spec"]["hostnames"] == ["localhost", "science.example"]
    assert route["metadata"]["labels"]["perijove.io/attempt"] == handle.attempt_id
    [owner] = route["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["blockOwnerDeletion"]) == (pod["metadata"]["uid"], False)
    assert bed.kube.objects("ingresses", "users") == []
    await bed.site.stop(handle)
    bed.kube.wait_until(lambda: not bed.kube.objects("httproutes", "users"), "the route goes with its pod")


async def test_a_route_that_the_gateway_refuses_is_told_in_its_words(make_site: Callable[..., SiteBed]) -> None:
    async with serving(NOT_FOUND) as port:
        bed = make_site(connect="ingress", ingress=gateway(port))
        bed.kube.define(HTTP_ROUTES)
        starting = asyncio.ensure_future(bed.start())
        while not bed.kube.objects("httproutes", "users"):  # noqa: ASYNC110 - the bed has no event for it
            await asyncio.sleep(0.02)
        [route] = bed.kube.objects("httproutes", "users")
        refused = ("False", "NotAllowedByListeners", "no listener lets routes of users in")
        bed.kube.patch(
            "httproutes", "users", route["metadata"]["name"], {"status": parents("public", Accepted=refused)}
        )
        with pytest.raises(SiteError) as told:
            await starting
    assert str(told.value) == (
        "its Gateway public does not take the session's route (NotAllowedByListeners: no listener lets routes of users "
        "in)."
    )


async def test_a_gateway_that_is_not_there_is_told(make_site: Callable[..., SiteBed]) -> None:
    async with serving(NOT_FOUND) as port:
        bed = make_site(connect="ingress", ingress=gateway(port))
        bed.kube.define(HTTP_ROUTES)
        with pytest.raises(SiteError, match="its Gateway public does not take up the session's route; is it there"):
            await bed.start()


async def test_a_cluster_without_the_gateway_api_is_told(make_site: Callable[..., SiteBed]) -> None:
    bed = make_site(connect="ingress", ingress=gateway(1))
    with pytest.raises(SiteError, match=r"^the cluster has no Gateway API, gateway\.networking\.k8s\.io/v1\.$"):
        await bed.start()


# -- whether it is open


@pytest.mark.parametrize("answer", [BAD_GATEWAY, OWN_NOT_FOUND], ids=["an edge's", "a session's"])
async def test_any_answer_will_do_but_that_it_has_no_such_path(answer: bytes) -> None:
    async with serving(answer) as port:
        await edge(port=port, tls=False).wait_until_open("/user/ana/", asyncio.get_running_loop().time() + 10, print)
    async with serving(NOT_FOUND) as port:
        why, said = await faults(edge(port=port, tls=False))
    assert why == f"its edge http://localhost:{port} has no path for the session under the name localhost."
    assert said == [f"It waits: {why[:-1]}"]


async def test_a_path_that_only_the_hubs_name_has_is_told() -> None:
    by_host = {b"localhost": BAD_GATEWAY, b"science.example": NOT_FOUND}
    async with serving(by_host) as port:
        why, _ = await faults(edge(port=port, tls=False))
    assert why == f"its edge http://localhost:{port} has no path for the session under the name science.example."


async def test_a_certificate_of_nobodys_authority_is_told() -> None:
    async with serving(NOT_FOUND, make_identity().to_context()) as port:
        why, said = await faults(edge(port=port))
    assert why.startswith(f"the certificate of its edge https://localhost:{port} is not one that the hub can trust (un")
    assert 'the guide "On Kubernetes", under "Edges with https"' in why
    assert said == [f"It waits: {why[:-1]}"]


async def test_a_certificate_that_lacks_the_platforms_name_is_told(hub_trusts: Callable[[bytes], None]) -> None:
    identity = make_identity()
    hub_trusts(identity.authority)
    async with serving(BAD_GATEWAY, identity.to_context()) as port:
        why, _ = await faults(edge(port=port))
    assert "is not one that the proxy, which asks for science.example, can trust (Hostname mismatch" in why


async def test_a_certificate_for_both_names_will_do(hub_trusts: Callable[[bytes], None]) -> None:
    identity = make_identity(names=["localhost", "science.example"])
    hub_trusts(identity.authority)
    async with serving(BAD_GATEWAY, identity.to_context()) as port:
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
        writer.write(BAD_GATEWAY)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        await waits
    assert len(said) == 1
