"""Twenty tests of the shop, with nothing but the fixtures that come with asyncq."""

from __future__ import annotations

from datetime import timedelta

import pytest

from asyncq import AsyncQ
from asyncq.errors import EncodeError, RetryUntilPassed
from asyncq.testing import QueueFake, TurnableClock, drain, run

from jobs import OUTAGES, SENT, Charge, Reindex, Ship, Unavailable, send_mail
from shop import order, price, restock, sign_up

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def services() -> None:
    """Let all services work, and forget what they were asked."""
    SENT.clear()
    OUTAGES.clear()


# What does the application dispatch?


async def test_a_new_customer_is_greeted_twice(asyncq_fake: QueueFake) -> None:
    await sign_up("ada@example.org")
    asyncq_fake.assert_dispatched_fn(send_mail, "ada@example.org", "Welcome")
    asyncq_fake.assert_dispatched(send_mail, delay=timedelta(days=1), times=1)
    asyncq_fake.assert_count(2)


async def test_an_order_is_charged(asyncq_fake: QueueFake) -> None:
    await order(7, cents=4_200)
    [charge] = asyncq_fake.assert_dispatched(Charge, lambda charge: charge.order == 7, times=1)
    assert charge.cents == 4_200


async def test_a_large_order_goes_first(asyncq_fake: QueueFake) -> None:
    await order(8, cents=500_000)
    asyncq_fake.assert_dispatched(Charge, queue="fast")
    asyncq_fake.assert_not_dispatched(Charge, queue="money")


async def test_nothing_runs_before_it_is_told_to(asyncq_fake: QueueFake) -> None:
    await order(9, cents=100)
    assert SENT == []


async def test_an_order_without_a_number_is_refused_at_once(asyncq_fake: QueueFake) -> None:
    with pytest.raises(EncodeError, match=r"Charge\.order"):
        await order("seven", cents=1)  # type: ignore[arg-type]
    asyncq_fake.assert_nothing_dispatched()


async def test_a_shelf_waits_for_its_index_only_once(asyncq_fake: QueueFake) -> None:
    assert await restock("tea", "coffee", "tea") == 2
    assert await restock("tea") == 0
    asyncq_fake.assert_count(2, Reindex)


async def test_after_six_hours_a_shelf_may_wait_again(asyncq_fake: QueueFake) -> None:
    assert await restock("tea") == 1
    asyncq_fake.clock.advance(hours=6, seconds=1)
    assert await restock("tea") == 1


async def test_who_pays_at_once_sees_the_receipt(asyncq_fake: QueueFake) -> None:
    asyncq_fake.answer(Charge, "bank-99")
    assert await price(10, cents=300) == "paid with bank-99"
    asyncq_fake.assert_dispatched_sync(Charge, times=1)


# What does one run of a job do?


async def test_a_charge_sends_receipt_and_parcel() -> None:
    outcome = await run(Charge(order=1, cents=100))
    assert outcome.result == "bank-1"
    assert [type(job).__name__ for job in outcome.dispatched] == ["Ship", "send_mail"]


async def test_nothing_to_pay_is_no_failure() -> None:
    outcome = await run(Charge(order=1, cents=0))
    assert outcome.skipped
    assert SENT == []


async def test_the_third_mail_waits_an_hour() -> None:
    OUTAGES["mail"] = 1
    outcome = await run(send_mail.bind("ada@example.org", "Hello"), attempt=3)
    assert outcome.released
    assert outcome.delay == 3600


async def test_the_fifth_mail_is_the_last() -> None:
    OUTAGES["mail"] = 1
    outcome = await run(send_mail.bind("ada@example.org", "Hello"), attempt=5)
    assert outcome.failed
    assert isinstance(outcome.error, Unavailable)


async def test_a_parcel_asks_again_after_a_quarter_of_an_hour() -> None:
    OUTAGES["parcel"] = 1
    assert (await run(Ship(order=1))).delay == 900
    assert (await run(Ship(order=1), attempt=50)).result == "parcel-1"


# What happens in the end?


async def test_an_order_is_paid_and_shipped(asyncq_fake: QueueFake) -> None:
    await order(1, cents=100)
    await asyncq_fake.run(within=timedelta(hours=1))
    assert [line.split(":")[0] for line in SENT] == ["bank", "mail", "parcel"]


async def test_a_bank_that_is_out_for_half_a_day_costs_no_order(asyncq_fake: QueueFake) -> None:
    OUTAGES["bank"] = 12
    await order(1, cents=100)
    outcomes = await asyncq_fake.run("money", within=timedelta(hours=24))
    assert [outcome.state for outcome in outcomes] == ["released"] * 12 + ["done"]
    asyncq_fake.assert_dispatched(Ship, times=1)


async def test_after_a_day_the_customer_hears_that_it_failed(asyncq_fake: QueueFake) -> None:
    OUTAGES["bank"] = 1_000
    await order(1, cents=100)
    outcomes = await asyncq_fake.run("money", within=timedelta(hours=30))
    assert outcomes[-1].failed
    asyncq_fake.assert_dispatched_fn(send_mail, "customer@example.org", "Order 1 was not paid")
    asyncq_fake.assert_not_dispatched(Ship)


async def test_a_charge_that_slept_for_days_is_not_made(asyncq_fake: QueueFake) -> None:
    await order(1, cents=100)
    asyncq_fake.clock.advance(days=2)
    [outcome] = await asyncq_fake.run("money")
    assert isinstance(outcome.error, RetryUntilPassed)
    assert SENT == []


async def test_the_second_greeting_comes_a_day_later(asyncq_app: AsyncQ, asyncq_clock: TurnableClock) -> None:
    await sign_up("ada@example.org")
    assert len(await drain(asyncq_app)) == 1
    asyncq_clock.advance(days=1)
    assert len(await drain(asyncq_app)) == 1
    assert SENT == ["mail: Welcome to ada@example.org", "mail: How do you like it? to ada@example.org"]


async def test_an_index_that_is_made_may_be_made_again(asyncq_app: AsyncQ) -> None:
    assert await restock("tea") == 1
    await drain(asyncq_app, "search")
    assert await restock("tea") == 1


async def test_a_parcel_waits_all_night(asyncq_app: AsyncQ, asyncq_clock: TurnableClock) -> None:
    OUTAGES["parcel"] = 40
    await Ship(order=1).dispatch()
    outcomes = await drain(asyncq_app, within=timedelta(hours=12))
    assert (len(outcomes), outcomes[-1].result) == (41, "parcel-1")
