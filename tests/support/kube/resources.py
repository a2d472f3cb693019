"""What the bed serves: each resource with its names, and the documents by which clients discover them.

Source: "API discovery" in the Kubernetes documentation (the unaggregated documents, which every client understands).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: An object of the API as it is in JSON.
Object = dict[str, Any]

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True, slots=True)
class Resource:
    """A collection of objects of one kind.

    ``subresources`` are what may follow an object's name in a path. ``returns_deleted``: a deletion is answered with
    the object and not with a Status. ``needs_version``: an update must say which version it replaces.
    """

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ("status",)
    returns_deleted: bool = False
    needs_version: bool = False

    @property
    def api_version(self) -> str:
        """What its objects say as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Its name in sentences, such as ``ingresses.networking.k8s.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def to_discovery(self) -> list[Object]:
        """Its entries in an APIResourceList."""
        shown: Object = {
            "name": self.plural,
            "singularName": self.kind.lower(),
            "namespaced": self.namespaced,
            "kind": self.kind,
            "verbs": _VERBS,
        }
        if self.short_names:
            shown["shortNames"] = list(self.short_names)
        if self.plural in ("pods", "services"):
            shown["categories"] = ["all"]  # what people see first
        below = [
            {
                "name": f"{self.plural}/{subresource}",
                "singularName": "",
                "namespaced": self.namespaced,
                "kind": {"binding": "Binding", "eviction": "Eviction"}.get(subresource, self.kind),
                "verbs": {"log": ["get"], "binding": ["create"], "eviction": ["create"]}.get(
                    subresource, ["get", "patch", "update"]
                ),
            }
            for subresource in self.subresources
        ]
        return [shown, *below]


NAMESPACES = Resource("namespaces", "Namespace", namespaced=False, short_names=("ns",))
NODES = Resource("nodes", "Node", namespaced=False, short_names=("no",))
PODS = Resource(
    "pods", "Pod", short_names=("po",), subresources=("status", "log", "binding", "eviction"), returns_deleted=True
)
EVENTS = Resource("events", "Event", short_names=("ev",), subresources=())
SECRETS = Resource("secrets", "Secret", subresources=())
CONFIGMAPS = Resource("configmaps", "ConfigMap", short_names=("cm",), subresources=())
CLAIMS = Resource("persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), returns_deleted=True)
SERVICES = Resource("services", "Service", short_names=("svc",), returns_deleted=True)
SERVICE_ACCOUNTS = Resource(
    "serviceaccounts", "ServiceAccount", short_names=("sa",), subresources=(), returns_deleted=True
)
QUOTAS = Resource("resourcequotas", "ResourceQuota", short_names=("quota",), returns_deleted=True)
INGRESSES = Resource("ingresses", "Ingress", "networking.k8s.io", short_names=("ing",))
LEASES = Resource("leases", "Lease", "coordination.k8s.io", subresources=(), needs_version=True)
DEFINITIONS = Resource(
    "customresourcedefinitions", "CustomResourceDefinition", "apiextensions.k8s.io", namespaced=False
)

BUILT_IN = (
    NAMESPACES, NODES, PODS, EVENTS, SECRETS, CONFIGMAPS, CLAIMS, SERVICES, SERVICE_ACCOUNTS, QUOTAS, INGRESSES, LEASES,
    DEFINITIONS,
)  # fmt: skip


class Resources:
    """What is served now: what is built in, and what custom resource definitions have added."""

    def __init__(self, built_in: Iterable[Resource] = BUILT_IN) -> None:
        self._by_path = {(each.group, each.version, each.plural): each for each in built_in}

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource that such a path names, if any."""
        return self._by_path.get((group, version, plural))

    def named(self, plural: str) -> Resource:
        """By its plural alone, or with its group as in ``ingresses.networking.k8s.io``. Raises KeyError."""
        for resource in self._by_path.values():
            if plural in (resource.plural, resource.qualified):
                return resource
        raise KeyError(f"the bed serves no resource {plural!r}; it serves {', '.join(sorted(self.plurals()))}")

    def plurals(self) -> set[str]:
        """The names of all."""
        return {resource.plural for resource in self._by_path.values()}

    def all(self) -> list[Resource]:
        """All of them."""
        return list(self._by_path.values())

    def define(self, definition: Object) -> list[Resource]:
        """Serve what a custom resource definition describes, each served version of it."""
        spec = definition["spec"]
        names, added = spec["names"], []
        for version in spec["versions"]:
            if version.get("served"):
                added.append(
                    Resource(
                        names["plural"],
                        names["kind"],
                        spec["group"],
                        version["name"],
                        namespaced=spec.get("scope") == "Namespaced",
                        short_names=tuple(names.get("shortNames") or ()),
                        subresources=tuple(version.get("subresources") or ()),
                        needs_version=True,
                    )
                )
        self._by_path.update({(each.group, each.version, each.plural): each for each in added})
        return added

    def undefine(self, definition: Object) -> list[Resource]:
        """Serve it no more; what was served."""
        spec = definition["spec"]
        paths = [(spec["group"], version["name"], spec["names"]["plural"]) for version in spec["versions"]]
        return [self._by_path.pop(path) for path in paths if path in self._by_path]

    # --- discovery ----------------------------------------------------------------------------------------------

    def group_list(self) -> Object:
        """The answer to ``/apis``."""
        groups: dict[str, list[str]] = {}
        for resource in self._by_path.values():
            if resource.group and resource.version not in groups.setdefault(resource.group, []):
                groups[resource.group].append(resource.version)
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in groups.items()]}

    def resource_list(self, group: str, version: str) -> Object | None:
        """The answer to ``/api/v1`` and ``/apis/GROUP/VERSION``; None where nothing is served."""
        found = [each for each in self._by_path.values() if (each.group, each.version) == (group, version)]
        if not found:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": found[0].api_version,
            "resources": [entry for each in found for entry in each.to_discovery()],
        }


def _group(name: str, versions: list[str]) -> Object:
    shown = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": shown, "preferredVersion": shown[0]}
