"""Dask Gateways in the platform file."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from perijove_hub.policy import Platform
from tests.support.platforms import platform, site


def made(**services: str | None) -> Platform:
    """A platform whose sites have gateways of these names as services of the hub."""
    sites: dict[str, Any] = {}
    for name, service in services.items():
        dask = {"address": f"https://{name}.example", "proxy_address": f"gateway://{name}.example:8786"}
        sites[name] = site(dask={**dask, "secret": f"{name}-dask", "service": service})
    return platform(sites=sites, datasets={})


def test_each_gateway_is_a_service_of_its_own() -> None:
    sites = made(esac=None, cloud="dask-in-the-cloud").sites
    told = {name: each.dask.service_of(name) for name, each in sites.items() if each.dask is not None}
    assert told == {"esac": "dask-esac", "cloud": "dask-in-the-cloud"}


@pytest.mark.parametrize(
    ("services", "whose"),
    [
        ({"esac": None, "cloud": "dask-esac"}, "esac"),
        ({"esac": "dask", "cloud": "dask"}, "esac"),
        ({"esac": "perijove"}, "the platform itself"),
        ({"esac": "perijove-controller"}, "the platform itself"),
    ],
)
def test_two_services_of_one_name_are_a_fault(services: dict[str, str | None], whose: str) -> None:
    with pytest.raises(ValidationError, match=f"is that of {whose} already"):
        made(**services)
