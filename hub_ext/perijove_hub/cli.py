"""The command ``perijove``: checks a platform file, and runs the processes of a platform."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Callable, Sequence, Sized
from pathlib import Path

from perijove_hub import __version__
from perijove_hub.cli_explain import add_explain_commands
from perijove_hub.cli_ledger import add_ledger_command

#: Exit code for what the caller has to change: a wrong file, a taken port, a missing tool.
WRONG_USE = 2

EPILOG = """\
a first look:    perijove demo
before a deploy: perijove check perijove.yaml
in an editor:    perijove schema > perijove.schema.json
why here:        perijove explain
what is left:    perijove usage
"""

DEMO_DESCRIPTION = """\
Run a whole platform on this machine: hub, proxy, control, controller, two S3 stores and real data.
Ctrl-C stops all of it; a second start keeps users, ledger and data.
"""

CONTROL_DESCRIPTION = """\
Serve admission and catalogue as a service of the hub. Takes JUPYTERHUB_API_URL, JUPYTERHUB_API_TOKEN and
JUPYTERHUB_CLIENT_ID from the environment. SIGHUP reads the platform file again.
"""

CONTROLLER_DESCRIPTION = """\
Reconcile the ledger with what the sites show, write down what is used, warn owners and stop sessions; for ever. Takes
JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN from the environment. SIGHUP reads the platform file again.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code: 0, or 2 with one sentence about what to change."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return 130
    return code


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command and of all below it; the documentation is made from it."""
    parser = argparse.ArgumentParser(
        prog="perijove",
        description="Computing near the data, inside the allocation: a science platform out of JupyterHub.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"perijove {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check",
        help="check a platform file",
        description="Check a platform file; says FILE:LINE: KEY: what is wrong, one line a fault.",
    )
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_with_platform(_check))

    schema = commands.add_parser(
        "schema",
        help="print the JSON schema of the platform file",
        description="Print the JSON schema of the platform file, for editors and for Helm's values.schema.json.",
    )
    schema.set_defaults(run=_with_platform(_schema))

    demo = commands.add_parser(
        "demo",
        help="run a whole platform on this machine",
        description=DEMO_DESCRIPTION,
    )
    demo.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="PORT",
        help="where the platform answers on 127.0.0.1 (default: %(default)s; 0 picks a free one)",
    )
    demo.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where users, ledger, homes and data are kept (default: .perijove, of --from-values .perijove-values)",
    )
    demo.add_argument(
        "--from-values",
        type=Path,
        metavar="FILE",
        help="run the platform of these values of the Helm chart, such as helm/examples/one-cluster.yaml, with all its "
        "sites on this machine",
    )
    demo.add_argument("--no-build", action="store_true", help="do not build the JupyterLab extension, take it as it is")
    demo.add_argument(
        "--reset", action="store_true", help="forget everything in DIR first: users, homes, ledger and data"
    )
    demo.set_defaults(run=_with_platform(_demo))

    control = commands.add_parser(
        "control",
        help="serve admission and catalogue",
        description=CONTROL_DESCRIPTION,
    )
    _add_ledger_options(control)
    control.add_argument(
        "--secrets-dir", type=Path, required=True, metavar="DIR", help="one file per named secret, mode 0600"
    )
    control.add_argument("--address", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    control.add_argument("--port", type=int, default=8010, help="port to listen at (default: %(default)s)")
    _add_metrics_options(control)
    control.set_defaults(run=_with_platform(_control))

    controller = commands.add_parser(
        "controller",
        help="keep the ledger, warn and stop",
        description=CONTROLLER_DESCRIPTION,
    )
    _add_ledger_options(controller)
    _add_metrics_options(controller)
    controller.set_defaults(run=_with_platform(_controller))
    add_explain_commands(commands)
    add_ledger_command(commands)
    return parser


def _add_ledger_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", type=Path, required=True, metavar="FILE", help="the platform file")
    parser.add_argument(
        "--database",
        required=True,
        metavar="URL",
        help="of the ledger, as sqlite+aiosqlite:///control.db or postgresql+psycopg://USER@HOST/DATABASE",
    )


def _add_metrics_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics-port", type=int, default=0, metavar="PORT", help="where Prometheus asks (default: 0, nowhere)"
    )
    parser.add_argument(
        "--metrics-address",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of that port; it asks for no login, so keep it inside (default: %(default)s)",
    )


def _with_platform(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command that needs the platform file; the others work in a user's image, which cannot read one."""

    def told(options: argparse.Namespace) -> int:
        try:
            from perijove_hub.policy import PlatformFileError
        except ModuleNotFoundError as error:
            return _complain(f"{error.name} is missing: install the hub's side with pip install 'perijove[hub]'")
        try:
            return run(options)
        except PlatformFileError as error:
            print("\n".join(error.faults), file=sys.stderr)
            return WRONG_USE

    return told


def _check(options: argparse.Namespace) -> int:
    from perijove_hub.policy import load_platform

    platform = load_platform(options.file)
    parts: dict[str, Sized] = {
        "site": platform.sites,
        "profile": platform.profiles,
        "quota": platform.quotas,
        "allocation": platform.allocations,
        "dataset": platform.datasets,
    }
    counted = ", ".join(f"{len(items)} {name}{'' if len(items) == 1 else 's'}" for name, items in parts.items())
    print(f"{options.file}: good. {counted}; version {platform.version}.")
    return 0


def _schema(options: argparse.Namespace) -> int:
    from perijove_hub.policy import Platform

    print(json.dumps(Platform.model_json_schema(), indent=2))
    return 0


def _demo(options: argparse.Namespace) -> int:
    try:
        from perijove_demo.main import DemoOptions, DemoProblem, run_demo
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is missing: install the demo with pip install 'perijove[demo]'")
    try:
        # what is kept of one platform fits no other
        state_dir = options.state_dir or Path(".perijove" if options.from_values is None else ".perijove-values")
        told = DemoOptions(options.port, state_dir, not options.no_build, options.reset, options.from_values)
        asyncio.run(run_demo(told))
    except DemoProblem as error:
        return _complain(str(error))
    return 0


def _control(options: argparse.Namespace) -> int:
    # imported here: the other commands need neither tornado nor the hub
    import uvloop

    from perijove_hub.ledger.database import DatabaseError
    from perijove_hub.logs import configure_logs
    from perijove_hub.policy.secrets import SecretError
    from perijove_hub.web.control import ControlOptions, serve_control

    configure_logs("control")
    told = ControlOptions(
        options.platform,
        options.database,
        options.secrets_dir,
        options.address,
        options.port,
        metrics_address=options.metrics_address,
        metrics_port=options.metrics_port,
    )
    gc.freeze()  # what is imported lasts: a decision does not wait while it is looked through for garbage
    try:
        # a decision waits some thirty times for the database: this loop takes a tenth off it
        uvloop.run(serve_control(told))
    except (DatabaseError, SecretError) as error:
        return _complain(str(error))
    except OSError as error:
        where = f"{options.address}:{options.port}"
        if options.metrics_port:
            where += f" or {options.metrics_address}:{options.metrics_port}"
        return _complain(f"{where} cannot be used: {error.strerror}")
    return 0


def _controller(options: argparse.Namespace) -> int:
    from perijove_hub.controller.hub_client import HubNotConfigured
    from perijove_hub.controller.service import ControllerOptions, run_controller
    from perijove_hub.ledger.database import DatabaseError
    from perijove_hub.logs import configure_logs

    configure_logs("controller")
    told = ControllerOptions(options.platform, options.database, options.metrics_address, options.metrics_port)
    try:
        asyncio.run(run_controller(told))
    except (DatabaseError, HubNotConfigured) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{options.metrics_address}:{options.metrics_port} cannot be used: {error.strerror}")
    return 0


def _complain(sentence: str) -> int:
    print(f"perijove: {sentence}", file=sys.stderr)
    return WRONG_USE


if __name__ == "__main__":
    raise SystemExit(main())
