"""Who may sign: users with long-lived keys, and sessions made from them by ``AssumeRole`` with an inline policy.

Source: "AssumeRole" in the AWS Security Token Service API Reference.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

from .errors import S3Error
from .policy import Ask, Policy, parse_policy
from .sigv4 import check_signature, check_skew, read_signature

MIN_SESSION_SECONDS = 900
MAX_SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class User:
    """A long-lived key. Without a policy the user may do everything."""

    secret: str
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Short-lived credentials of ``user``; ``expires`` is in seconds since the epoch."""

    access_key: str
    secret: str
    token: str
    user: str
    expires: float
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and the policies that must all allow what it asks."""

    access_key: str
    policies: tuple[Policy, ...]
    is_session: bool

    def may(self, ask: Ask) -> bool:
        """Whether this caller is allowed ``ask``."""
        return all(policy.allows(ask) for policy in self.policies)


class Identities:
    """All keys that the bed knows, and its clock for lives (``clock_offset_seconds`` moves only that)."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self.users = dict(users)
        self.sessions: dict[str, Session] = {}

    def identify(
        self,
        method: str,
        raw_path: str,
        headers: Mapping[str, str],
        *,
        now: float,
        lives_now: float,
        body_hash: str = "",
    ) -> Caller:
        """Who signed this request. Raises S3Error when nobody did whom the bed knows.

        ``now`` is the clock that signatures are compared with; ``lives_now`` the one by which sessions and presigned
        URLs die. ``body_hash`` stands in where the client does not send one (STS).
        """
        signature = read_signature(raw_path, headers)
        if signature is None:
            raise S3Error("AccessDenied", "Access Denied.")
        if not signature.payload_hash:
            signature = replace(signature, payload_hash=body_hash)
        session = self._session(signature.access_key, signature.token, lives_now)
        user = self.users.get(session.user if session else signature.access_key)
        if user is None:
            raise S3Error("InvalidAccessKeyId", "The access key ID you provided does not exist in our records.")
        check_skew(signature, now)
        check_signature(
            signature,
            session.secret if session else user.secret,
            method=method,
            raw_path=raw_path,
            headers=headers,
            now=lives_now,
        )
        policies = tuple(policy for policy in (user.policy, session.policy if session else None) if policy)
        return Caller(signature.access_key, policies, session is not None)

    def assume_role(self, body: bytes, caller: Caller, *, lives_now: float) -> Session:
        """Answers an ``AssumeRole`` form. Raises S3Error."""
        form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        if form.get("Action") != "AssumeRole":
            raise S3Error("InvalidAction", f"The action {form.get('Action')!r} is not valid for this endpoint.")
        if caller.is_session:
            raise S3Error("AccessDenied", "A session may not assume a role.")
        try:
            life_seconds = int(form.get("DurationSeconds", "3600"))
        except ValueError:
            life_seconds = -1
        if not MIN_SESSION_SECONDS <= life_seconds <= MAX_SESSION_SECONDS:
            raise S3Error("ValidationError", f"DurationSeconds must be {MIN_SESSION_SECONDS} to {MAX_SESSION_SECONDS}.")
        policy = parse_policy(form["Policy"]) if form.get("Policy") else None
        return self.new_session(caller.access_key, expires=lives_now + life_seconds, policy=policy)

    def new_session(self, user: str, *, expires: float, policy: Policy | None) -> Session:
        """Makes short-lived credentials of ``user`` without asking anybody."""
        session = Session(
            access_key="ASIA" + secrets.token_hex(8).upper(),
            secret=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(60),
            user=user,
            expires=expires,
            policy=policy,
        )
        self.sessions[session.access_key] = session
        return session

    def _session(self, access_key: str, token: str | None, lives_now: float) -> Session | None:
        session = self.sessions.get(access_key)
        if token is None:
            if session is not None:
                raise S3Error("InvalidAccessKeyId", "This key is of a session; its token is missing.")
            return None
        if session is None or not secrets.compare_digest(session.token, token):
            raise S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.")
        if lives_now >= session.expires:
            raise S3Error("ExpiredToken", "The provided token has expired.")
        return session


def body_sha256(body: bytes) -> str:
    """What a client that sends no hash has signed."""
    return hashlib.sha256(body).hexdigest()


def assume_role_xml(session: Session) -> str:
    """The answer to ``AssumeRole``."""
    expiration = datetime.fromtimestamp(session.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<AssumedRoleUser><Arn>arn:aws:sts::000000000000:assumed-role/bed/{session.user}</Arn>"
        f"<AssumedRoleId>{session.access_key}:bed</AssumedRoleId></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{session.access_key}</AccessKeyId><SecretAccessKey>{session.secret}</SecretAccessKey>"
        f"<SessionToken>{session.token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
        "</AssumeRoleResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
