"""What the allocator keeps of freed blocks is given back."""

import sys

import psutil
import pytest

from rtbci.memory import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux gives pages back")
def test_pages_that_were_freed_behind_a_block_in_use_are_given_back() -> None:
    process = psutil.Process()
    blocks = [bytearray(60_000) for _ in range(1000)]  # too small for a mapping of their own
    kept = bytearray(60_000)
    before = process.memory_info().rss
    del blocks
    give_back()
    assert before - process.memory_info().rss > 40_000_000
    assert len(kept) == 60_000
