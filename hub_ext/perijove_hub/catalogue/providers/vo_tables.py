"""Services of the Virtual Observatory that answer queries over tables (TAP): schemas and tables as a tree.

Source: IVOA "Table Access Protocol" 1.1, section 4 (TAP_SCHEMA).
"""

from __future__ import annotations

from urllib.parse import urlencode

from perijove_hub.catalogue import texts, votables
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.models import Branch, Found
from perijove_hub.catalogue.names import path_segment, segment_name
from perijove_hub.catalogue.providers.base import Provider, file_leaf, folder_leaf, no_such, slice_of

#: Rows of the sample that stands for a table.
SAMPLE_ROWS = 1000
SCHEMAS_MAX = 2000
TABLES_MAX = 20_000


class TapProvider(Provider):
    """A service as one dataset: a directory for each schema, in it a sample of each table as a VOTable file."""

    def harvest(self, session: GuardedSession) -> list[Found]:
        """The service, with its schemas as keywords."""
        schemas = self._schemas(session)
        return [self.whole(["VOTable"], schemas[: texts.WORDS_MAX])]

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """Schemas, or the tables of one."""
        if not path:
            return slice_of([folder_leaf("", path_segment(name)) for name in self._schemas(session)], cursor, limit)
        try:
            schema = segment_name(path)
        except ValueError as error:
            raise no_such(path) from error
        if "/" in path or not self.takes(schema):
            raise no_such(path)
        quoted = schema.replace("'", "''")
        query = f"SELECT table_name FROM TAP_SCHEMA.tables WHERE schema_name = '{quoted}'"  # noqa: S608 - ADQL, quoted
        tables = self._column(session, query, TABLES_MAX)
        if not tables:
            raise no_such(path)
        leaves = [file_leaf(path, f"{path_segment(name)}.vot", self._sample(name)) for name in sorted(set(tables))]
        return slice_of(leaves, cursor, limit)

    def _schemas(self, session: GuardedSession) -> list[str]:
        names = self._column(session, "SELECT schema_name FROM TAP_SCHEMA.schemas", SCHEMAS_MAX)
        return sorted({name for name in names if self.takes(name)})

    def _column(self, session: GuardedSession, query: str, most: int) -> list[str]:
        rows = votables.ask(session, "column", url=self.spec.url, query=query, most=most)
        return [text for (value,) in rows if (text := texts.line(value))]

    def _sample(self, table: str) -> str:
        query = {
            "REQUEST": "doQuery",
            "LANG": "ADQL",
            "FORMAT": "votable",
            # the service's own name of the table, written as it must be in a query
            "QUERY": f"SELECT TOP {SAMPLE_ROWS} * FROM {table}",  # noqa: S608 - for the service that named it
        }
        return f"{self.spec.url.rstrip('/')}/sync?{urlencode(query)}"
