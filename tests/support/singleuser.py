"""A single-user server that starts in a tenth of a second: it answers everything and runs nothing.

``PJ_FAULT`` in its environment breaks it: ``exit`` ends it at once with a last word, ``talk`` with many, ``deaf`` never
answers, ``stranger`` answers without the header that makes a single-user server, ``broken`` answers with an error,
``count`` prints what it is asked for, ``parent`` starts a process in a session of its own, as a kernel is, ``stubborn``
ignores SIGTERM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import jupyterhub

FAULT = os.environ.get("PJ_FAULT", "")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if FAULT == "count":
            print(self.path, flush=True)
        self.send_response(500 if FAULT == "broken" else 200)
        if FAULT != "stranger":
            self.send_header("X-JupyterHub-Version", jupyterhub.__version__)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    if FAULT == "exit":
        sys.exit("no room at the inn")
    if FAULT == "talk":
        sys.exit("words\0\u00fc\n" * 5000 + "the end")
    if FAULT == "parent":
        subprocess.Popen(["sleep", "3600"], start_new_session=True)
    if FAULT == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if FAULT == "deaf":
        time.sleep(3600)
    at = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    ThreadingHTTPServer((at.hostname or "127.0.0.1", at.port or 0), Handler).serve_forever()


if __name__ == "__main__":
    main()
