"""Logs of pods, as the endpoint ``pods/NAME/log`` gives them.

Source: "read log of the specified Pod" in the Kubernetes API reference. Not served: ``follow`` and times.
"""

from __future__ import annotations

from .errors import bad_request
from .pod_run import Container, PodRun
from .request import ApiRequest
from .resources import Object


def read_log(run: PodRun | None, pod: Object, request: ApiRequest) -> str:
    """The part of a log that a request asks for. Raises :class:`ApiError` 400 where there is none."""
    if request.text("follow").lower() in ("true", "1"):
        raise bad_request("the bed does not serve follow=true; ask again for more")
    previous = request.text("previous").lower() in ("true", "1")
    text = tail(run, pod, request.text("container"), previous=previous)
    lines = request.number("tailLines")
    if lines is not None:
        text = "".join(text.splitlines(keepends=True)[-lines:] if lines else [])
    limit = request.number("limitBytes")
    return text if limit is None else text.encode()[:limit].decode(errors="ignore")


def tail(run: PodRun | None, pod: Object, container: str = "", *, previous: bool = False) -> str:
    """All that a container has written since it was last started, or the time before."""
    name, known = pod["metadata"]["name"], [each["name"] for each in pod["spec"]["containers"]]
    if not container and len(known) > 1:
        choices = " ".join(known)
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
    chosen = _container(run, container or known[0]) if run else None
    if container and container not in known and chosen is None:
        raise bad_request(f"container {container} is not valid for pod {name}")
    written = chosen.logs if chosen else []
    if len(written) <= previous:
        if previous:
            raise bad_request(f'previous terminated container "{container or known[0]}" in pod "{name}" not found')
        reason = chosen.state.said.get("reason", "") if chosen else "ContainerCreating"
        raise bad_request(f'container "{container or known[0]}" in pod "{name}" is waiting to start: {reason}')
    path = written[-2 if previous else -1]
    return path.read_text(errors="replace") if path.is_file() else ""


def _container(run: PodRun, name: str) -> Container | None:
    return next((each for each in run.all_containers if each.state.name == name), None)
