"""A question over HTTP without any client's help: nothing is raised, tried again or added."""

from __future__ import annotations

import urllib.error
import urllib.request


def asked(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (small letters) and body, whatever the status. In names of headers ``_`` stands for ``-``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, method=method, headers=sent))
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
