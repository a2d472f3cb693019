"""Policies as IAM writes them, as far as a read-only data platform needs: who may do what on which objects.

Understood: ``Effect``, ``Action``, ``Resource`` with ``*`` and ``?``, and the conditions ``StringEquals`` and
``StringLike`` on ``s3:prefix`` and ``s3:delimiter``. Anything else is refused when the policy is handed in: a bed that
ignored a condition would let a test pass that should not. Source: "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import S3Error

#: Plain-text limit of an inline session policy; AWS and MinIO both hold it.
MAX_SESSION_POLICY_CHARACTERS = 2048

_CONDITION_KEYS = frozenset({"s3:prefix", "s3:delimiter"})


@dataclass(frozen=True, slots=True)
class Ask:
    """What a caller wants to do. ``resource`` is ``bucket`` or ``bucket/key``; ``context`` holds condition keys."""

    action: str
    resource: str
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    allow: bool
    actions: tuple[re.Pattern[str], ...]
    resources: tuple[re.Pattern[str], ...]
    conditions: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]

    def covers(self, ask: Ask) -> bool:
        """Whether this statement speaks about ``ask``."""
        return (
            any(pattern.fullmatch(ask.action.lower()) for pattern in self.actions)
            and any(pattern.fullmatch(f"arn:aws:s3:::{ask.resource}") for pattern in self.resources)
            and all(
                key in ask.context and any(pattern.fullmatch(ask.context[key]) for pattern in patterns)
                for key, patterns in self.conditions
            )
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: what is not allowed is denied, and a Deny wins."""

    statements: tuple[Statement, ...]

    def allows(self, ask: Ask) -> bool:
        """Whether the policy lets ``ask`` through."""
        covering = [statement for statement in self.statements if statement.covers(ask)]
        return bool(covering) and all(statement.allow for statement in covering)


def parse_policy(text: str) -> Policy:
    """A policy document as text.

    Raises S3Error ``MalformedPolicyDocument`` or ``PackedPolicyTooLarge``.
    """
    if len(text) > MAX_SESSION_POLICY_CHARACTERS:
        raise S3Error(
            "PackedPolicyTooLarge",
            f"The policy has {len(text)} characters; {MAX_SESSION_POLICY_CHARACTERS} are allowed.",
        )
    try:
        document = json.loads(text)
    except ValueError as error:
        raise S3Error("MalformedPolicyDocument", f"The policy is no JSON: {error}") from error
    return parse_policy_document(document)


def parse_policy_document(document: Any) -> Policy:
    """A policy document as parsed JSON. Raises S3Error ``MalformedPolicyDocument``."""
    try:
        statements = document["Statement"]
        if isinstance(statements, dict):
            statements = [statements]
        return Policy(tuple(_parse_statement(statement) for statement in statements))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise S3Error("MalformedPolicyDocument", f"The policy is not understood: {error!r}") from error


def _parse_statement(statement: Mapping[str, Any]) -> Statement:
    if unknown := set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}:
        raise ValueError(f"unknown elements {sorted(unknown)}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise ValueError(f"unknown effect {statement['Effect']!r}")
    conditions = [
        (key, _patterns(values, literal=operator == "StringEquals"))
        for operator, tests in statement.get("Condition", {}).items()
        for key, values in _checked(operator, tests).items()
    ]
    return Statement(
        allow=statement["Effect"] == "Allow",
        actions=_patterns([action.lower() for action in _listed(statement["Action"])]),
        resources=_patterns(statement["Resource"]),
        conditions=tuple(conditions),
    )


def _checked(operator: str, tests: Mapping[str, Any]) -> Mapping[str, Any]:
    if operator not in ("StringEquals", "StringLike"):
        raise ValueError(f"unknown condition operator {operator!r}")
    if unknown := set(tests) - _CONDITION_KEYS:
        raise ValueError(f"unknown condition keys {sorted(unknown)}")
    return tests


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _patterns(values: str | list[str], *, literal: bool = False) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_as_regex(value, literal=literal), re.DOTALL) for value in _listed(values))


def _as_regex(glob: str, *, literal: bool) -> str:
    escaped = re.escape(glob)
    return escaped if literal else escaped.replace(r"\*", ".*").replace(r"\?", ".")
