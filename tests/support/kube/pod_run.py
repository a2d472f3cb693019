"""One pod on a node, from the first look at its manifest to its end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .environment import ConfigMissing, command_line, variables
from .fates import Fate, FateKind
from .processes import KILLED_CODE, PretendedProcess, Process, RealProcess
from .resources import Object
from .statuses import ContainerState, pod_conditions
from .store import now_text

if TYPE_CHECKING:
    from .kubelet import Kubelet

#: How often what is missing is looked for again.
RETRY_SECONDS = 1.0
MOST_BACK_OFF_SECONDS = 300.0
POLL_SECONDS = 0.01


@dataclass(slots=True)
class Container:
    """One container of the pod."""

    manifest: Object
    state: ContainerState
    process: Process | None = None
    #: What a fate makes of its next end: the exit code and the reason.
    verdict: tuple[int, str] | None = None
    logs: list[Path] = field(default_factory=list)


class PodRun:
    """A pod that its kubelet looks after."""

    def __init__(self, kubelet: Kubelet, pod: Object) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.address = kubelet.new_address()
        self.containers = _containers(pod, "containers")
        self.is_silent = False
        self.has_lost_power = False
        self._kubelet = kubelet
        self._init_containers = _containers(pod, "initContainers")
        self._fate: Fate | None = kubelet.fates.of(pod)
        self._work: asyncio.Task[None] | None = None
        self._phase = "Pending"
        self._reason: tuple[str, str] | None = None
        self._started_at = now_text()
        self._is_initialized = False
        self._is_ending = False
        metadata = pod["metadata"]
        self._directory = kubelet.directory / "pods" / f"{metadata['namespace']}_{metadata['name']}_{self.uid[:8]}"

    # --- its life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts what the manifest says and tells of it until all has ended, or the pod is to go."""
        self._work = asyncio.ensure_future(self._run())
        with contextlib.suppress(asyncio.CancelledError):
            await self._work

    async def _run(self) -> None:
        fate = self._fate
        await self.tell()
        if fate and fate.kind is FateKind.SLOW_START:
            await asyncio.sleep(fate.after_seconds)
        if fate and fate.kind is FateKind.IMAGE_PULL:
            await self._pull_for_ever(fate)
        self._directory.mkdir(parents=True, exist_ok=True)
        for container in self._init_containers:
            if not await self._tend(container, "Never" if self.restarts == "Never" else "OnFailure"):
                return await self._end("Failed")
        self._is_initialized = True
        tending = [asyncio.ensure_future(self._tend(each, self.restarts)) for each in self.containers]
        befalling = asyncio.ensure_future(self._befall(fate)) if fate else None
        try:
            well = await asyncio.gather(*tending)
        finally:
            for task in (*tending, befalling):
                if task is not None:
                    task.cancel()
        return await self._end("Succeeded" if all(well) else "Failed")

    @property
    def restarts(self) -> str:
        """When its containers are started again: ``Always``, ``OnFailure`` or ``Never``."""
        return str(self.pod["spec"].get("restartPolicy", "Always"))

    async def _tend(self, container: Container, policy: str) -> bool:
        """Starts a container, and again as the policy says; whether it ended well."""
        state, back_off_seconds = container.state, 0.0
        while True:
            process = await self._started(container)
            self._phase = "Running" if self._is_initialized else self._phase
            await self.tell()
            code = await process.wait()
            container.process = None
            code, reason = container.verdict or (code, "Completed" if code == 0 else "Error")
            container.verdict = None
            state.end(code, reason)
            if policy == "Never" or (policy == "OnFailure" and code == 0) or self._is_ending:
                return code == 0
            await self.tell()
            state.begin_again()
            if back_off_seconds:  # the first start again is at once
                pod = self.pod["metadata"]
                where = f"{pod['name']}_{pod['namespace']}({self.uid})"
                message = f"back-off {back_off_seconds:.0f}s restarting failed container={state.name} pod={where}"
                state.wait("CrashLoopBackOff", message)
                await self._say("BackOff", f"Back-off restarting failed container {state.name}", warning=True)
                await self.tell()
                await asyncio.sleep(back_off_seconds)
            back_off_seconds = min(back_off_seconds * 2 or self._kubelet.back_off_seconds, MOST_BACK_OFF_SECONDS)

    async def _started(self, container: Container) -> Process:
        """The container's process, once all that it needs is there."""
        image = container.manifest["image"]
        while True:
            try:
                process = await self._start(container)
            except ConfigMissing as missing:
                container.state.wait("CreateContainerConfigError", str(missing))
                await self._say("Failed", f"Error: {missing}", warning=True)
            except OSError as error:
                message = f"failed to start container {container.state.name!r}: {error}"
                container.state.wait("RunContainerError", message)
                await self._say("Failed", f"Error: {message}", warning=True)
            else:
                container.process = process  # before anything is told, so that nothing that runs is forgotten
                await self._say("Pulled", f'Container image "{image}" already present on machine')
                await self._say("Created", f"Created container: {container.state.name}")
                await self._say("Started", f"Started container {container.state.name}")
                container.state.run(process.container_id)
                return process
            await self.tell()
            await asyncio.sleep(RETRY_SECONDS)

    async def _start(self, container: Container) -> Process:
        if self._kubelet.pods_at is not None:
            return PretendedProcess(f"pretended://{self.uid}/{container.state.name}")
        home = self._home()
        home.mkdir(parents=True, exist_ok=True)
        known = await variables(self._kubelet.cluster, self.pod, container.manifest, self.address, home)
        image_command = self._kubelet.image_command(container.manifest["image"])
        command = command_line(container.manifest, known, self.address, image_command)
        log = self._directory / f"{container.state.name}-{container.state.restarts}.log"
        container.logs.append(log)
        place = await self._kubelet.network.join(self.address)
        return await RealProcess.start(command, known, _working_directory(container.manifest, home), log, place)

    def _home(self) -> Path:
        """A pod's own, or that of its claim, which stays when the pod goes."""
        for volume in self.pod["spec"].get("volumes") or []:
            if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
                return Path(self._kubelet.directory / "claims" / self.pod["metadata"]["namespace"] / claim)
        return self._directory / "home"

    # --- its fate -----------------------------------------------------------------------------------------------

    async def _pull_for_ever(self, fate: Fate) -> None:
        image = self.containers[0].manifest["image"]
        failed = f'Failed to pull image "{image}": {fate.said}'
        waits = f'Back-off pulling image "{image}"'
        while True:
            await self._say("Pulling", f'Pulling image "{image}"')
            await self._say("Failed", failed, warning=True)
            await self._say("Failed", "Error: ErrImagePull", warning=True)
            await self._hold("ErrImagePull", failed)
            await self._say("BackOff", waits)
            await self._say("Failed", "Error: ImagePullBackOff", warning=True)
            await self._hold("ImagePullBackOff", waits)

    async def _hold(self, reason: str, message: str) -> None:
        """All containers wait for a while, and the pod says why."""
        for container in self.containers:
            container.state.wait(reason, message)
        await self.tell()
        await asyncio.sleep(RETRY_SECONDS)

    async def _befall(self, fate: Fate) -> None:
        """What the fate does to the pod once it runs; to its first container each time that it is started again."""
        struck: Process | None = None
        while True:
            process = self.containers[0].process
            if process is None or process is struck:
                await asyncio.sleep(POLL_SECONDS)
                continue
            await asyncio.sleep(fate.after_seconds)
            struck = process
            match fate.kind:
                case FateKind.OOM:
                    self._strike(KILLED_CODE, "OOMKilled")
                case FateKind.CRASH:
                    self._strike(fate.exit_code, "Error" if fate.exit_code else "Completed")
                case FateKind.EVICTED:
                    return await self._evict(fate)
                case FateKind.NODE_GONE:
                    self._kubelet.fates.spend(self.pod)
                    return self._kubelet.on_node_gone(self.pod["spec"]["nodeName"])

    def _strike(self, exit_code: int, reason: str) -> None:
        """The first container ends so."""
        container = self.containers[0]
        if container.process:
            container.verdict = (exit_code, reason)
            container.process.kill()

    async def _evict(self, fate: Fate) -> None:
        await self._say("Evicted", fate.said, warning=True)
        self._is_ending, self._reason = True, ("Evicted", fate.said)
        for container in self.containers:
            container.verdict = (KILLED_CODE, "Error")
        self.kill()

    # --- its end ------------------------------------------------------------------------------------------------

    async def terminate(self, grace_seconds: float) -> None:
        """Ends the pod within the grace, and says that it has gone. A second call with a shorter grace hastens it."""
        if not self._is_ending:
            self._is_ending = True
            for container in self.containers:
                if container.process:
                    await self._say("Killing", f"Stopping container {container.state.name}")
        running = [each.process for each in self.all_containers if each.process]
        await asyncio.gather(*(process.stop(grace_seconds) for process in running))
        if self._work is not None:
            if running:  # it still tells how they ended
                await asyncio.wait([self._work], timeout=RETRY_SECONDS)
            self._work.cancel()
        if not self.is_silent:
            await self._kubelet.cluster.remove(self.pod)

    async def destroy(self) -> None:
        """Ends what still runs, at once and without a word."""
        self.fall_silent()
        self._is_ending = True
        if self._work is not None:
            self._work.cancel()
        running = [each.process for each in self.all_containers if each.process]
        for process in running:
            process.kill()
        await asyncio.gather(*(process.wait() for process in running))
        await self._kubelet.network.leave(self.address)

    def kill(self) -> None:
        """Ends what runs, at once."""
        for container in self.all_containers:
            if container.process:
                container.process.kill()

    def lose_power(self) -> None:
        """What runs ends, and nothing is started again."""
        self.has_lost_power = self._is_ending = True
        self.kill()

    def fall_silent(self) -> None:
        """Nothing is told of it any more."""
        self.is_silent = True

    async def _end(self, phase: str) -> None:
        self._phase = "Failed" if self._reason else phase
        await self.tell()

    @property
    def all_containers(self) -> list[Container]:
        """Those of the beginning, and those that stay."""
        return [*self._init_containers, *self.containers]

    # --- what is told -------------------------------------------------------------------------------------------

    async def tell(self) -> None:
        """Writes the pod's status."""
        if self.is_silent:
            return
        ready = self._phase == "Running" and all(each.state.state == "running" for each in self.containers)
        over = self._phase in ("Succeeded", "Failed")
        status: Object = {
            "phase": self._phase,
            "hostIP": "127.0.0.1",
            "startTime": self._started_at,
            "conditions": pod_conditions(
                initialized=self._is_initialized or not self._init_containers,
                ready=ready,
                reason="PodCompleted" if over else "ContainersNotReady",
            ),
            "containerStatuses": [each.state.to_status() for each in self.containers],
        }
        if self._init_containers:
            status["initContainerStatuses"] = [each.state.to_status() for each in self._init_containers]
        if any(each.state.container_id for each in self.all_containers):
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        if self._reason:
            status["reason"], status["message"] = self._reason
        await self._kubelet.cluster.set_status(self.pod, status)

    async def _say(self, reason: str, message: str, *, warning: bool = False) -> None:
        if not self.is_silent:
            await self._kubelet.cluster.say(self.pod, reason, message, warning=warning)


def _working_directory(manifest: Object, home: Path) -> Path:
    """The manifest's, where this machine has it: an image's own directories are not here."""
    directory = Path(manifest.get("workingDir") or home)
    return directory if directory.is_dir() else home


def _containers(pod: Object, field_name: str) -> list[Container]:
    return [
        Container(manifest, ContainerState(manifest["name"], manifest["image"]))
        for manifest in pod["spec"].get(field_name) or []
    ]
