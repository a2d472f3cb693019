"""A real Kubernetes control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

The programs come out of the archive that ``PERIJOVE_CONTROL_PLANE`` names, whose SHA256SUMS stands beside it, or out
of ``.make/control-plane``, where ``tests/conformance/build_control_plane.sh`` builds them. Their API level is out of
support: they are for tests on loopback, and for nothing else. There is no kubelet; see
:class:`tests.support.kube.process_node.ProcessNode` for a node.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from perijove_demo.ports import free_ports

from .kube.certificates import make_identity
from .kube.probe_target import Target
from .kube.rights import Rule

ARCHIVE_VARIABLE = "PERIJOVE_CONTROL_PLANE"
BUILT = Path(__file__).parents[2] / ".make/control-plane"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
READY_SECONDS = 90.0
STOP_SECONDS = 10.0
#: What clusters do for those who run a hub on them; no controller of nodes, for whose leases there is no kubelet, and
#: none of endpoints, which may not be on loopback.
CONTROLLERS = (
    "namespace", "garbagecollector", "serviceaccount", "serviceaccount-token", "root-ca-cert-publisher",
    "resourcequota", "pvc-protection", "pv-protection", "persistentvolume-binder", "deployment", "replicaset",
    "statefulset", "job", "cronjob", "disruption",
)  # fmt: skip
_ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Missing(Exception):
    """Something that the control plane is made of is not there; the sentence says what to do."""


def find_programs(into: Path) -> Path:
    """The folder with the programs; an archive is unpacked below ``into``.

    Raises:
        Missing: there is neither archive nor build, or the archive is not what its sums say.
    """
    if shutil.which("etcd") is None:
        raise Missing("etcd is missing: install it with `make .make/etcd`, or Debian's package `etcd-server`")
    named = os.environ.get(ARCHIVE_VARIABLE)
    folder = BUILT if not named else _unpacked(Path(named), into / "programs")
    absent = [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]
    if absent:
        where = f"the archive {named}" if named else f"{BUILT}"
        raise Missing(
            f"{where} has no {', '.join(absent)}: name an archive of a control plane by {ARCHIVE_VARIABLE}, or build "
            "one with `make .make/control-plane/kube-scheduler`"
        )
    return folder


def _unpacked(archive: Path, into: Path) -> Path:
    if not archive.is_file():
        raise Missing(f"{ARCHIVE_VARIABLE} names {archive}, which is no file")
    sums = archive.with_name("SHA256SUMS")
    if not sums.is_file():
        raise Missing(f"{sums} is missing: it has to say the SHA-256 of {archive.name}")
    expected = {
        name.lstrip("*"): said for said, name in (line.split() for line in sums.read_text().splitlines() if line)
    }
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected.get(archive.name) != found:
        raise Missing(f"{archive} is not what {sums} says: its SHA-256 is {found}; get it anew")
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")
    return into


@dataclass
class ControlPlane:
    """A running control plane; use as ``with ControlPlane(directory) as plane``.

    ``directory`` takes the programs, the data and the logs; nobody else should read it. ``token`` is that of one who
    may do all, ``authority`` the certificate to pin, in PEM.
    """

    directory: Path
    url: str = ""
    authority: str = ""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    #: How long it took from the first process until the API said that it is ready.
    ready_seconds: float = 0.0
    _etcd_url: str = ""
    _processes: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _client: Target | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        programs, began = find_programs(self.directory), time.monotonic()
        etcd_port, peer_port, port = free_ports(3)
        self.url, self._etcd_url = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{etcd_port}"
        scheduler_token = secrets.token_urlsafe(24)
        self._write_secrets(scheduler_token)
        self._run("etcd", shutil.which("etcd") or "etcd", self._etcd_flags(peer_port))
        self._run("kube-apiserver", str(programs / "kube-apiserver"), self._api_flags(port))
        self._wait_until_ready()
        # the controllers create and delete in everybody's name; a real cluster gives each of them rights of its own
        manager = self._kubeconfig("controller-manager", self.token)
        self._run("kube-controller-manager", str(programs / "kube-controller-manager"), self._manager_flags(manager))
        scheduler = self._kubeconfig("scheduler", scheduler_token)
        flags = [f"--kubeconfig={scheduler}", "--leader-elect=false", "--port=0", "--secure-port=0"]
        self._run("kube-scheduler", str(programs / "kube-scheduler"), flags)
        self.ready_seconds = time.monotonic() - began

    def close(self) -> None:
        """Ends all of it, the last begun first."""
        if self._client is not None:
            self._client.close()
        for _, process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    # --- what it is made of -------------------------------------------------------------------------------------

    def _write_secrets(self, scheduler_token: str) -> None:
        identity = make_identity()
        self.authority = identity.authority.decode()
        key = ec.generate_private_key(ec.SECP256R1())
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        tokens = (
            f'{self.token},kubernetes-admin,admin,"system:masters"\n{scheduler_token},system:kube-scheduler,scheduler\n'
        )
        for name, content in (
            ("ca.pem", identity.authority),
            ("server.pem", identity.certificate),
            ("server.key", identity.key),
            ("accounts.key", private),
            ("accounts.pub", public),
            ("tokens.csv", tokens.encode()),
        ):
            path = self.directory / name
            path.touch(mode=0o600)
            path.write_bytes(content)

    def _etcd_flags(self, peer_port: int) -> list[str]:
        peer = f"http://127.0.0.1:{peer_port}"
        return [
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api_flags(self, port: int) -> list[str]:
        return [
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={self.directory / 'server.pem'}",
            f"--tls-private-key-file={self.directory / 'server.key'}",
            f"--cert-dir={self.directory}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--anonymous-auth=false",
            "--authorization-mode=RBAC",
            # as OpenShift has it: who names an owner that waits for it needs a right on that owner
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.directory / 'accounts.key'}",
            f"--service-account-key-file={self.directory / 'accounts.pub'}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",  # it would write its own address, and endpoints may not be on loopback
        ]

    def _manager_flags(self, kubeconfig: Path) -> list[str]:
        return [
            f"--kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--port=0",
            "--secure-port=0",
            f"--controllers={','.join(CONTROLLERS)}",
            f"--service-account-private-key-file={self.directory / 'accounts.key'}",
            f"--root-ca-file={self.directory / 'ca.pem'}",
        ]

    def _kubeconfig(self, name: str, token: str) -> Path:
        return self.kubeconfig(self.directory / f"{name}.kubeconfig", token=token)

    def _run(self, name: str, program: str, flags: Sequence[str]) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*_ENDS_WITH_US, program, *flags], cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append((name, process))

    def _wait_until_ready(self) -> None:
        ends_at = time.monotonic() + READY_SECONDS
        while True:
            for name, process in self._processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended with code {process.returncode}: {self.log_tail(name)}")
            try:
                if self.target.ask("GET", "/readyz").status == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            if time.monotonic() > ends_at:
                raise RuntimeError(
                    f"kube-apiserver is not ready after {READY_SECONDS:g} s: {self.log_tail('kube-apiserver')}"
                )
            time.sleep(0.1)

    # --- what tests ask of it -----------------------------------------------------------------------------------

    @property
    def target(self) -> Target:
        """A client of one who may do all, which the probe takes."""
        if self._client is None:
            self._client = Target(self.url, self.token, self.add_account, self.compact, self.authority)
        return self._client

    @property
    def version(self) -> str:
        """Which Kubernetes it is."""
        return str(self.target.get("/version")["gitVersion"])

    @property
    def etcd_version(self) -> str:
        """Which etcd it keeps its objects in."""
        return str(httpx.get(f"{self._etcd_url}/version", trust_env=False).json()["etcdserver"])

    def log_tail(self, name: str, size_bytes: int = 2000) -> str:
        """The end of the log of one of its programs."""
        return (self.directory / f"{name}.log").read_bytes()[-size_bytes:].decode(errors="replace")

    def objects(self, resource: str, namespace: str = "") -> list[dict[str, Any]]:
        """All objects of a resource of the core group in a namespace, as they are now."""
        items: list[dict[str, Any]] = self.target.get(f"/api/v1/namespaces/{namespace}/{resource}")["items"]
        return items

    def kubeconfig(self, path: Path, namespace: str = "default", *, token: str | None = None) -> Path:
        """Writes a file by which clients find this cluster, as the administrator unless another token is given."""
        authority = base64.b64encode(self.authority.encode()).decode()
        said = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "plane", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "plane", "user": {"token": token or self.token}}],
            "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "plane", "namespace": namespace}}],
            "current-context": "plane",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(said))
        return path

    def add_account(self, namespace: str, name: str, rules: Iterable[Rule]) -> str:
        """The token of a new service account with such rights, by roles and bindings as charts make them.

        Rules without a namespace are given by a ClusterRole.
        """
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.target.make(accounts, {"metadata": {"name": name}})
        by_place: dict[str, list[dict[str, Any]]] = {}
        for rule in rules:
            by_place.setdefault(rule.namespace, []).append(_to_rbac(rule))
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        for place, said in by_place.items():
            kind, path = ("Role", f"{_RBAC}/namespaces/{place}") if place else ("ClusterRole", _RBAC)
            metadata = {"name": name if place else f"{namespace}-{name}"}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]}
            self.target.make(f"{path}/{kind.lower()}s", {"metadata": metadata, "rules": said})
            binding = {"metadata": metadata, "roleRef": reference, "subjects": [subject]}
            self.target.make(f"{path}/{kind.lower()}bindings", binding)
        return self.account_token(namespace, name)

    def account_token(self, namespace: str, name: str, life_seconds: int = 7200) -> str:
        """A token of a service account that is there."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": life_seconds},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = str(self.target.make(path, request)["status"]["token"])
        # the authorizer reads roles from caches of its own, which take a moment
        self.target.until(lambda: self.target.ask("GET", "/api", token=token).status != httpx.codes.UNAUTHORIZED)
        return token

    def compact(self) -> None:
        """Makes etcd forget all versions but the newest."""
        everything = {
            "key": base64.b64encode(b"\0").decode(),
            "range_end": base64.b64encode(b"\0").decode(),
            "limit": "1",
        }
        with httpx.Client(base_url=self._etcd_url, trust_env=False) as etcd:
            revision = etcd.post("/v3/kv/range", json=everything).json()["header"]["revision"]
            answer = etcd.post("/v3/kv/compaction", json={"revision": revision, "physical": True})
        if answer.is_error:
            raise RuntimeError(f"etcd did not compact to {revision}: {answer.status_code} {answer.text}")


def _to_rbac(rule: Rule) -> dict[str, Any]:
    named = {"resourceNames": list(rule.names)} if rule.names else {}
    return {"apiGroups": list(rule.groups), "resources": list(rule.resources), "verbs": list(rule.verbs), **named}
