"""What obstore cannot ask the stores of ``direct`` datasets for, signed here with the user's own credentials.

Listings, one ListObjectsV2 for each page: ``list_with_delimiter`` collects all pages before it answers, ``list`` knows
no delimiter, and both give up a whole listing for one key that its parser takes for no path, as ``a//b``. And the
objects of such keys. aiobotocore could, but takes half a second and 20 MB to import and brings a second HTTP stack. So
each GET is signed by botocore's signer, which is light, and sent with the HTTP clients that are here anyway.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from .client import AsyncControlClient
from .credentials import CredentialSource
from .keys import key_of_path
from .listed import Listed
from .models import Credentials, Dataset, PresignListRequest, Replica
from .pages import Page

#: An address of our own is used at once, or soon.
SIGNED_SECONDS = 60


async def list_page(
    client: AsyncControlClient, dataset: Dataset, replica: Replica, source: CredentialSource, wish: PresignListRequest
) -> Listed:
    """One page of the keys that ``wish`` asks for (its own ``replica`` is not looked at).

    Raises:
        PerijoveError: control gives no credentials; the store refuses or does not answer; the cursor is not its own.
    """
    credentials, page = await source.get(), Page(dataset, replica, wish)
    found = await page.fetch(client, _page_url(credentials, wish))
    doubtful = found in (400, 401, 403) and credentials.kind != "anonymous"
    if doubtful and source.forget(credentials):  # they may have ended early
        found = await page.fetch(client, _page_url(await source.get(), wish))
    if isinstance(found, Listed):
        return found
    raise page.refusal(found)


def object_url(credentials: Credentials, path: str) -> str:
    """A URL that reads one object for a minute, whatever its key; not to be cleaned up by what sends it."""
    return _signed(credentials, f"{credentials.bucket_url}/{quote(key_in(credentials, path))}")


def _page_url(credentials: Credentials, wish: PresignListRequest) -> str:
    query = {"list-type": "2", "encoding-type": "url", "max-keys": str(wish.limit)}
    query |= {"prefix": _prefix(credentials, wish.path) + wish.begins}
    query |= {"delimiter": wish.delimiter} if wish.delimiter else {}
    query |= {"continuation-token": wish.cursor} if wish.cursor else {}
    query |= {"start-after": key_in(credentials, wish.start_after)} if wish.start_after else {}
    encoded = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    return _signed(credentials, f"{credentials.bucket_url}?{encoded}")


def key_in(credentials: Credentials, path: str) -> str:
    """The key in the bucket of an object below the dataset: always within its prefix."""
    return _prefix(credentials, "") + key_of_path(path)


def _prefix(credentials: Credentials, path: str) -> str:
    """The prefix of the keys of a directory: always within the dataset, always ending in a slash unless empty."""
    root = credentials.prefix.strip("/")
    return (f"{root}/" if root else "") + (f"{key_of_path(path)}/" if path else "")


def _signed(credentials: Credentials, url: str) -> str:
    """The URL with a signature in it, that allows a GET of it for a minute."""
    if credentials.kind == "anonymous":
        return url
    # Imported when it is needed first: it takes a tenth of a second that nothing else need wait for.
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotoCredentials

    keys = BotoCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    request = AWSRequest("GET", url)
    S3SigV4QueryAuth(keys, "s3", credentials.region, SIGNED_SECONDS).add_auth(request)
    return str(request.url)
