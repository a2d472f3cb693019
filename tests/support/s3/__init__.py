"""An S3 server for tests: real signatures, sessions and policies, a sorted key index, and faults to order.

In a test with a loop::

    async with S3Bed(users={"admin": "secret"}) as bed:
        bed.put("bucket", "key", b"...")
        bed.faults.add(Fault(FaultKind.ERROR, op="GetObject", code="SlowDown", times=2))
        ...  # any S3 client at bed.endpoint, path style, any region

without one: ``with threaded_bed() as bed``, or the fixture ``s3_bed`` of :mod:`tests.support.s3.fixtures`. As a
process: ``python -m tests.support.s3 --port 9000 --directory DIR``.

It does what clients of a data platform use (see ``request.py``) and says ``NotImplemented`` to the rest. That it
behaves as others do is calibrated: ``probe.py`` passes on it and on a real gateway.
"""

from .bed import S3Bed
from .errors import S3Error
from .faults import BAD_ANSWERS, Fault, FaultKind, breaks_long_answers, is_long_range
from .sts import Session, User
from .threaded import threaded_bed

__all__ = [
    "BAD_ANSWERS",
    "Fault",
    "FaultKind",
    "S3Bed",
    "S3Error",
    "Session",
    "User",
    "breaks_long_answers",
    "is_long_range",
    "threaded_bed",
]
