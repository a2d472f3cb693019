"""Resource quotas of namespaces: what is used, and whether one more fits.

Source: "Resource Quotas" in the Kubernetes documentation; the sentences are those of the admission plugin
``ResourceQuota``, by which clients tell a full namespace from a missing right.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from .errors import forbidden
from .quantities import format_quantity, parse_quantity, pod_amount
from .resources import CLAIMS, PODS, QUOTAS, Object, Resource
from .store import Store

_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}


def check_quota(store: Store, resource: Resource, item: Object) -> None:
    """Raises :class:`ApiError` 403 where a quota of the object's namespace has no room for it."""
    metadata = item["metadata"]
    for quota in store.items(QUOTAS, metadata.get("namespace") or "-"):
        hard = quota["spec"].get("hard") or {}
        wanted = {name: _amount(resource, item, name) for name in hard if _speaks_of(name, resource)}
        quota_name = quota["metadata"]["name"]
        if silent := [name for name, amount in wanted.items() if amount is None]:
            raise forbidden(resource, metadata["name"], f"failed quota: {quota_name}: must specify {','.join(silent)}")
        used = {name: _used(store, quota, resource, name) for name in wanted}
        asked = {name: amount for name, amount in wanted.items() if amount}
        over = sorted(name for name, amount in asked.items() if used[name] + amount > parse_quantity(hard[name]))
        if over:
            requested = ",".join(f"{name}={_said(item, name, asked[name])}" for name in over)
            in_use = ",".join(f"{name}={format_quantity(used[name])}" for name in over)
            limited = ",".join(f"{name}={hard[name]}" for name in over)
            why = f"exceeded quota: {quota_name}, requested: {requested}, used: {in_use}, limited: {limited}"
            raise forbidden(resource, metadata["name"], why)


def quota_status(store: Store, quota: Object, resources: Iterable[Resource]) -> Object:
    """The status that says how full a quota is."""
    hard = quota["spec"].get("hard") or {}
    used = {}
    for name in hard:
        counted = [resource for resource in resources if _speaks_of(name, resource)]
        used[name] = format_quantity(sum((_used(store, quota, each, name) for each in counted), Decimal(0)))
    return {"hard": hard, "used": used}


def _speaks_of(name: str, resource: Resource) -> bool:
    if name in (resource.plural, f"count/{resource.qualified}"):
        return True
    if resource is CLAIMS:
        return name == "requests.storage"
    return resource is PODS and _SHORT.get(name, name) in (
        "requests.cpu",
        "requests.memory",
        "limits.cpu",
        "limits.memory",
    )


def _amount(resource: Resource, item: Object, name: str) -> Decimal | None:
    """What one object takes of it; None for a pod that does not say."""
    if name in (resource.plural, f"count/{resource.qualified}"):
        return Decimal(1)
    what, _, of = _SHORT.get(name, name).partition(".")
    if resource is PODS:
        return pod_amount(item, what, of)
    return parse_quantity((item["spec"].get("resources") or {}).get("requests", {}).get("storage", 0))


def _used(store: Store, quota: Object, resource: Resource, name: str) -> Decimal:
    items = store.items(resource, quota["metadata"]["namespace"])
    if resource is PODS and not name.startswith("count/"):
        items = [item for item in items if item["status"].get("phase") not in ("Failed", "Succeeded")]
    return sum((_amount(resource, item, name) or Decimal(0) for item in items), Decimal(0))


def _said(item: Object, name: str, amount: Decimal) -> str:
    """As the manifest writes it, where one container says it all."""
    containers = (item.get("spec") or {}).get("containers") or []
    what, _, of = _SHORT.get(name, name).partition(".")
    if len(containers) == 1 and of:
        said = containers[0].get("resources") or {}
        text = (said.get(what) or {}).get(of) or (said.get("limits") or {}).get(of)
        if text is not None:
            return str(text)
    return format_quantity(amount)
