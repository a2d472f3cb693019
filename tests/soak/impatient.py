"""The command ``perijove``, but that a site which failed is tried again after seconds, and not after a minute."""

from __future__ import annotations

import sys

from perijove_hub import cli
from perijove_hub.admission import breaker

if __name__ == "__main__":
    breaker.OUT_SECONDS = 2
    sys.exit(cli.main())
