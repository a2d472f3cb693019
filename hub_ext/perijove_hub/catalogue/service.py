"""The platform file's own datasets: who may see them, and in which order their copies suit a site. No I/O."""

from __future__ import annotations

from itertools import count

from perijove.models import Dataset, Replica
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.citations import bibtex
from perijove_hub.policy.models import EVERYBODY, DatasetSpec, Platform, ReplicaSpec

GIB = 2**30


def may_read(dataset: DatasetSpec, groups: frozenset[str]) -> bool:
    """Whether a member of these groups may see the dataset, and read it unless it is under embargo."""
    return EVERYBODY in dataset.groups or bool(groups.intersection(dataset.groups))


def describe(platform: Platform, dataset_id: str, site: str | None) -> Dataset:
    """A dataset as it goes over the wire, its copies ranked for a session at ``site``.

    Raises:
        KeyError: the platform has no such dataset.
    """
    spec = platform.datasets[dataset_id]
    replicas = [
        Replica(
            id=replica_id,
            site=replica.site,
            region=region_of(platform, replica),
            url=replica.url,
            endpoint=replica.endpoint,
            rank=rank,
            egress_cost=_egress_cost(egress_price_gib(platform, replica, site), spec.size_bytes),
        )
        for rank, (replica_id, replica) in enumerate(ranked_replicas(platform, spec, site))
    ]
    return Dataset(
        id=dataset_id,
        title=spec.title,
        description=spec.description,
        licence=spec.licence,
        attribution=spec.attribution,
        doi=spec.doi,
        keywords=spec.keywords,
        providers=spec.providers,
        formats=spec.formats,
        size_bytes=spec.size_bytes,
        extent=spec.extent,
        delivery=spec.delivery,
        replicas=replicas,
        citation=spec.citation
        or bibtex(dataset_id, spec.title, spec.providers, _year(spec), spec.doi, spec.landing_url),
        landing_url=spec.landing_url or (f"https://doi.org/{spec.doi}" if spec.doi else None),
        embargo_until=spec.embargo.until if spec.embargo else None,
    )


def ranked_replicas(platform: Platform, spec: DatasetSpec, site: str | None) -> list[tuple[str, ReplicaSpec]]:
    """Copies with their ids, nearest first: the site's own, then its region's, then by price of moving.

    Those whose price nobody knows come last: it may be any. For a session at no known site all stay in their order.
    """
    here = platform.sites.get(site or "")

    def distance(item: tuple[int, ReplicaSpec]) -> tuple[bool, bool, bool, float, int]:
        index, replica = item
        if here is None:
            return False, False, False, 0.0, index
        price = egress_price_gib(platform, replica, site)
        is_far = region_of(platform, replica) != here.region
        return replica.site != site, is_far, price is None, price or 0.0, index

    ids = replica_ids(platform, spec)
    ranked = sorted(enumerate(spec.replicas), key=distance)
    return [(ids[index], replica) for index, replica in ranked]


def replica_ids(platform: Platform, spec: DatasetSpec) -> list[str]:
    """A stable id for each copy: its site, else its region, numbered from the second on."""
    bases = [replica.site or region_of(platform, replica) for replica in spec.replicas]
    ids: list[str] = []
    for base in bases:
        numbered = (f"{base}-{number}" for number in count(2))
        ids.append(base if base not in ids else next(name for name in numbered if name not in (*ids, *bases)))
    return ids


def region_of(platform: Platform, replica: ReplicaSpec) -> str:
    """Where a copy is: its own region, else its site's."""
    if replica.region is not None:
        return replica.region
    if replica.site is None:
        raise ValueError("a replica has a site or a region")  # the platform file's model holds this
    return platform.sites[replica.site].region


def egress_price_gib(platform: Platform, replica: ReplicaSpec, site: str | None) -> float | None:
    """The price of moving one GiB of a copy to ``site``: 0 within a region, else what the copy's site takes.

    None: nobody knows. A copy at no site of the platform is in somebody else's account, and who is at no known site may
    be anywhere.
    """
    source = platform.sites.get(replica.site or "")
    target = platform.sites.get(site or "")
    if target is not None and region_of(platform, replica) == target.region:
        return 0.0
    if source is None:
        return None
    prices = source.egress_price_gib
    if target is None:
        return None if any(prices.values()) else 0.0
    return prices.get(target.region, prices["default"])


def _egress_cost(price_gib: float | None, size_bytes: int | None) -> float | None:
    if not price_gib:
        return price_gib
    return None if size_bytes is None else round(price_gib * size_bytes / GIB, 6)


def _year(spec: DatasetSpec) -> int | None:
    """The year for a citation: of the newest data; None when nobody has said when they are of."""
    intervals = (texts.extent(spec.extent) or {}).get("temporal", {}).get("interval", ())
    moments = [texts.moment(each) for start, end in intervals[:1] for each in (end, start)]
    return next((found.year for found in moments if found), None)
