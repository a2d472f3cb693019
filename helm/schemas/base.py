"""What the values of both charts share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

#: The name of an object of Kubernetes that becomes part of addresses.
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]

#: The name of a Secret or ServiceAccount, which may hold dots.
DottedName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", max_length=253)]

#: As :data:`DottedName`, or nothing.
MaybeName = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$", max_length=253)]

#: The key of an entry of a Secret.
SecretKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]

#: A block of addresses, of version 4 or 6.
Cidr = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]{1,3}\.){3}[0-9]{1,3}/([0-9]|[12][0-9]|3[0-2])$|^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
]

Port = Annotated[int, Field(ge=1, le=65535)]

#: A part of Kubernetes' own objects, which the cluster judges.
KubernetesObject = dict[str, Any]


class Values(BaseModel):
    """Base of every part of the values: camelCase as in other charts, and no key that is not known.

    Nothing has a default here: values.yaml, with which Helm merges what it is given, has them all.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, use_attribute_docstrings=True, title=None
    )
