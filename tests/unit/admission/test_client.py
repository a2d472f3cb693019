"""The hub's calls to control, against a server that answers what a test says."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from perijove.models import Inventory, Kind, LeasePatch, LeaseRequest
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable
from perijove_hub.policy.secrets import SecretError
from tests.support.platforms import FakeClock

LEASE_ID = "1" * 32
ASK = LeaseRequest(owner="ana", kind=Kind.SESSION, attempt_id=uuid.uuid4().hex)
OFFER = {
    "id": LEASE_ID,
    "attempt_id": ASK.attempt_id,
    "candidates": [],
    "spawn": {"resources": {"cpu": 1, "memory_gib": 2}, "policy_version": "1"},
    "explanation": {"summary": "Here"},
}


@dataclass
class Control:
    """What is answered, in order, the last for ever; and what was asked."""

    answers: list[Any] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.asked.append(request)
        self.connections.add(request.transport)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        match answer:
            case "drop":
                assert request.transport is not None
                request.transport.abort()
            case "hang":
                await asyncio.sleep(30)
            case int():
                problem = {"title": "No", "status": answer, "detail": f"because {answer}"}
                return web.json_response(problem, status=answer)
            case web.Response():
                return answer
        return web.json_response(answer, status=201)


@pytest.fixture
async def control() -> AsyncIterator[Control]:
    control = Control()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", control.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    control.url = f"http://127.0.0.1:{runner.addresses[0][1]}/services/perijove"
    yield control
    await runner.cleanup()


@pytest.fixture
async def client(control: Control) -> AsyncIterator[ControlClient]:
    client = ControlClient(control.url, lambda: "open sesame", deadline_seconds=1)
    yield client
    await client.close()


async def test_what_is_as_usual_is_not_said_so_that_an_older_control_does_not_refuse_it(
    control: Control, client: ControlClient
) -> None:
    control.answers = [OFFER]
    await client.ask(ASK)
    assert [json.loads(body) for body in control.bodies] == [
        {"owner": "ana", "kind": "session", "attempt_id": ASK.attempt_id}
    ]


async def test_an_ask_carries_secret_and_idempotency_key(client: ControlClient, control: Control) -> None:
    control.answers = [OFFER]
    assert (await client.ask(ASK)).id == LEASE_ID
    (request,) = control.asked
    assert (request.method, request.path) == ("POST", "/services/perijove/api/v1/leases")
    assert request.headers["Authorization"] == "Bearer open sesame"
    assert request.headers["Idempotency-Key"] == ASK.attempt_id
    assert LeaseRequest.model_validate_json(await request.read()) == ASK


async def test_a_secret_is_read_again_when_control_takes_it_no_longer(control: Control) -> None:
    secrets = ["old", "new", "new"]
    client = ControlClient(control.url, lambda: secrets.pop(0), deadline_seconds=1)
    control.answers = [OFFER, 401, OFFER, 401]
    await client.ask(ASK)
    await client.ask(ASK)
    assert [request.headers["Authorization"] for request in control.asked] == ["Bearer old", "Bearer old", "Bearer new"]
    # one that is read and not taken is no answer to wait for
    with pytest.raises(ControlRefused, match=r"^because 401$"):
        await client.ask(ASK)
    assert secrets == []
    await client.close()


async def test_a_secret_that_is_being_replaced_is_waited_for(control: Control) -> None:
    found: list[str | SecretError] = [SecretError("hub-to-control is not there"), "new"]

    def read() -> str:
        secret = found.pop(0)
        if isinstance(secret, SecretError):
            raise secret
        return secret

    client = ControlClient(control.url, read, deadline_seconds=1)
    control.answers = [OFFER]
    assert (await client.ask(ASK)).id == LEASE_ID
    await client.close()
    found.extend([SecretError("gone")] * 20)
    gone = ControlClient(control.url, read, deadline_seconds=0.5)
    with pytest.raises(ControlUnreachable):
        await gone.ask(ASK)
    await gone.close()


async def test_calls_share_a_connection(client: ControlClient, control: Control) -> None:
    control.answers = [OFFER]
    for _ in range(3):
        await client.ask(ASK)
    assert len(control.connections) == 1


@pytest.mark.parametrize("fault", [503, 502, 429, 500, "drop"])
async def test_a_control_that_is_starting_again_is_asked_again(
    client: ControlClient, control: Control, fault: Any
) -> None:
    control.answers = [fault, fault, OFFER]
    assert (await client.ask(ASK)).id == LEASE_ID
    assert len(control.asked) == 3


@pytest.mark.parametrize("fault", [503, "drop", "hang"])
async def test_a_control_that_does_not_answer_is_given_up_in_time(
    client: ControlClient, control: Control, fault: Any
) -> None:
    control.answers = [fault]
    begun = time.monotonic()
    with pytest.raises(ControlUnreachable, match="does not answer now"):
        await client.move(LEASE_ID, LeasePatch(state="ended"))
    assert time.monotonic() - begun < 4


async def test_nobody_at_the_address_is_a_control_that_does_not_answer() -> None:
    client = ControlClient("http://127.0.0.1:9/services/perijove", lambda: "x", deadline_seconds=0.2)
    with pytest.raises(ControlUnreachable):
        await client.report("esac", Inventory(observed_at=FakeClock()(), reachable=False))
    await client.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_refusal_is_passed_on_at_once_with_its_reason(
    client: ControlClient, control: Control, status: int
) -> None:
    control.answers = [status]
    with pytest.raises(ControlRefused) as caught:
        await client.ask(ASK)
    assert (caught.value.problem.status, str(caught.value)) == (status, f"because {status}")
    assert len(control.asked) == 1


async def test_a_refusal_without_a_problem_has_a_sentence_too(client: ControlClient, control: Control) -> None:
    control.answers = [web.Response(status=403, text="<h1>no</h1>", content_type="text/html")]
    with pytest.raises(ControlRefused, match=r"^Control answered 403\.$"):
        await client.ask(ASK)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<h1>sign in</h1>", content_type="text/html"),
        web.json_response({"id": 7}),
        web.Response(body=b"\xff\xfe"),
    ],
)
async def test_words_of_another_version_are_no_answer(
    client: ControlClient, control: Control, answer: web.Response
) -> None:
    control.answers = [answer]
    with pytest.raises(ControlUnreachable, match="words of another version"):
        await client.ask(ASK)


async def test_the_secret_goes_nowhere_else(client: ControlClient, control: Control) -> None:
    control.answers = [web.Response(status=307, headers={"Location": f"{control.url}/elsewhere"})]
    with pytest.raises(ControlRefused, match=r"^Control answered 307\.$"):
        await client.ask(ASK)
    assert [request.path for request in control.asked] == ["/services/perijove/api/v1/leases"]
