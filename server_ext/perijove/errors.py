"""What can go wrong when finding or reading data, as exceptions whose text is one plain sentence.

Every error that this package raises on purpose is a :class:`PerijoveError`. ``status`` is the HTTP status that says
the same thing, so that the server extension answers with the sentence unchanged. The text never holds a credential
or a presigned URL.
"""

from __future__ import annotations


class PerijoveError(Exception):
    """The base of all: ``detail`` is a sentence for people, ``status`` the matching HTTP status."""

    status = 500
    title = "Something went wrong"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotConfigured(PerijoveError):
    """This process was not told where the platform is."""

    status = 503
    title = "Not connected to a platform"


class ControlUnavailable(PerijoveError):
    """Perijove's control service did not answer, or not with something that can be used."""

    status = 503
    title = "The control service is not available"


class BadRequest(PerijoveError, ValueError):
    """What was asked for is not well formed."""

    status = 400
    title = "Bad request"


class InvalidPath(BadRequest):
    """A path that does not name something below a dataset."""

    title = "Bad path"


class Refused(PerijoveError, PermissionError):
    """The platform or a store does not let this user do that."""

    status = 403
    title = "Refused"


class NotFound(PerijoveError, FileNotFoundError):
    """No such dataset, object or directory."""

    status = 404
    title = "Not found"


class NoDataset(NotFound):
    """No such dataset, or none that you may read (any more).

    Not for who reads contents by name and takes what is not there for empty: that one is refused, see ``filesystem``.
    """


class NotSupported(PerijoveError):
    """A well-formed wish that this version cannot fulfil."""

    status = 501
    title = "Not supported"


class StoreUnavailable(PerijoveError, OSError):
    """An object store did not answer after bounded retries, or answered with a fault of its own."""

    status = 503
    title = "The store is not available"


class ObjectChanged(PerijoveError, OSError):
    """The object was replaced while it was being read; what was read so far must not be mixed with what follows."""

    status = 409
    title = "The object has changed"


class ClusterOver(PerijoveError, RuntimeError):
    """A cluster did not start, was stopped or has failed: the sentence says why."""

    status = 409
    title = "The cluster is over"


class ReadOnly(PerijoveError, OSError):
    """Somebody tried to write: datasets are read-only."""

    status = 405
    title = "Datasets are read-only"
