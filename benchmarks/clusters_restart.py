"""A hub that comes back to a thousand pods in twenty namespaces, two of them in a cluster that does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.clusters_bed import Cluster, echo_at, platform, pod_addresses, stock_hub
from benchmarks.hubs import perijove_hub
from benchmarks.measure import Samples, alternate
from benchmarks.processes import Processes
from benchmarks.report import Figure, Goal
from benchmarks.restart import DARK, LONG_SECONDS, RATIO, SITES, Restarted, in_the_dark

if TYPE_CHECKING:
    from benchmarks.run import Bench

PEER = "stock hub, KubeSpawner, all of its pods answering"


async def measure_restart(bench: Bench) -> tuple[str, list[Figure]]:
    """Measure; on which data, and the figures."""
    servers, rounds = (60, 1) if bench.quick else (1000, 5)
    sites = [f"site-{number:02}" for number in range(SITES)]
    site_of = {f"user-{number:04}": sites[number % SITES] for number in range(servers)}
    names, at_dark_sites = list(site_of), sum(site in DARK for site in site_of.values())
    with pod_addresses(2) as addresses, Processes(bench.new_directory("clusters-restart")) as processes:
        echo = echo_at(processes, addresses)
        bright = Cluster(processes, "bright", addresses[0], [*sites, "stock"])
        dark = Cluster(processes, "dark", addresses[1], DARK)
        echo.darkens(dark.process)
        ways = {name: ((dark if name in DARK else bright).kubeconfig.read_text(), name) for name in sites}
        stock = Restarted(stock_hub(processes, echo, bright, "stock"))
        ours = Restarted(perijove_hub(processes, echo, platform(processes, ways), bench.postgres.ledger(), []))
        for each in (stock, ours):
            each.hub.start()
            await each.hub.add_users(names)
        await stock.hub.spawn(names)
        await ours.hub.spawn(names, options=lambda name: {"site": site_of[name]})

        async def restart_stock(turn: int) -> None:
            await stock.restart(servers)

        async def restart_ours(turn: int) -> None:
            echo.darken()
            await ours.restart(servers - at_dark_sites)
            echo.lighten()

        await alternate(rounds, restart_stock, restart_ours)
        kept, light_again = await in_the_dark(ours, echo, servers, at_dark_sites)
        forgotten = [servers - kept, servers - (await ours.hub.figures())["ready"]]
        lost = 2 * servers - bright.pods() - dark.pods()
        for each in (stock, ours):
            await each.hub.close()
    bench.postgres.drop_databases()
    data = (
        f"Restart: {servers} pods at {SITES} sites, of which {len(DARK)} with {at_dark_sites} pods are in a cluster "
        f"that is stopped; hubs killed and started by turns, {rounds} times each. The stock hub has one namespace of "
        "the cluster that is not."
    )
    return data, [
        Figure("until the API answers", ours.answers, Goal(RATIO, "ratio"), PEER, stock.answers),
        Figure("until every server of a bright site is ready", ours.checked, Goal(RATIO, "ratio"), PEER, stock.checked),
        Figure(f"servers forgotten after {LONG_SECONDS:.0f} s of darkness, and once all sites answer again",
               Samples("servers", forgotten), Goal(0, "each")),
        Figure("pods that are gone", Samples("pods", [lost]), Goal(0, "each")),
        Figure("until all are ready once the dark sites answer again", light_again),
    ]  # fmt: skip
