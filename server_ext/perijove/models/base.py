"""What every message shares: names, pages, problems, resources and prices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

#: A name that goes into paths, labels and file names: lower-case letters, digits and dashes, as a DNS label.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

#: The id of one try to start one workload: 32 hexadecimal digits.
AttemptId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

#: A reference to a container image, as `registry/name:tag` or `name@sha256:…`.
ImageRef = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9]+(?:(?:__|-+|[._:/])[A-Za-z0-9]+)*(?:@sha256:[0-9a-f]{64})?$", max_length=400
    ),
]

#: What somebody names as an image. Whether it is one, and theirs to name, is answered with what they may name.
ImageText = Annotated[str, StringConstraints(min_length=1, max_length=400, pattern=r"^[^\x00-\x1f\x7f]+$")]

#: A name that the hub gives: a user, a group or a named server. Printable, without control characters.
HubName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]

#: What is no user's name, since it stands for all users, and for those whose names were taken out of the ledger.
RESERVED_OWNERS = frozenset({"*", "(removed)"})


def _check_owner(name: str) -> str:
    if name in RESERVED_OWNERS:
        raise ValueError(f"{name!r} is a word of the platform's own, and no user's name")
    return name


#: The name of a user to whom something belongs.
OwnerName = Annotated[HubName, AfterValidator(_check_owner)]

#: The name of a server or a cluster of one user; empty for the default one.
ServerName = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]

#: What people write to people: several lines perhaps, but no control characters.
PLAIN_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

#: A reason that a person gives for a change, in plain words.
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500, strip_whitespace=True, pattern=PLAIN_TEXT)]

#: A moment with its zone; one without is refused, since nobody can tell when it was. So is one outside of these years,
#: with which databases and differences of times cannot be trusted.
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class Asked(BaseModel):
    """What a client sends: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Said(BaseModel):
    """What a service answers: unknown keys are ignored by older readers."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Item = TypeVar("Item")


class Page(Said, Generic[Item]):
    """One page of a list; ``next`` is the URL of the following page, or null on the last."""

    items: list[Item]
    next: str | None = None


#: The ``type`` of a problem: control works, but the store of a replica mints no keys or does not answer it.
STORE_UNREACHABLE = "urn:perijove:store-unreachable"


class Problem(Said):
    """An error as RFC 9457 ``application/problem+json``.

    A refusal by quota adds which ``limit``, how much is ``used``, in which ``unit``, and when it ``frees_at``.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    limit: float | None = None
    used: float | None = None
    unit: str | None = None
    frees_at: datetime | None = None


class Resources(Asked):
    """What one workload may use at once."""

    cpu: float = Field(gt=0, le=10_000, description="CPU cores")
    memory_gib: float = Field(gt=0, le=100_000, description="memory in GiB")
    gpu: int = Field(default=0, ge=0, le=10_000, description="GPUs")


class Price(Asked):
    """Prices per hour of one unit, in the platform's currency."""

    cpu_hour: float = Field(default=0.0, ge=0)
    memory_gib_hour: float = Field(default=0.0, ge=0)
    gpu_hour: float = Field(default=0.0, ge=0)

    def hourly(self, resources: Resources) -> float:
        """What these resources cost per hour, in the platform's currency."""
        return (
            resources.cpu * self.cpu_hour + resources.memory_gib * self.memory_gib_hour + resources.gpu * self.gpu_hour
        )
