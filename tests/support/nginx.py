"""A real nginx that serves a directory as archives do: ranges, ETags, index pages in HTML and in JSON.

``/files/`` has strong ETags and HTML indexes, ``/json/`` the same with JSON indexes; ``/weak/`` has weak ETags, as
archives behind caches and compressors have, ``/bare/`` none; ``/whole/`` gives no parts. All else is another server's.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from perijove_demo.ports import free_ports

MISSING = "nginx is missing: install it with `make .make/nginx`, or Debian's package `nginx`"

CONFIG = """{user} daemon off; worker_processes 1; pid {state}/nginx.pid; error_log {state}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {state}/access.log combined; sendfile on; default_type application/octet-stream;
  types {{ text/html html; text/plain txt; application/json json; }}
  client_body_temp_path {state}/t1; proxy_temp_path {state}/t2; fastcgi_temp_path {state}/t3;
  uwsgi_temp_path {state}/t4; scgi_temp_path {state}/t5;
  server {{
    listen 127.0.0.1:{port}; server_name localhost; autoindex on;
    location /files/ {{ alias {root}/; autoindex_exact_size on; }}
    location /json/ {{ alias {root}/; autoindex_format json; }}
    location /weak/ {{ alias {root}/; etag off; add_header ETag 'W/"$sent_http_last_modified"'; }}
    location /bare/ {{ alias {root}/; etag off; }}
    location /whole/ {{ alias {root}/; max_ranges 0; }}
    location / {{ proxy_pass http://127.0.0.1:{proxied_port}; }}
  }}
}}
"""


@dataclass
class Nginx:
    """A running server, the directory it serves, and where it keeps its state."""

    url: str
    root: Path
    state: Path
    process: subprocess.Popen[bytes]

    def asked(self) -> Counter[tuple[str, str]]:
        """How many requests it has answered, by path and status."""
        lines = (self.state / "access.log").read_text().splitlines()
        return Counter((line.split('"')[1].split()[1], line.split('"')[2].split()[0]) for line in lines)

    def kill(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGTERM)  # its worker ends with it
        self.process.wait(timeout=10)


def find_nginx() -> str | None:
    """The program; None: there is none."""
    usual = "/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin"
    return shutil.which("nginx", path=usual) or shutil.which("nginx")


@contextmanager
def running_nginx(directory: Path, proxied_port: int = 9) -> Iterator[Nginx]:
    """A server on a free port of loopback that keeps all it writes in ``directory``."""
    program = find_nginx()
    if program is None:
        pytest.fail(MISSING, pytrace=False)
    root, state = directory / "root", directory / "state"
    root.mkdir()
    state.mkdir()
    (port,) = free_ports(1)
    user = "user root;" if os.geteuid() == 0 else ""  # another could not enter the directory of a test
    (state / "nginx.conf").write_text(
        CONFIG.format(user=user, port=port, root=root, state=state, proxied_port=proxied_port)
    )
    process = subprocess.Popen([program, "-p", state, "-e", state / "error.log", "-c", state / "nginx.conf"])
    server = Nginx(f"http://127.0.0.1:{port}", root, state, process)
    try:
        _wait(server, port)
        yield server
    finally:
        if process.poll() is None:
            server.kill()


def _wait(server: Nginx, port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    said = (server.state / "error.log").read_text() if (server.state / "error.log").exists() else ""
    pytest.fail(f"nginx does not start: {said[-500:]}", pytrace=False)
