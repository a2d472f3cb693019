"""``python -m helm.schemas``: write each chart's ``values.schema.json`` anew."""

from helm.schemas.write import SCHEMAS, text_of

for path, model in SCHEMAS.items():
    path.write_text(text_of(model))
    print(path)
