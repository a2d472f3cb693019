"""The hub of the soak: that of the bed, with an admin whose token may change limits."""

from pathlib import Path

from perijove_hub.sites import bounded
from perijove_hub.web.auth import ADMIN_SCOPE

load_subconfig(str(Path(__file__).parents[1] / "support/bed_config.py"))  # noqa: F821 - JupyterHub puts it there
c = get_config()  # noqa: F821 - likewise
c.JupyterHub.load_roles.append(
    {"name": "soak-admin", "scopes": [ADMIN_SCOPE, "access:services!service=perijove"], "users": ["root"]}
)
# a site that hangs, hangs for as long as its fault lasts and a little more, not for a minute
bounded.POLL_SECONDS, bounded.LIST_SECONDS, bounded.STOP_SECONDS = 2.0, 3.0, 8.0
