"""LocalProcesses with real processes: small shells and Pythons that do what servers and kernels do."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from perijove.models import Resources
from perijove_hub.sites import Handle, LocalProcesses, SiteError, StartSpec, Status
from perijove_hub.sites import local as local_module

SLEEP = ["/bin/sleep", "60"]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "TERM_SECONDS", 1.0)
    monkeypatch.setattr(local_module, "KERNEL_SECONDS", 0.2)


class Bed:
    """A local site in a directory, and what was started on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[Handle] = []
        self.site = self.restarted()

    def restarted(self) -> LocalProcesses:
        """The site as a hub sees it that has just come up: it has no children."""
        return LocalProcesses("esac", self.directory / "esac", {"esac": self.directory / "esac/homes"})

    async def start(self, *command: str, **spec: object) -> Handle:
        said = {"owner": "ana", "env": {}, "path": "/user/ana/", "home_site": "esac", **spec}
        wanted = StartSpec(command=command or SLEEP, resources=Resources(cpu=1, memory_gib=1), **said)
        handle = await self.site.start(wanted, uuid.uuid4().hex)
        self.started.append(handle)
        await until(lambda: self.path(handle, "pid").exists())
        return handle

    async def python(self, program: str, **spec: object) -> Handle:
        """Start a program; back when it has printed something."""
        handle = await self.start(sys.executable, "-u", "-c", program, **spec)
        await until(lambda: self.path(handle, "log").stat().st_size > 0)
        return handle

    def path(self, handle: Handle, name: str) -> Path:
        return self.directory / "esac/attempts" / handle.attempt_id / name

    def pid(self, handle: Handle) -> int:
        return int(self.path(handle, "pid").read_text())


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    bed = Bed(tmp_path)
    yield bed
    for handle in bed.started:
        await bed.site.stop(handle)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_process_is_started_found_and_stopped(bed: Bed) -> None:
    handle = await bed.start()
    assert handle.site == "esac"
    assert handle.url.startswith("http://127.0.0.1:")
    assert await bed.site.poll(handle) is Status.RUNNING
    assert await bed.site.list() == [handle.attempt_id]
    pid = bed.pid(handle)
    await bed.site.stop(handle)
    assert is_gone(pid)
    assert await bed.site.poll(handle) is Status.STOPPED
    assert await bed.site.list() == []
    await bed.site.stop(handle)  # twice is no error


async def test_the_record_is_written_before_the_process_exists(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def refuse(command: list[str], **more: object) -> None:
        seen.append(json.loads(Path(command[3]).with_name("record.json").read_text()))
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(local_module.subprocess, "Popen", refuse)
    spec = StartSpec("ana", SLEEP, {}, Resources(cpu=1, memory_gib=1), "/", "esac")
    with pytest.raises(SiteError, match=r"^the process could not be started: Resource temporarily unavailable$"):
        await bed.site.start(spec, "a" * 32)
    assert [(record["attempt_id"], record["owner"]) for record in seen] == [("a" * 32, "ana")]
    assert await bed.site.list() == []


async def test_the_process_has_its_id_written_before_it_is_the_server(bed: Bed) -> None:
    handle = await bed.start(*["/bin/sh", "-c", 'cat "$0"', str(bed.directory)])
    assert bed.pid(handle) > 0
    printed = await bed.python(
        "import os, pathlib; p = pathlib.Path(os.environ['WHERE'])\n"
        "print(p.joinpath(os.environ['PERIJOVE_ATTEMPT_ID'], 'pid').read_text().strip() == str(os.getpid()))",
        env={"WHERE": str(bed.directory / "esac/attempts")},
    )
    assert (await bed.site.log_tail(printed.attempt_id)).strip() == "True"


async def test_a_hub_that_comes_up_again_finds_what_runs(bed: Bed) -> None:
    handles = [await bed.start(), await bed.start()]
    pids = [bed.pid(handle) for handle in handles]
    again = bed.restarted()
    assert await again.list() == sorted(handle.attempt_id for handle in handles)
    assert await again.poll(handles[0]) is Status.RUNNING
    await again.stop(handles[0])
    assert is_gone(pids[0])
    assert await again.list() == [handles[1].attempt_id]


async def test_a_process_that_dies_is_stopped_for_its_own_hub_and_the_next(bed: Bed) -> None:
    handle = await bed.start("/bin/sh", "-c", "exit 3")
    await until(lambda: is_gone(bed.pid(handle)))
    assert await bed.site.poll(handle) is Status.STOPPED
    assert await bed.restarted().poll(handle) is Status.STOPPED
    assert await bed.restarted().list() == []


async def test_another_process_that_got_the_id_is_not_mistaken_for_the_server(bed: Bed) -> None:
    gone, stranger = await bed.start(), await bed.start()
    await bed.site.stop(gone)
    bed.path(gone, "pid").write_text(str(bed.pid(stranger)))
    again = bed.restarted()
    assert await again.poll(gone) is Status.STOPPED
    assert await again.list() == [stranger.attempt_id]
    await again.stop(gone)
    assert await bed.site.poll(stranger) is Status.RUNNING


@pytest.mark.parametrize("content", ["", "no number", "-1", "0", "9" * 30])
async def test_a_broken_record_of_an_id_is_nothing_that_runs(bed: Bed, content: str) -> None:
    handle = await bed.start()
    await bed.site.stop(handle)
    bed.path(handle, "pid").write_text(content)
    assert await bed.restarted().poll(handle) is Status.STOPPED
    assert await bed.restarted().list() == []


async def test_what_is_not_there_is_stopped(bed: Bed) -> None:
    nothing = Handle("esac", "f" * 32, "")
    assert await bed.site.poll(nothing) is Status.STOPPED
    assert await bed.site.list() == []
    assert await bed.site.log_tail("f" * 32) == ""
    await bed.site.stop(nothing)


FAMILY = """
import subprocess, sys, time
kernel = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
subprocess.run(["/bin/sh", "-c", "setsid /bin/sleep 60 > /dev/null 2>&1 &"])
print("up")
time.sleep(60)
"""


def family_of(attempt_id: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PERIJOVE_ATTEMPT_ID") == attempt_id:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("hub", ["the same", "a new one"])
async def test_stopping_ends_kernels_in_sessions_of_their_own_and_what_lost_its_parent(bed: Bed, hub: str) -> None:
    handle = await bed.python(FAMILY)
    family = family_of(handle.attempt_id)
    assert len(family) >= 3
    await (bed.site if hub == "the same" else bed.restarted()).stop(handle)
    assert all(is_gone(pid) for pid in family)


async def test_stopping_a_server_that_died_ends_what_it_left_behind(bed: Bed) -> None:
    handle = await bed.python(FAMILY)
    family = family_of(handle.attempt_id)
    os.kill(bed.pid(handle), 9)
    await until(lambda: is_gone(bed.pid(handle)))
    await bed.site.stop(handle)
    assert all(is_gone(pid) for pid in family)


async def test_a_server_that_ignores_the_signal_is_killed(bed: Bed) -> None:
    handle = await bed.python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    )
    pid = bed.pid(handle)
    await bed.site.stop(handle)
    assert is_gone(pid)


async def test_a_server_may_tidy_up_before_it_ends(bed: Bed) -> None:
    handle = await bed.python(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), print('tidied'), sys.exit()))\n"
        "print('up'); time.sleep(60)"
    )
    await bed.site.stop(handle)
    assert (await bed.site.log_tail(handle.attempt_id)).split() == ["up", "tidied"]


async def test_stopping_one_leaves_the_others_alone(bed: Bed) -> None:
    one, other = await bed.start(), await bed.start()
    await bed.site.stop(one)
    assert await bed.site.poll(other) is Status.RUNNING
    assert await bed.site.list() == [other.attempt_id]


async def test_a_home_is_kept_and_scratch_is_not(bed: Bed) -> None:
    write = "import pathlib, os; pathlib.Path('work').write_text('mine'); print(os.getcwd() == os.environ['HOME'])"
    home = await bed.python(write)
    scratch = await bed.python(write, home_site=None)
    for handle in (home, scratch):
        assert (await bed.site.log_tail(handle.attempt_id)).strip() == "True"
    directory = bed.directory / "esac/scratch" / scratch.attempt_id
    assert (directory / "work").read_text() == "mine"
    assert directory.stat().st_mode & 0o777 == 0o700
    for handle in (home, scratch):
        await bed.site.stop(handle)
    assert not directory.exists()
    assert (bed.directory / "esac/homes/ana/work").read_text() == "mine"


async def test_a_home_that_is_not_mounted_is_an_error_and_nothing_runs(bed: Bed) -> None:
    with pytest.raises(SiteError, match=r"^the home at cloud-eu is not mounted here$"):
        await bed.start(home_site="cloud-eu")
    assert await bed.site.list() == []


async def test_a_users_name_cannot_lead_out_of_the_homes(bed: Bed) -> None:
    await bed.start(owner="../../evil")
    (home,) = (bed.directory / "esac/homes").iterdir()
    assert home.name.startswith("evil--")


async def test_the_server_is_told_its_address_and_nothing_of_the_hubs_secrets(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    handle = await bed.python(
        "import json, os; print(json.dumps(dict(os.environ)))", env={"PERIJOVE_SITE": "esac", "HOME": "/elsewhere"}
    )
    told = json.loads(await bed.site.log_tail(handle.attempt_id))
    assert told["JUPYTERHUB_SERVICE_URL"] == f"{handle.url}/user/ana/"
    assert told["PERIJOVE_ATTEMPT_ID"] == handle.attempt_id
    assert told["PERIJOVE_SITE"] == "esac"
    assert told["HOME"] == str(bed.directory / "esac/homes/ana")
    assert "canary" not in str(told)
    assert not [name for name in told if name.startswith("AWS_")]


async def test_a_command_that_is_not_there_stops_and_its_log_says_why(bed: Bed) -> None:
    handle = await bed.start("/no/such/program")
    await until(lambda: is_gone(bed.pid(handle)))
    assert await bed.site.poll(handle) is Status.STOPPED
    assert "/no/such/program" in await bed.site.log_tail(handle.attempt_id)


async def test_only_the_end_of_a_long_log_is_told(bed: Bed) -> None:
    handle = await bed.python("print('x' * 100_000); print(b'\\xff'.decode('latin1')); print('the end')")
    await until(lambda: is_gone(bed.pid(handle)))
    tail = await bed.site.log_tail(handle.attempt_id)
    assert 7000 < len(tail) <= 8000
    assert tail.endswith("the end\n")


async def test_what_an_attempt_left_is_for_its_account_only(bed: Bed) -> None:
    handle = await bed.start()
    assert bed.path(handle, "").stat().st_mode & 0o777 == 0o700
    assert "canary" not in bed.path(handle, "record.json").read_text()


async def test_one_attempt_is_not_started_twice(bed: Bed) -> None:
    handle = await bed.start()
    spec = StartSpec("ana", SLEEP, {}, Resources(cpu=1, memory_gib=1), "/", "esac")
    with pytest.raises(SiteError, match="File exists"):
        await bed.site.start(spec, handle.attempt_id)
    assert await bed.site.poll(handle) is Status.RUNNING


def denied(process: psutil.Process) -> dict[str, str]:
    raise psutil.AccessDenied(process.pid)


async def test_a_process_of_another_account_is_none_of_ours(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    # a reboot gives a recorded id to a service of the system, whose environment nobody may read
    handle = await bed.start()
    uids = psutil.Process().uids()
    with monkeypatch.context() as patched:
        patched.setattr(psutil.Process, "environ", denied)
        patched.setattr(psutil.Process, "uids", lambda process: uids._replace(real=uids.real + 1))
        again = bed.restarted()
        assert await again.poll(handle) is Status.STOPPED
        assert await again.list() == []


async def test_a_site_that_cannot_tell_says_so(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = await bed.start()
    with monkeypatch.context() as patched:
        patched.setattr(psutil.Process, "environ", denied)
        again = bed.restarted()
        assert await again.poll(handle) is Status.UNKNOWN
        with pytest.raises(SiteError, match="may not be read"):
            await again.list()
        with pytest.raises(SiteError, match="cannot tell whether"):
            await again.stop(handle)
    assert await bed.site.poll(handle) is Status.RUNNING


# --- a disk that is full ---------------------------------------------------------------------------------------------

WRITE_WHERE_JUPYTER_DOES = """
import os, pathlib, tempfile
for name in sorted(os.environ):
    if name.startswith(("JUPYTER_", "IPYTHON", "MPL", "NPM_", "XDG_")):
        pathlib.Path(os.environ[name], "written").write_text(name)
tempfile.NamedTemporaryFile(delete=False).close()
print("written")
"""


async def test_a_rescue_writes_nothing_to_the_home_while_it_comes_up(bed: Bed) -> None:
    handle = await bed.python(WRITE_WHERE_JUPYTER_DOES, rescue=True, env={"JUPYTER_RUNTIME_DIR": "/elsewhere"})
    assert (await bed.site.log_tail(handle.attempt_id)).strip() == "written"
    scratch = bed.directory / "esac/scratch" / handle.attempt_id
    assert {path.read_text() for path in scratch.glob("*/written")} == {
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "MPLCONFIGDIR",
        "NPM_CONFIG_CACHE",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
    }
    assert len(list((scratch / "tmp").iterdir())) == 1
    assert list((bed.directory / "esac/homes/ana").iterdir()) == []
    await bed.site.stop(handle)
    assert not scratch.exists()


async def test_any_other_session_has_its_folders_in_the_home(bed: Bed) -> None:
    handle = await bed.python("import os; print(sorted(n for n in os.environ if n.startswith(('JUPYTER_', 'XDG_'))))")
    assert (await bed.site.log_tail(handle.attempt_id)).strip() == "[]"
    assert not (bed.directory / "esac/scratch").exists()


# --- how full a home is ----------------------------------------------------------------------------------------------


async def test_the_home_that_this_site_holds_is_measured(bed: Bed) -> None:
    await bed.python("import os; open('data', 'wb').write(os.urandom(2**20)); print('written')")
    assert 2**20 <= (await bed.site.home_bytes("ana") or 0) < 2**20 + 64 * 1024


async def test_odd_names_of_files_and_owners_are_no_options_of_the_measure(bed: Bed) -> None:
    await bed.start(owner="--help")
    (home,) = (bed.directory / "esac/homes").iterdir()
    (home / "--files0-from=-").write_bytes(os.urandom(2**20))
    (home / "new\nline").write_bytes(os.urandom(2**20))
    assert (await bed.site.home_bytes("--help") or 0) >= 2 * 2**20


async def test_a_home_that_is_not_there_or_held_elsewhere_has_no_size(bed: Bed) -> None:
    await bed.start()
    assert await bed.site.home_bytes("nobody") is None
    elsewhere = LocalProcesses("cloud", bed.directory / "cloud", {"esac": bed.directory / "esac/homes"})
    assert await elsewhere.home_bytes("ana") is None


# --- a start that nobody waits for any more --------------------------------------------------------------------------


async def test_a_start_that_is_cancelled_leaves_nothing_that_runs(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, launch, launched = threading.Event(), subprocess.Popen, []

    def slow(*args: object, **more: object) -> object:
        begun.set()
        time.sleep(0.5)
        launched.append(launch(*args, **more))
        return launched[0]

    monkeypatch.setattr(local_module.subprocess, "Popen", slow)
    attempt = uuid.uuid4().hex
    spec = StartSpec("ana", SLEEP, {}, Resources(cpu=1, memory_gib=1), "/", "esac")
    starting = asyncio.create_task(bed.site.start(spec, attempt))
    await asyncio.to_thread(begun.wait, 5)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await until(lambda: bool(launched))
    await until(lambda: is_gone(launched[0].pid))
    assert await bed.restarted().list() == []


async def test_an_environment_that_no_process_can_have_is_an_error_in_words(bed: Bed) -> None:
    with pytest.raises(SiteError, match=r"^the process could not be started: embedded null byte$"):
        await bed.start(env={"WORSE": "a\0b"})


async def test_an_attempt_is_there_as_long_as_anything_of_it_runs(bed: Bed) -> None:
    handle = await bed.python(FAMILY)
    family = family_of(handle.attempt_id)
    os.kill(bed.pid(handle), 9)
    await until(lambda: is_gone(bed.pid(handle)))
    for site in (bed.site, bed.restarted()):
        assert await site.poll(handle) is Status.STOPPED
        assert await site.list() == [handle.attempt_id]
    await bed.restarted().stop(handle)
    assert all(is_gone(pid) for pid in family)
    assert await bed.site.list() == []
