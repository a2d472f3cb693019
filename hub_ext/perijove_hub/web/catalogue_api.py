"""Routes of the catalogue: searches, datasets, trees, credentials, URLs of files."""

from __future__ import annotations

from datetime import timedelta

from perijove.models import (
    CredentialsRequest,
    DatasetPage,
    LeaseState,
    Page,
    Presigned,
    PresignRequest,
    TreeEntry,
)
from perijove_hub.catalogue.federation import place_of
from perijove_hub.catalogue.models import CatalogueError
from perijove_hub.catalogue.paths import PathError, check_key, check_object_path
from perijove_hub.catalogue.search import Entry
from perijove_hub.catalogue.service import ranked_replicas, region_of
from perijove_hub.catalogue.vending import PRESIGNED_SECONDS
from perijove_hub.policy.models import DatasetSpec, ReplicaSpec
from perijove_hub.web.admission_api import AsksForUser
from perijove_hub.web.base import problem_error
from perijove_hub.web.catalogue_query import QueryError, parse_query


class DatasetBase(AsksForUser):
    """What the routes of the catalogue share."""

    takes_leases = True

    async def caller_site(self) -> str | None:
        """The site that copies are ranked for: ``?site=``, else where the caller's newest session runs."""
        named = self.get_query_argument("site", None)
        if named is not None:
            return named
        if self.caller.is_hub:
            return None
        rows = await self.state.admission.leases(self.caller.name, None, 20)
        return next((row.site for row in rows if row.state is LeaseState.ACTIVE), None)

    async def seen(self, dataset_id: str) -> Entry:
        """The dataset, when the caller may see it.

        Raises:
            ProblemError: there is none, or it is for others; both look the same.
        """
        _, groups = self.asked_for()
        found = await self.state.catalogue.find(dataset_id, groups)
        if found is None:
            raise problem_error(404, "No such dataset", f"There is no dataset {dataset_id!r} that you may read.")
        return found

    async def readable(self, dataset_id: str) -> Entry:
        """The dataset, when the caller may read it now.

        Raises:
            ProblemError: as :meth:`seen`, or it is under embargo.
        """
        found = await self.seen(dataset_id)
        _, groups = self.asked_for()
        until = found.dataset.embargo_until
        if until is not None and not found.may_read(groups, self.state.clock()):
            detail = f"{dataset_id} is under embargo until {until:%Y-%m-%d %H:%M %Z}; it can be read from then on."
            raise problem_error(403, "Under embargo", detail)
        return found

    async def own(self, dataset_id: str) -> DatasetSpec:
        """The dataset of the platform file, when the caller may read it now.

        Raises:
            ProblemError: as :meth:`readable`, or a catalogue of others names it.
        """
        if (await self.readable(dataset_id)).dataset.delivery == "linked":
            detail = f"{dataset_id} lies in an archive of others; open it with perijove.open, which needs no keys."
            raise problem_error(403, "Linked dataset", detail)
        return self.state.platform().datasets[dataset_id]

    async def pick(self, dataset_id: str, replica_id: str | None) -> tuple[str, ReplicaSpec, str]:
        """The replica asked for, or the nearest: its id, itself, and its region.

        Raises:
            ProblemError: there is no such dataset or replica.
        """
        spec, platform = await self.own(dataset_id), self.state.platform()
        ranked = ranked_replicas(platform, spec, await self.caller_site())
        for found_id, replica in ranked:
            if replica_id in (None, found_id):
                return found_id, replica, region_of(platform, replica)
        known = ", ".join(name for name, _ in ranked)
        raise problem_error(404, "No such replica", f"{dataset_id} has no replica {replica_id!r}; choose from {known}.")


class DatasetsHandler(DatasetBase):
    """``GET datasets?q=&catalogue=&format=&provider=&licence=&keyword=&bbox=&frame=&since=&until=&group=``."""

    async def get(self) -> None:
        """Answer with a page of datasets, the facets with the first, and the catalogues."""
        _, groups = self.asked_for()
        if not self.caller.is_hub and (narrowed := self.get_query_arguments("group")):
            groups = groups.intersection(narrowed)
        names = self.request.query_arguments
        try:
            query = parse_query({name: self.get_query_arguments(name) for name in names})
        except QueryError as error:
            raise problem_error(400, "Bad search", str(error)) from error
        limit, cursor, catalogue = self.page_limit(), self.cursor(), self.state.catalogue
        result, site = await catalogue.search(query, groups, cursor), await self.caller_site()
        rest = result.entries
        page = DatasetPage(
            items=[catalogue.shown(each, groups, site) for each in rest[:limit]],
            next=self.page_after(place_of(rest[limit - 1], query)) if len(rest) > limit else None,
            facets=result.facets if cursor is None else {},
            catalogues=await catalogue.views(groups),
        )
        self.write_model(page)


class DatasetHandler(DatasetBase):
    """``GET datasets/{id}``."""

    async def get(self, dataset_id: str) -> None:
        """Answer with the dataset."""
        _, groups = self.asked_for()
        found = await self.seen(dataset_id)
        self.write_model(self.state.catalogue.shown(found, groups, await self.caller_site()))


class TreeHandler(DatasetBase):
    """``GET datasets/{id}/tree?path=&cursor=&limit=``: a page of a directory of a ``linked`` dataset."""

    async def get(self, dataset_id: str) -> None:
        """Answer with a page of entries."""
        self.require_user()
        if (await self.readable(dataset_id)).dataset.delivery != "linked":
            detail = f"{dataset_id} is listed at its store, with keys from `datasets/{dataset_id}/credentials`."
            raise problem_error(400, "Not linked", detail)
        path = self.get_query_argument("path", "", strip=False)
        if path:
            self.check_path(path)
        limit, cursor = self.page_limit(), self.get_query_argument("cursor", None)
        try:
            items, following = await self.state.catalogue.tree(dataset_id, path, cursor, limit)
        except CatalogueError as error:
            raise about(dataset_id, error) from error
        self.write_model(Page[TreeEntry](items=items, next=self.page_at(following) if following else None))

    def check_path(self, path: str, replica: ReplicaSpec | None = None) -> None:
        """Refuse what is no path below a dataset, or, of a copy, what cannot be read there.

        Raises:
            ProblemError: it is none, and why.
        """
        try:
            check_object_path(path)
            if replica is not None:
                check_key(path, replica)
        except PathError as error:
            raise problem_error(400, "Bad path", str(error)) from error


class CredentialsHandler(DatasetBase):
    """``POST datasets/{id}/credentials``: an hour of read-only access to one copy of a dataset."""

    async def post(self, dataset_id: str) -> None:
        """Answer with keys; 403 where the dataset is not direct."""
        self.require_user()
        request = self.body(CredentialsRequest)
        if (await self.own(dataset_id)).delivery != "direct":
            detail = f"{dataset_id} is delivered through the platform; open it with perijove.open, which needs no keys."
            raise problem_error(403, "Proxied dataset", detail)
        replica_id, replica, region = await self.pick(dataset_id, request.replica)
        self.write_model(await self.state.vendor.vend(dataset_id, replica_id, replica, region, self.caller.name))


class PresignHandler(TreeHandler):
    """``POST datasets/{id}/presign``: URLs that read one object each, for a quarter of an hour.

    Of a ``linked`` dataset they are the public addresses of its files, which last as long as their archive keeps them.
    """

    # a thousand keys of S3's greatest length
    maximum_body_bytes = 2 * 2**20

    async def post(self, dataset_id: str) -> None:
        """Answer with a URL per path."""
        self.require_user()
        request = self.body(PresignRequest)
        for path in request.paths:
            self.check_path(path)
        if (await self.readable(dataset_id)).dataset.delivery == "linked":
            self.write_model(await self._linked(dataset_id, request))
            return
        _, replica, region = await self.pick(dataset_id, request.replica)
        for path in request.paths:
            self.check_path(path, replica)
        self.write_model(await self.state.vendor.presign(dataset_id, replica, region, self.caller.name, request.paths))

    async def _linked(self, dataset_id: str, request: PresignRequest) -> Presigned:
        try:
            items, private_origin = await self.state.catalogue.addresses(dataset_id, request.paths)
        except CatalogueError as error:
            raise about(dataset_id, error) from error
        expires = self.state.clock() + timedelta(seconds=PRESIGNED_SECONDS)
        return Presigned(items=items, expires=expires, private_origin=private_origin)


def about(dataset_id: str, error: CatalogueError) -> CatalogueError:
    """The same error of the catalogue of a dataset, which its sentence names."""
    catalogue = dataset_id.partition(".")[0]
    return type(error)(f"{dataset_id} of the catalogue {catalogue}: {error}")
