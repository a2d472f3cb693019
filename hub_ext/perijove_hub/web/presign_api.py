"""The route of listings at the store: addresses that send one page of a ``proxied`` dataset's keys."""

from __future__ import annotations

from perijove.models import PresignListRequest
from perijove_hub.web.base import problem_error
from perijove_hub.web.catalogue_api import TreeHandler


class PresignListHandler(TreeHandler):
    """``POST datasets/{id}/presign-list``: a URL that lists one prefix, for a quarter of an hour."""

    async def post(self, dataset_id: str) -> None:
        """Answer with the URL."""
        self.require_user()
        request = self.body(PresignListRequest)
        path = request.path.removesuffix("/")
        for each in (path, request.start_after):
            if each:
                self.check_path(each)
        if "/" in request.begins:
            raise problem_error(400, "Bad path", "`begins` is the beginning of names in `path`: it holds no slash.")
        if (await self.own(dataset_id)).delivery != "proxied":
            detail = f"{dataset_id} is listed at its store, with keys from `datasets/{dataset_id}/credentials`."
            raise problem_error(400, "Not proxied", detail)
        _, replica, region = await self.pick(dataset_id, request.replica)
        for each in (path, request.start_after):
            if each:
                self.check_path(each, replica)
        asked = request.model_copy(update={"path": path})
        self.write_model(await self.state.vendor.presign_list(dataset_id, replica, region, self.caller.name, asked))
