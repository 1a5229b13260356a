import asyncio

from rtbci.monitor.mailbox import Mailbox


def taken(mailbox: Mailbox, n: int) -> list[str | bytes]:
    async def take() -> list[str | bytes]:
        return [await mailbox.take() for _ in range(n)]

    return asyncio.run(take())


def test_frames_come_in_order() -> None:
    mailbox = Mailbox()
    for item in ("a", b"b", "c"):
        mailbox.put(item)
    assert taken(mailbox, 3) == ["a", b"b", "c"]
    assert mailbox.n_dropped == 0


def test_whoever_is_slow_skips_to_the_newest() -> None:
    mailbox = Mailbox(4)
    for i in range(10):
        mailbox.put(str(i))
    assert taken(mailbox, 2) == ["8", "9"]
    assert mailbox.n_dropped == 8


def test_what_is_said_only_once_stays() -> None:
    mailbox = Mailbox(4)
    mailbox.put("hello", keep=True)
    for i in range(9):
        mailbox.put(str(i))
    assert taken(mailbox, 3) == ["hello", "6", "7"]
    assert mailbox.n_dropped == 6


def test_whoever_takes_nothing_at_all_holds_no_more_than_so_much() -> None:
    mailbox = Mailbox(4)
    for i in range(10_000):
        mailbox.put(str(i), keep=True)
    assert len(mailbox._items) <= 16


def test_a_frame_wakes_whoever_waits() -> None:
    async def wait() -> str | bytes:
        mailbox = Mailbox()
        waiting = asyncio.create_task(mailbox.take())
        await asyncio.sleep(0)
        mailbox.put("now")
        return await waiting

    assert asyncio.run(wait()) == "now"
