"""Leases read with and without their offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perijove_hub.ledger import store
from tests.support.platforms import open_house, request


async def test_open_leases_without_their_offers_are_the_same_leases(ledger: str) -> None:
    async with open_house(ledger) as house:
        active = await house.start("ana", groups=["euclid"], charge_to="euclid")
        offered = await house.service.ask(request("bob"))
        await house.move((await house.start("eva")).id, "ended")
        async with house.database.read() as connection:
            whole = await store.open_leases(connection)
            slim = await store.open_leases(connection, with_offers=False)
            of_ana = await store.open_leases(connection, "ana", "euclid", with_offers=False)
    assert {row.id for row in whole} == {active.id, offered.id}
    assert slim == [replace(row, offer=store.NO_OFFER) for row in whole]
    assert of_ana == [replace(active, offer=store.NO_OFFER)]


async def test_a_lease_that_was_read_without_its_offer_is_not_written(ledger: str) -> None:
    async with open_house(ledger) as house:
        lease = await house.start("ana")
        async with house.database.read() as connection:
            [slim] = await store.open_leases(connection, with_offers=False)
        with pytest.raises(ValueError, match=f"lease {lease.id} was read without its offer"):
            async with house.database.write() as connection:
                await store.update_lease(connection, replace(slim, reason="moved"))
        async with house.database.read() as connection:
            assert await store.find_lease(connection, lease.id) == lease
