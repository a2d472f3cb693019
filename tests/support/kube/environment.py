"""What a container is started with: its variables, its command, and where its home is.

Sources: "Define Environment Variables for a Container" and "Expose Pod Information to Containers Through Environment
Variables" in the Kubernetes documentation. Without namespaces of the network a process that listens on all addresses
would listen on those of all pods; so in its variables and arguments ``0.0.0.0`` and ``[::]`` become the pod's own
address.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Protocol

from .resources import Object

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_EVERYWHERE = re.compile(r"(?<![\d.])0\.0\.0\.0(?![\d.])|\[::\]|(?<=://)(?=:\d)")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigMissing(Exception):
    """A container cannot be made yet because what it refers to is not there; the sentence is a kubelet's."""


class Reader(Protocol):
    """Reads objects of a cluster."""

    async def read(self, resource: str, namespace: str, name: str) -> Object | None:
        """The object, or None."""


async def variables(reader: Reader, pod: Object, container: Object, address: str, home: Path) -> dict[str, str]:
    """The environment of a container. Raises :class:`ConfigMissing`."""
    known = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home)}
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom") or []:
        prefix = source.get("prefix") or ""
        for field, resource in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if field in source:
                known |= {
                    prefix + key: text
                    for key, text in (await _data(reader, resource, namespace, source[field])).items()
                }
    for entry in container.get("env") or []:
        value = entry.get("value")
        if value is None and entry.get("valueFrom"):
            value = await _referred(reader, pod, entry["valueFrom"], address)
        if value is not None:
            known[entry["name"]] = _localised(expand(value, known), address)
    return known


def command_line(container: Object, known: dict[str, str], address: str, image_command: list[str]) -> list[str]:
    """The command with its arguments. Images have no entry point here: arguments alone are a command, too."""
    command = [*(container.get("command") or []), *(container.get("args") or [])] or image_command
    return [_localised(expand(word, known), address) for word in command]


def expand(text: str, known: dict[str, str]) -> str:
    """``$(NAME)`` becomes the value of a variable that is known, ``$$`` a dollar."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return known.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def _localised(text: str, address: str) -> str:
    return _EVERYWHERE.sub(address, text)


async def _referred(reader: Reader, pod: Object, source: Object, address: str) -> str | None:
    namespace = pod["metadata"]["namespace"]
    for field, resource in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
        if field in source:
            reference = source[field]
            data = await _data(reader, resource, namespace, reference)
            if reference["key"] not in data and not reference.get("optional"):
                kind = "Secret" if resource == "secrets" else "ConfigMap"
                raise ConfigMissing(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
            return data.get(reference["key"])
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"], address)
    raise ConfigMissing(
        f"the bed's node cannot give {', '.join(source)} to a variable; it knows secrets, maps and fields"
    )


def _field(pod: Object, path: str, address: str) -> str:
    if found := _KEYED.fullmatch(path):
        return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
    said: object = {**pod, "status": {**pod["status"], "podIP": address, "hostIP": "127.0.0.1"}}
    for key in path.split("."):
        said = said.get(key) if isinstance(said, dict) else None
    return "" if said is None else str(said)


async def _data(reader: Reader, resource: str, namespace: str, reference: Object) -> dict[str, str]:
    item = await reader.read(resource, namespace, reference["name"])
    if item is None:
        if reference.get("optional"):
            return {}
        raise ConfigMissing(f'{resource.removesuffix("s")} "{reference["name"]}" not found')
    data = item.get("data") or {}
    if resource == "secrets":
        return {key: base64.b64decode(text).decode() for key, text in data.items()}
    return {key: str(text) for key, text in data.items()}
