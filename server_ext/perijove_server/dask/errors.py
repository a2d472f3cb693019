"""What can go wrong with a gateway, beside the errors of :mod:`perijove.errors`."""

from __future__ import annotations

from perijove.errors import PerijoveError


class GatewayUnavailable(PerijoveError):
    """A gateway did not answer, or not with something that can be used."""

    status = 503
    title = "The Dask Gateway is not available"


class NotAccepted(PerijoveError):
    """A gateway does not do what was asked, and says why: an option that cannot be, or a limit that is in the way."""

    status = 422
    title = "The Dask Gateway does not accept this"


class NotNow(PerijoveError):
    """A cluster is in a state in which this cannot be done."""

    status = 409
    title = "Not now"
