"""The schemas of the charts as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from helm.schemas.platform import PlatformValues
from helm.schemas.site import SiteValues

#: Of each chart the file that Helm reads, and the model that it is made of.
SCHEMAS: dict[Path, type[BaseModel]] = {
    Path(__file__).parents[1] / chart / "values.schema.json": model
    for chart, model in (("perijove", PlatformValues), ("perijove-site", SiteValues))
}


def text_of(model: type[BaseModel]) -> str:
    """The JSON schema of a chart's values, in a form that is the same at each time."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_plain(model.model_json_schema())}
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(part: Any, *, is_names: bool = False) -> Any:
    """Without defaults and made-up titles: values.yaml has the defaults, and Helm takes none from a schema."""
    if isinstance(part, list):
        return [_plain(each) for each in part]
    if not isinstance(part, dict):
        return part
    if "discriminator" in part and not is_names:
        return _by_kind(part["discriminator"])
    left_out = () if is_names else ("default", "title")
    plain = {
        key: _plain(value, is_names=key in ("properties", "$defs"))
        for key, value in part.items()
        if key not in left_out
    }
    if "patternProperties" in plain and not is_names:
        # pydantic refuses a name that does not fit, and says so to nobody
        plain["additionalProperties"] = False
    return plain


def _by_kind(discriminator: dict[str, Any]) -> dict[str, Any]:
    """One of several models, by the key that tells them apart: of `oneOf`, Helm would tell why it is none of all."""
    key, mapping = discriminator["propertyName"], discriminator["mapping"]
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": sorted(mapping)}},
        "allOf": [
            {"if": {"properties": {key: {"const": kind}}, "required": [key]}, "then": {"$ref": where}}
            for kind, where in sorted(mapping.items())
        ],
    }
