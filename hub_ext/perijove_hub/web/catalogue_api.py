"""Routes of the catalogue: datasets, credentials, presigned URLs."""

from __future__ import annotations

from perijove.models import CredentialsRequest, LeaseState, PresignRequest
from perijove_hub.catalogue.paths import PathError, check_object_path
from perijove_hub.catalogue.service import describe, ranked_replicas, readable_ids, region_of
from perijove_hub.policy.models import DatasetSpec, ReplicaSpec
from perijove_hub.web.admission_api import AsksForUser
from perijove_hub.web.base import problem_error


class DatasetBase(AsksForUser):
    """What the routes of the catalogue share."""

    async def caller_site(self) -> str | None:
        """The site that copies are ranked for: ``?site=``, else where the caller's newest session runs."""
        named = self.get_query_argument("site", None)
        if named is not None:
            return named
        if self.caller.is_hub:
            return None
        rows = await self.state.admission.leases(self.caller.name, None, 20)
        return next((row.site for row in rows if row.state is LeaseState.ACTIVE), None)

    def readable(self, dataset_id: str) -> DatasetSpec:
        """The dataset, when the caller may read it.

        Raises:
            ProblemError: there is none, or it is for others; both look the same.
        """
        _, groups = self.asked_for()
        platform = self.state.platform()
        if dataset_id not in readable_ids(platform, groups):
            raise problem_error(404, "No such dataset", f"There is no dataset {dataset_id!r} that you may read.")
        return platform.datasets[dataset_id]

    async def pick(self, dataset_id: str, replica_id: str | None) -> tuple[str, ReplicaSpec, str]:
        """The replica asked for, or the nearest: its id, itself, and its region.

        Raises:
            ProblemError: there is no such dataset or replica.
        """
        spec, platform = self.readable(dataset_id), self.state.platform()
        ranked = ranked_replicas(platform, spec, await self.caller_site())
        for found_id, replica in ranked:
            if replica_id in (None, found_id):
                return found_id, replica, region_of(platform, replica)
        known = ", ".join(name for name, _ in ranked)
        raise problem_error(404, "No such replica", f"{dataset_id} has no replica {replica_id!r}; choose from {known}.")


class DatasetsHandler(DatasetBase):
    """``GET datasets?q=&group=``: the catalogue as this caller may see it."""

    async def get(self) -> None:
        """Answer with a page of datasets, by id."""
        _, groups = self.asked_for()
        if not self.caller.is_hub and (narrowed := self.get_query_arguments("group")):
            groups = groups.intersection(narrowed)
        platform, limit, cursor = self.state.platform(), self.page_limit(), self.cursor()
        ids = readable_ids(platform, groups, self.get_query_argument("q", "")[:200])
        if cursor:
            ids = [dataset_id for dataset_id in ids if dataset_id > cursor[0]]
        site = await self.caller_site()
        last = [ids[limit - 1]] if len(ids) > limit else None
        self.write_page([describe(platform, dataset_id, site) for dataset_id in ids[:limit]], last)


class DatasetHandler(DatasetBase):
    """``GET datasets/{id}``."""

    async def get(self, dataset_id: str) -> None:
        """Answer with the dataset."""
        self.readable(dataset_id)
        self.write_model(describe(self.state.platform(), dataset_id, await self.caller_site()))


class CredentialsHandler(DatasetBase):
    """``POST datasets/{id}/credentials``: an hour of read-only access to one copy of a dataset."""

    async def post(self, dataset_id: str) -> None:
        """Answer with keys; 403 where the dataset is proxied."""
        self.require_user()
        request = self.body(CredentialsRequest)
        if self.readable(dataset_id).delivery != "direct":
            detail = f"{dataset_id} is delivered through the platform; open it with perijove.open, which needs no keys."
            raise problem_error(403, "Proxied dataset", detail)
        replica_id, replica, region = await self.pick(dataset_id, request.replica)
        self.write_model(await self.state.vendor.vend(dataset_id, replica_id, replica, region, self.caller.name))


class PresignHandler(DatasetBase):
    """``POST datasets/{id}/presign``: URLs that read one object each, for a quarter of an hour."""

    # a thousand keys of S3's greatest length
    maximum_body_bytes = 2 * 2**20

    async def post(self, dataset_id: str) -> None:
        """Answer with a URL per path."""
        self.require_user()
        request = self.body(PresignRequest)
        for path in request.paths:
            try:
                check_object_path(path)
            except PathError as error:
                raise problem_error(400, "Bad path", str(error)) from error
        _, replica, region = await self.pick(dataset_id, request.replica)
        self.write_model(await self.state.vendor.presign(dataset_id, replica, region, self.caller.name, request.paths))
