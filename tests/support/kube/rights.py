"""Who may do what: a small form of RBAC, with the sentences of the real one.

Source: "Using RBAC Authorization" in the Kubernetes documentation; the sentence is that of
``k8s.io/apiserver/pkg/endpoints/handlers/responsewriters``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .errors import ApiError, forbidden
from .resources import Object, Resource


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed.

    ``resources`` are names such as ``pods``, ``pods/log`` and ``*``; a name speaks of that subresource only. An empty
    ``namespace`` means all of them and what has none; ``names`` narrow to objects by those names.
    """

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    namespace: str = ""
    groups: tuple[str, ...] = ("*",)
    names: tuple[str, ...] = ()

    def allows(self, verb: str, resource: Resource, subresource: str, namespace: str, name: str) -> bool:
        """Whether it lets such a request pass."""
        asked = f"{resource.plural}/{subresource}" if subresource else resource.plural
        return (
            ("*" in self.verbs or verb in self.verbs)
            and ("*" in self.resources or asked in self.resources)
            and ("*" in self.groups or resource.group in self.groups)
            and self.namespace in ("", namespace)
            and (not self.names or name in self.names)
        )


ADMIN = Rule(("*",), ("*",))


def rules_of_role(role: Object, namespace: str = "") -> list[Rule]:
    """The rules of a Role (in its own or the given namespace) or, with an empty namespace, of a ClusterRole."""
    where = namespace or role["metadata"].get("namespace") or ""
    return [
        Rule(
            tuple(rule["verbs"]),
            tuple(rule["resources"]),
            where,
            tuple(rule["apiGroups"]),
            tuple(rule.get("resourceNames") or ()),
        )
        for rule in role["rules"]
        if "resources" in rule
    ]


@dataclass(slots=True)
class Account:
    """Whom a token stands for. ``revoked``: the token is no longer known, as with one that has expired."""

    user: str
    rules: list[Rule] = field(default_factory=list)
    revoked: bool = False

    def check(self, verb: str, resource: Resource, subresource: str, namespace: str, name: str) -> None:
        """Raises :class:`ApiError` 403 unless a rule allows it."""
        if not any(rule.allows(verb, resource, subresource, namespace, name) for rule in self.rules):
            raise self._refusal(verb, resource, subresource, namespace, name)

    def _refusal(self, verb: str, resource: Resource, subresource: str, namespace: str, name: str) -> ApiError:
        asked = f"{resource.plural}/{subresource}" if subresource else resource.plural
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        why = f'User "{self.user}" cannot {verb} resource "{asked}" in API group "{resource.group}" {where}'
        return forbidden(resource, name, why)


class Accounts:
    """All tokens."""

    def __init__(self) -> None:
        self._by_token: dict[str, Account] = {}

    def add(self, token: str, user: str, rules: Iterable[Rule]) -> Account:
        """Makes a token good for what the rules allow."""
        account = Account(user, list(rules))
        self._by_token[token] = account
        return account

    def revoke(self, token: str) -> None:
        """From now on the token is unknown. Raises KeyError."""
        self._by_token[token].revoked = True

    def who(self, authorization: str) -> Account | None:
        """Whom a header ``Authorization`` names; None for nobody known."""
        scheme, _, token = authorization.partition(" ")
        account = self._by_token.get(token.strip()) if scheme.lower() == "bearer" else None
        return None if account is None or account.revoked else account
