from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.catalogue.service import describe, may_read, replica_ids
from perijove_hub.catalogue.vending import read_only_policy
from perijove_hub.policy.models import Platform
from tests.support.platforms import GIB, dataset, platform, replica, site


def catalogue(**datasets: Any) -> Platform:
    return platform(
        sites={
            "esac": site(egress_price_gib={"default": 0.05, "eu-de-1": 0.01}),
            "cloud-eu": site("Cloud EU", "eu-de-1", egress_price_gib={"default": 0.09}),
            "cloud-de": site("Cloud DE", "eu-de-1"),
            "moon": site("Moon", "moon"),
        },
        datasets={name.replace("_", "-"): said for name, said in datasets.items()},
    )


def ranks(policy: Platform, at: str | None) -> list[tuple[str, float | None]]:
    return [(each.id, each.egress_cost) for each in describe(policy, "d", at).replicas]


def test_copies_are_ranked_by_how_near_they_are_and_then_by_price() -> None:
    policy = catalogue(
        d=dataset(replica(site="cloud-eu"), replica(site="esac"), replica(region="eu-de-1"), size_bytes=10 * GIB)
    )
    assert ranks(policy, "esac") == [("esac", 0), ("cloud-eu", 0.9), ("eu-de-1", None)]
    assert ranks(policy, "cloud-eu") == [("cloud-eu", 0), ("eu-de-1", 0), ("esac", 0.1)]
    assert ranks(policy, "cloud-de") == [("cloud-eu", 0), ("eu-de-1", 0), ("esac", 0.1)]
    assert ranks(policy, "moon") == [("esac", 0.5), ("cloud-eu", 0.9), ("eu-de-1", None)]


def test_a_copy_whose_price_nobody_knows_is_not_free_and_comes_after_those_that_are_known() -> None:
    elsewhere, cloud, free = replica(region="us-east-1"), replica(site="cloud-eu"), replica(site="cloud-de")
    policy = catalogue(d=dataset(elsewhere, cloud, free, size_bytes=GIB))
    assert ranks(policy, "moon") == [("cloud-de", 0), ("cloud-eu", 0.09), ("us-east-1", None)]
    assert ranks(catalogue(d=dataset(elsewhere, size_bytes=GIB)), "moon") == [("us-east-1", None)]


def test_the_cost_of_a_dataset_whose_size_nobody_has_said_is_known_only_where_it_is_free() -> None:
    policy = catalogue(d=dataset(replica(site="cloud-eu"), replica(site="cloud-de")))
    assert ranks(policy, "moon") == [("cloud-de", 0), ("cloud-eu", None)]


@pytest.mark.parametrize("nowhere", [None, "", "gone"])
def test_without_a_site_copies_stay_in_the_order_of_the_file(nowhere: str | None) -> None:
    policy = catalogue(d=dataset(replica(site="moon"), replica(site="esac"), size_bytes=GIB))
    assert ranks(policy, nowhere) == [("moon", 0), ("esac", None)]
    policy = catalogue(d=dataset(replica(site="esac"), replica(site="moon"), size_bytes=GIB))
    assert ranks(policy, nowhere) == [("esac", None), ("moon", 0)]


def test_a_dataset_is_described_whole() -> None:
    policy = catalogue(
        d=dataset(
            replica(site="esac", endpoint="https://s3.example"),
            description="The sky.",
            attribution="ESA",
            doi="10.5270/esa-x",
            keywords=["galaxies"],
            providers=[{"name": "ESA", "roles": ["producer"]}],
            formats=["FITS"],
            extent={"spatial": {"bbox": [[0, 0, 1, 1]]}},
            delivery="proxied",
        )
    )
    assert describe(policy, "d", "esac").model_dump() == {
        "id": "d",
        "catalogue": "platform",
        "title": "Euclid",
        "description": "The sky.",
        "licence": "CC-BY-4.0",
        "attribution": "ESA",
        "doi": "10.5270/esa-x",
        "keywords": ["galaxies"],
        "providers": [{"name": "ESA", "roles": ["producer"], "url": None}],
        "formats": ["FITS"],
        "size_bytes": None,
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}},
        "delivery": "proxied",
        "replicas": [
            {
                "id": "esac",
                "site": "esac",
                "region": "eu-es-madrid",
                "url": "s3://data/euclid/",
                "endpoint": "https://s3.example",
                "rank": 0,
                "egress_cost": 0.0,
            }
        ],
        "citation": "@misc{d,\n  title = {{Euclid}},\n  author = {{ESA}},\n  doi = {10.5270/esa-x},\n"
        "  url = {https://doi.org/10.5270/esa-x}\n}",
        "landing_url": "https://doi.org/10.5270/esa-x",
        "embargo_until": None,
        "readable": True,
    }


NAMES = ["a", "a-2", "a-3", "b"]


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8))
def test_every_copy_has_an_id_of_its_own(places: list[str]) -> None:
    policy = platform(
        sites={name: site(name, "r") for name in NAMES},
        datasets={"d": dataset(*(replica(site=name) for name in places))},
    )
    ids = replica_ids(policy, policy.datasets["d"])
    assert len(set(ids)) == len(places)
    for name in set(places):
        assert ids[places.index(name)] == name, "the first copy at a site is called as the site"


def test_who_may_read_is_by_group() -> None:
    policy = catalogue(
        open_data=dataset(replica(site="esac")), staff_only=dataset(replica(site="esac"), groups=["staff"])
    )
    assert may_read(policy.datasets["open-data"], frozenset())
    assert not may_read(policy.datasets["staff-only"], frozenset({"euclid"}))


def test_the_policy_of_a_session_lets_it_list_and_read_one_prefix() -> None:
    assert json.loads(read_only_policy("data", "euclid/")) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::data"],
                "Condition": {"StringLike": {"s3:prefix": ["euclid/*"]}},
            },
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::data/euclid/*"]},
        ],
    }
    whole = json.loads(read_only_policy("data", ""))
    assert "Condition" not in whole["Statement"][0]
    assert whole["Statement"][1]["Resource"] == ["arn:aws:s3:::data/*"]
