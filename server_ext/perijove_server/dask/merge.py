"""How what gateways and control say is put together for the Lab; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue, ValidationError

from perijove.errors import PerijoveError
from perijove.models import GatewayView, Lease, QuotaView
from perijove.models.compute import ClusterOption, ClusterView, GatewayFacts, GatewayHealth, Plot
from perijove.models.gateways import CHARGE_TO_OPTION, TITLE_OPTION, GatewayCluster

from .dashboard_rules import page_of
from .watch import Heard

#: No dashboard has more plots than this.
PLOTS_MAX = 200
#: The kinds of limits that are on the account of who pays.
POOLS = ("group", "class")
#: The first page of every dashboard. Not its root, which leads elsewhere than it says.
FIRST_PAGE = "status"


def dashboard_route(gateway: str, name: str, page: str = FIRST_PAGE) -> str:
    """Where a page of a dashboard is, relative to ``perijove/``."""
    return f"dask/clusters/{gateway}/{name}/dashboard/{page}"


def cluster_view(
    view: GatewayView, cluster: GatewayCluster, observed_at: datetime, leases: Mapping[str, Lease]
) -> ClusterView:
    """One cluster with what it costs; None where control does not know its lease."""
    lease = leases.get(cluster.lease_id or "")
    said: dict[str, Any] = {name: value for name, value in cluster if name not in ("dashboard", "log_tail")}
    holds = lease is not None and lease.state.is_open and not cluster.state.is_over
    return ClusterView(
        **said,
        gateway=view.site,
        gateway_title=view.title,
        has_log=bool(cluster.log_tail),
        dashboard=dashboard_route(view.site, cluster.name) if cluster.dashboard and not cluster.state.is_over else None,
        cost=lease.cost if lease else None,
        cost_hour=(lease.cost_hour if holds else 0.0) if lease else None,
        observed_at=observed_at,
    )


def cluster_views(lists: Iterable[tuple[GatewayView, Heard | None]], leases: Mapping[str, Lease]) -> list[ClusterView]:
    """All clusters of all gateways, newest first."""
    found = [
        cluster_view(view, cluster, heard.at, leases)
        for view, heard in lists
        if heard is not None
        for cluster in heard.clusters
    ]
    return sorted(found, key=lambda each: each.created, reverse=True)


def gateway_health(view: GatewayView, heard: Heard | None, trouble: PerijoveError | None) -> GatewayHealth:
    """How current the list of one gateway is, and why it is not, in a sentence."""
    reason = None
    if trouble is not None:
        shown = "are shown as it last told them" if heard is not None else "are not shown"
        reason = f"{trouble.detail} Its clusters {shown}."
    return GatewayHealth(
        gateway=view.site,
        title=view.title,
        reachable=trouble is None,
        observed_at=heard.at if heard is not None else None,
        reason=reason,
    )


def gateway_facts(view: GatewayView, options: Sequence[ClusterOption], trouble: PerijoveError | None) -> GatewayFacts:
    """One gateway, with the options that it has or last had."""
    return GatewayFacts(
        gateway=view.site,
        title=view.title,
        region=view.region,
        reachable=trouble is None,
        reason=trouble.detail if trouble else None,
        options=list(options),
        price=view.price,
        near=view.near,
        egress_cost=view.egress_cost,
        preferred=view.preferred,
    )


def cluster_options(said: Iterable[JsonValue]) -> list[ClusterOption]:
    """The options of a gateway as Dask Gateway describes them, those that can be shown.

    The title is none of them: it has a place of its own.
    """
    found = (_option(each) for each in said)
    return [option for option in found if option is not None and option.field != TITLE_OPTION]


def payers(quotas: Iterable[QuotaView]) -> list[str]:
    """The groups of the user on whose account something is counted, classes among them."""
    pools = {quota.subject for quota in quotas if quota.per in POOLS}
    return sorted(subject.removeprefix("group:") for subject in pools if subject)


def is_others(quota: QuotaView, payer: str) -> bool:
    """Whether a limit is that of a group that does not pay."""
    return quota.per in POOLS and quota.subject not in (payer, f"group:{payer}")


def with_payer(facts: GatewayFacts, may_pay: Sequence[str], paying: str | None) -> GatewayFacts:
    """A gateway with the choice who pays, where there is one and its own options do not offer it.

    Args:
        facts: the gateway.
        may_pay: the groups to choose from.
        paying: the one that pays for this session.
    """
    if len(may_pay) < 2 or any(option.field == CHARGE_TO_OPTION for option in facts.options):
        return facts
    default = paying if paying in may_pay else may_pay[0]
    option = ClusterOption(
        field=CHARGE_TO_OPTION, label="Paid by", kind="select", default=default, choices=list(may_pay)
    )
    return facts.model_copy(update={"options": [*facts.options, option]})


def _option(said: JsonValue) -> ClusterOption | None:
    spec = said.get("spec") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(spec, dict):
        return None
    try:
        return ClusterOption.model_validate(
            {
                "field": said.get("field"),
                "label": said.get("label") or said.get("field"),
                "kind": spec.get("type"),
                "default": said.get("default"),
                "minimum": spec.get("min"),
                "maximum": spec.get("max"),
                "choices": spec.get("options") or [],
            }
        )
    except ValidationError:
        return None  # of a kind that is not known here: the gateway takes its default


def plots(said: Mapping[str, JsonValue]) -> list[Plot]:
    """The plots of a dashboard as its scheduler tells them, by title; what leads elsewhere is left out."""
    found = []
    for title, path in list(said.items())[:PLOTS_MAX]:
        page = page_of(path.lstrip("/")) if isinstance(path, str) else None
        if page:
            found.append(Plot(title=title.removeprefix("Individual ")[:200], path=page))
    return sorted(found, key=lambda plot: plot.title)
