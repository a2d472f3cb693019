"""The models of the charts' values, of which each chart's ``values.schema.json`` is made."""
