"""Takes over the preview processes of a Jupyter server that has this folder in ``PYTHONPATH``.

Python runs a module of this name at its start. In a preview process it does what a hostile file would, had it taken
the process over: to every wish it says, byte for byte, what the file ``answer`` in another folder of ``PYTHONPATH``
holds. Nothing else of the environment reaches preview processes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if "perijove_server.preview.child" in sys.orig_argv:
    from perijove_server.preview import frames

    answer = next(path for entry in sys.path if (path := Path(entry) / "answer").is_file())
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    frames.send(outgoing, {"op": "ready"})
    while frames.receive(incoming) is not None:
        outgoing.write(answer.read_bytes())
        outgoing.flush()
    os._exit(0)
