"""Routes of admission: sites, profiles, quotas, placements, leases, inventories."""

from __future__ import annotations

from datetime import UTC, datetime

from perijove.models import (
    ClusterLease,
    ClusterRequest,
    GatewayPatch,
    Inventory,
    Kind,
    LeasePatch,
    LeaseRequest,
    PlacementRequest,
    ProfileView,
    SessionWish,
    SiteView,
)
from perijove_hub.admission.costs import hourly_costs
from perijove_hub.admission.facts import profile_is_for
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.policy.models import EVERYBODY
from perijove_hub.web.base import BaseHandler, problem_error

#: Ten thousand groups with long names.
MOST_GROUPS_BYTES = 4 * 2**20


class AsksForUser(BaseHandler):
    """A handler that the hub may ask on behalf of a user with ``?user=&group=…``, and users for themselves."""

    def asked_for(self) -> tuple[str, frozenset[str]]:
        """The user in question and the user's groups."""
        if self.caller.is_hub:
            return self.get_query_argument("user"), frozenset(self.get_query_arguments("group"))
        return self.caller.name, self.caller.groups


class SitesHandler(AsksForUser):
    """``GET sites``: the sites this user may use, with health, load and price, and whether they take starts."""

    async def get(self) -> None:
        """Answer with a page of sites."""
        _, groups = self.asked_for()
        sites = await self.state.admission.sites()
        self.write_page(
            [
                SiteView(
                    name=facts.name,
                    title=facts.policy.title,
                    kind=facts.policy.kind,
                    region=facts.policy.region,
                    health=facts.health.value,
                    health_reason=facts.health_reason,
                    load=round(facts.load, 4),
                    price=facts.policy.price,
                    capacity=facts.policy.capacity,
                    homes=facts.policy.homes,
                    closed=facts.closed or None,
                )
                for facts in sites.values()
                if EVERYBODY in facts.policy.groups or groups.intersection(facts.policy.groups)
            ]
        )


class ProfilesHandler(AsksForUser):
    """``GET profiles``: every profile, with allowed or why not, and what it costs."""

    async def get(self) -> None:
        """Answer with a page of profiles."""
        _, groups = self.asked_for()
        platform, views = self.state.platform(), []
        for name, profile in platform.profiles.items():
            allowed = profile_is_for(profile, groups)
            least, most = hourly_costs(platform, profile, groups)
            views.append(
                ProfileView(
                    name=name,
                    title=profile.title,
                    description=profile.description,
                    resources=profile.resources,
                    max_hours=profile.max_hours,
                    idle_minutes=profile.idle_minutes,
                    allowed=allowed,
                    reason=None if allowed else f"for {', '.join(profile.groups)} only",
                    cost_hour_least=least,
                    cost_hour_most=most,
                    image=profile.image if allowed else None,
                    user_images=profile.user_images if allowed else [],
                    user_images_help=profile.user_images_words if allowed else "",
                )
            )
        self.write_page(views)


class QuotasHandler(AsksForUser):
    """``GET quotas``: each limit of the caller with what is used. Admins may name a ``user``."""

    async def get(self) -> None:
        """Answer with a page of quotas."""
        if self.caller.is_hub:
            name, groups = self.asked_for()
        else:
            name, groups = self.subject("user"), self.caller.groups
            if name != self.caller.name:
                groups = await self.state.groups_of(name)
        self.write_page(await self.state.admission.quotas(name, groups))


class PlacementsHandler(BaseHandler):
    """``POST placements``: a dry run; nothing is held and nothing changes."""

    maximum_hub_body_bytes = MOST_GROUPS_BYTES

    async def post(self) -> None:
        """Answer with the ranked sites."""
        request = self.body(PlacementRequest)
        name, groups = self.caller.name, self.caller.groups
        if self.caller.is_hub:
            if request.owner is None:
                raise problem_error(422, "Does not fit", "owner: the hub must say for whom it asks.")
            name, groups = request.owner, frozenset(request.groups or ())
        elif request.owner not in (None, name) or request.groups is not None:
            raise problem_error(403, "Not allowed", "owner and groups are for the hub; yours are known.")
        wish = SessionWish.model_validate(request.model_dump(exclude={"owner", "groups"}))
        self.write_model(await self.state.admission.place(name, groups, wish))


class LeasesHandler(BaseHandler):
    """``GET leases`` lists, ``POST leases`` asks for one."""

    maximum_hub_body_bytes = MOST_GROUPS_BYTES
    takes_gateways = True

    async def get(self) -> None:
        """The caller's leases, newest first; an admin may name an ``owner``, or ``*`` for all."""
        if self.caller.gateway_site is not None:
            raise problem_error(403, "Not allowed", "A gateway knows its own clusters; it lists nobody's leases.")
        owner = self.subject_or_all("owner")
        limit, cursor = self.page_limit(), self.cursor()
        before = None
        if cursor is not None:
            try:
                # ids are hexadecimal; databases choke on some of what JSON may hold
                before = (datetime.fromisoformat(cursor[0]).astimezone(UTC), f"{int(cursor[1], 16):032x}")
            except (IndexError, OverflowError, ValueError) as error:
                raise problem_error(400, "Bad cursor", "Take `cursor` from the `next` of the page before.") from error
        rows = await self.state.admission.leases(owner, before, limit + 1)
        last = (rows[limit - 1].created.isoformat(), rows[limit - 1].id) if len(rows) > limit else None
        now = self.state.clock()
        self.write_page([row.said(now) for row in rows[:limit]], last)

    async def post(self) -> None:
        """Ask for the right to start a workload: the hub for sessions, a gateway for clusters at its own site."""
        if self.caller.gateway_site is not None:
            offer = await self.state.admission.ask_cluster(self.caller.gateway_site, self.body(ClusterRequest))
            token = self.state.lease_tokens.make(self.caller.gateway_site, offer.id)
            self.write_model(offer.model_copy(update={"token": token}), 201)
            return
        self.require_hub()
        request = self.body(LeaseRequest)
        if request.kind is not Kind.SESSION:
            raise problem_error(403, "Not allowed", f"The hub asks for sessions, not for kind {request.kind.value!r}.")
        key = self.request.headers.get("Idempotency-Key", request.attempt_id)
        if key != request.attempt_id:
            raise problem_error(422, "Does not fit", "The Idempotency-Key is the attempt id.")
        self.write_model(await self.state.admission.ask(request), 201)


class LeaseHandler(BaseHandler):
    """One lease: its owner, an admin and the hub may read it; the hub moves it, and a gateway those of its clusters."""

    takes_gateways = True

    async def get(self, lease_id: str) -> None:
        """The lease as it is now."""
        if self.caller.gateway_site is not None:
            self.write_model((await self._of_gateway(lease_id, self.caller.gateway_site)).said(self.state.clock()))
            return
        row = await self.state.admission.lease(lease_id)
        if row is None or (row.owner != self.caller.name and not self.caller.is_admin and not self.caller.is_hub):
            # the same answer for another's lease: ids tell nothing
            raise problem_error(404, "No such lease", f"You have no lease {lease_id}.")
        self.write_model(row.said(self.state.clock()))

    async def patch(self, lease_id: str) -> None:
        """Move the lease, or let a cluster hold other resources."""
        if self.caller.gateway_site is not None:
            await self._patch_cluster(lease_id, self.caller.gateway_site)
            return
        self.require_hub()
        patch = self.body(LeasePatch)
        if patch.state == "starting" and patch.site is None:
            raise problem_error(422, "Does not fit", "site: say where it is starting.")
        moved = await self.state.admission.move(lease_id, patch, patch.ended_at)
        self.write_model(moved.said(self.state.clock()))

    async def _patch_cluster(self, lease_id: str, site: str) -> None:
        patch, admission = self.body(GatewayPatch), self.state.admission
        capped = None
        if patch.resources is not None:
            row, capped = await admission.resize(site, lease_id, patch.resources, patch.step)
        elif patch.kept_until is not None:
            row = await admission.keep_cluster(site, lease_id, patch.kept_until)
        else:
            await self._of_gateway(lease_id, site)
            moved = LeasePatch(state=patch.state or "ended", reason=patch.reason, log_tail=patch.log_tail)
            row = await admission.move(lease_id, moved, patch.ended_at)
        lease = row.said(self.state.clock())
        self.write_model(ClusterLease(lease=lease, capped=capped, kept_until=row.kept_until, log_tail=row.log_tail))

    async def _of_gateway(self, lease_id: str, site: str) -> LeaseRow:
        row = await self.state.admission.lease(lease_id)
        if row is None or row.kind is not Kind.CLUSTER or row.site != site:
            raise problem_error(404, "No such lease", f"The gateway of {site} has no lease {lease_id}.")
        return row


class InventoryHandler(BaseHandler):
    """``PUT sites/{site}/inventory``: the hub says what a site runs."""

    maximum_body_bytes = 12 * 2**20

    async def put(self, site: str) -> None:
        """Keep it, and answer what must be removed there."""
        self.require_hub()
        inventory = self.body(Inventory)
        self.write_model(await self.state.admission.report(site, inventory))
