"""What a profile costs per hour: on the sites where its user could ever run it."""

from __future__ import annotations

from typing import Any

import pytest

from perijove_hub.admission.costs import hourly_costs
from tests.support.platforms import platform, profile, site

SITES = {
    "esac": site(price={"cpu_hour": 0.1, "memory_gib_hour": 0.01}, labels={"provider": "on-prem"}, images=["lab:1"]),
    "cloud": site("Cloud", "eu-de-1", cpu=64, gpu=2, price={"cpu_hour": 0.5, "gpu_hour": 3}),
    "staff": site("Staff", "moon", cpu=64, gpu=8, price={"cpu_hour": 9, "gpu_hour": 9}, groups=["staff"]),
}


@pytest.mark.parametrize(
    ("wanted", "groups", "costs"),
    [
        (profile(), [], (0.12, 0.5)),
        (profile(), ["staff"], (0.12, 9.0)),
        (profile(cpu=10), [], (5.0, 5.0)),
        (profile(gpu=1), [], (3.5, 3.5)),
        (profile(gpu=4), [], (0.0, 0.0)),
        (profile(gpu=4), ["staff"], (45.0, 45.0)),
        (profile(requires={"provider": "on-prem"}), ["staff"], (0.12, 0.12)),
        (profile(image="lab:1"), [], (0.12, 0.5)),
        (profile(image="lab:2"), [], (0.5, 0.5)),
        (profile(cpu=1 / 3), [], (0.053333, 0.166667)),
    ],
)
def test_a_profile_costs_what_its_sites_ask(
    wanted: dict[str, Any], groups: list[str], costs: tuple[float, float]
) -> None:
    policy = platform(sites=SITES, profiles={"wanted": wanted}, datasets={})
    assert hourly_costs(policy, policy.profiles["wanted"], frozenset(groups)) == costs
