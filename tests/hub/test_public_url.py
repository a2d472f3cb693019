"""The address that users open is the hub's own word for itself."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.bed import PLATFORM, Bed


def test_behind_a_proxy_that_speaks_https_the_hub_leads_there_and_its_cookies_stay_there(tmp_path: Path) -> None:
    bed = Bed(tmp_path, platform=f"public_url: https://science.example/\n{PLATFORM}")
    try:
        for name in ("proxy", "hub"):
            bed.launch(name)
        bed.wait("hub", bed.hub_is_up)
        assert httpx.get(bed.url).headers["Location"] == "https://science.example/hub/"
        with httpx.Client(base_url=bed.url) as client:
            client.get("/hub/login")
            answer = client.post("/hub/login", data={"username": "ana", "_xsrf": client.cookies["_xsrf"]})
        cookies = {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_list("Set-Cookie")}
        assert "; secure" in cookies["jupyterhub-hub-login"].lower()
    finally:
        bed.stop()
