"""The routes below ``perijove/``: datasets, trees, previews, snippets, usage, notices. Files are in ``files``."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

from tornado import web

from perijove.client import Search, next_cursor
from perijove.errors import BadRequest
from perijove.models import EntryPage, FacetName, KeepRequest, Page
from perijove.paths import check_dataset_id, check_path

from .base import PerijoveHandler, sentences
from .dask import dashboard
from .dask import handlers as dask_handlers
from .files import FileHandler
from .home.page import CleanupHandler
from .preview.answers import COLORMAPS, SCALES, STRETCHES
from .preview.contents import AXES_MAX, EXACT_MAX
from .preview.pool import PreviewFailed
from .preview.service import Wish
from .snippets import snippet

TREE_LIMIT_DEFAULT = 200
TREE_LIMIT_MAX = 1000
DATASETS_LIMIT_MAX = 1000
FACET_VALUES_MAX = 50
HDU_MAX = 10_000


class DatasetsHandler(PerijoveHandler):
    """``GET datasets?q=&catalogue=&format=&provider=&licence=&keyword=&bbox=&frame=&since=&until=…``.

    What control finds for this user; its facets may be given several times.
    """

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """One page."""
        said: dict[str, Any] = {name: self.text_argument(name) for name in ("q", "bbox", "frame", "since", "until")}
        said |= {name: self.several_arguments(name, FACET_VALUES_MAX) for name in get_args(FacetName)}
        search = Search(**said)
        limit = self.whole_argument("limit", None, 1, DATASETS_LIMIT_MAX)
        page = await self.service.datasets(search, self.text_argument("cursor"), limit)
        following = next_cursor(page.next)
        asked = search.params() | ({"limit": str(limit)} if limit else {})
        url = self.route_url("datasets", **asked, cursor=following) if following else None
        self.write_model(page.model_copy(update={"next": url}))


class DatasetHandler(PerijoveHandler):
    """``GET datasets/{id}``: one dataset."""

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """The dataset."""
        self.write_model((await self.service.readers.get(check_dataset_id(dataset_id))).dataset)


class CopiesHandler(PerijoveHandler):
    """``GET datasets/{id}/copies``: its replicas in the order in which they are asked, as this server has found them.

    Kernels measure for themselves.
    """

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """All of them, on one page."""
        reader = await self.service.readers.get(check_dataset_id(dataset_id))
        self.write_model(Page(items=reader.copies(), next=None))


class TreeHandler(PerijoveHandler):
    """``GET datasets/{id}/tree?path=&prefix=&cursor=&limit=``: one page of one directory.

    ``prefix`` is how the names in it begin.
    """

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """The page."""
        path = check_path(self.text_argument("path"), directory=True)
        begins = self.text_argument("prefix")
        cursor = self.text_argument("cursor") or None
        limit = self.whole_argument("limit", TREE_LIMIT_DEFAULT, 1, TREE_LIMIT_MAX) or TREE_LIMIT_DEFAULT
        reader = await self.service.readers.get(check_dataset_id(dataset_id))
        self.service.previews.pool.warm()  # who looks at a tree will look at a file
        page = await self.service.tree(reader, path, cursor, limit, begins)
        following = page.cursor and self.route_url(
            "datasets", dataset_id, "tree", path=path, prefix=begins, cursor=page.cursor, limit=str(limit)
        )
        self.write_model(EntryPage(items=page.items, next=following, skipped=page.skipped))


class _PreviewBase(PerijoveHandler):
    def wish(self) -> Wish:
        """What the query asks to see.

        Raises:
            BadRequest: an argument is none of its choices.
        """
        return Wish(
            path=check_path(self.text_argument("path"), directory=True),
            hdu=self.whole_argument("hdu", None, 0, HDU_MAX),
            stretch=self.choice_argument("stretch", STRETCHES),
            scale=self.choice_argument("scale", SCALES),
            colormap=self.choice_argument("colormap", COLORMAPS),
            node=self.text_argument("node") or None,
            index=self.whole_arguments("index", AXES_MAX, EXACT_MAX),
            first_row=self.whole_argument("first_row", 0, 0, EXACT_MAX) or 0,
            window=self._window(),
            limits=self._limits(),
        )

    def _window(self) -> tuple[int, int, int, int] | None:
        numbers = self.whole_arguments("window", 4, EXACT_MAX)
        if not numbers:
            return None
        if len(numbers) != 4 or 0 in numbers[2:]:
            raise BadRequest(
                "The argument 'window' must be x, y, width and height in pixels of the whole picture, as 0,0,512,512; "
                "width and height are at least 1."
            )
        return numbers[0], numbers[1], numbers[2], numbers[3]

    def _limits(self) -> tuple[float, float] | None:
        text = self.text_argument("limits")
        if not text:
            return None
        try:
            low, high = map(float, text.split(","))
        except ValueError:
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise BadRequest(
                "The argument 'limits' must be two numbers with a comma between, the smaller one first, as -0.5,12."
            )
        return low, high


class PreviewHandler(_PreviewBase):
    """``GET datasets/{id}/preview?path=&hdu=&stretch=&scale=&colormap=&node=&index=&first_row=&window=&limits=``.

    A look, as JSON.
    """

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """The preview; ``content.url`` of an image is relative to ``perijove/``."""
        wish = self.wish()
        reader = await self.service.readers.get(check_dataset_id(dataset_id))
        self.write_model((await self.service.previews.look(reader, wish)).preview)


class PictureHandler(_PreviewBase):
    """``GET datasets/{id}/preview/image?…``: the picture of the same look."""

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """The picture, as PNG."""
        wish = self.wish()
        reader = await self.service.readers.get(check_dataset_id(dataset_id))
        shown = await self.service.previews.look(reader, wish)
        if not shown.picture:
            raise PreviewFailed("This preview has no picture: it is text.", 415)
        self.set_header("Cache-Control", "private, no-cache")
        self.finish(shown.picture, set_content_type="image/png")


class SnippetHandler(PerijoveHandler):
    """``GET datasets/{id}/snippet?path=&hdu=&node=``: code that opens it, to be run as it stands."""

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """The code."""
        path = check_path(self.text_argument("path"), directory=True)
        hdu = self.whole_argument("hdu", None, 0, HDU_MAX)
        reader = await self.service.readers.get(check_dataset_id(dataset_id))
        code = await snippet(self.service, reader, path, hdu, self.text_argument("node") or None)
        self.finish(json.dumps({"language": "python", "code": code}))


class UsageHandler(PerijoveHandler):
    """``GET usage``: limits, what is used of them, the lease of this session, notices, and where the pages are."""

    #: The Lab asks once a minute; that must not keep an idle session alive.
    _track_activity = False

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """All of it, as of now."""
        self.finish(json.dumps(await self.service.session.usage()))


class KeepHandler(PerijoveHandler):
    """``POST keep {minutes}``: put off the end of this session."""

    @web.authenticated
    @sentences
    async def post(self) -> None:
        """The lease as it then is."""
        self.write_model(await self.service.session.keep(self.body(KeepRequest)))


class NoticesHandler(PerijoveHandler):
    """``GET notices``: those in force, for a Lab that was not there when they were told."""

    _track_activity = False

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """One page, oldest first."""
        notices = self.service.session.notices
        await notices.refresh()
        self.write_model(Page(items=notices.current()))


class UnknownHandler(PerijoveHandler):
    """Everything else below ``perijove/``."""

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """Say so."""
        self.write_problem(404, "Not found", "There is no such route of Perijove.")


_DATASET = r"/perijove/datasets/([^/]+)"
ROUTES = [
    (r"/perijove/datasets", DatasetsHandler),
    (_DATASET, DatasetHandler),
    (_DATASET + "/copies", CopiesHandler),
    (_DATASET + "/tree", TreeHandler),
    (_DATASET + "/file", FileHandler),
    (_DATASET + "/preview", PreviewHandler),
    (_DATASET + "/preview/image", PictureHandler),
    (_DATASET + "/snippet", SnippetHandler),
    (r"/perijove/usage", UsageHandler),
    (r"/perijove/keep", KeepHandler),
    (r"/perijove/notices", NoticesHandler),
    (r"/perijove/cleanup", CleanupHandler),
    *dask_handlers.ROUTES,
    *dashboard.ROUTES,
    (r"/perijove(?:/.*)?", UnknownHandler),
]
