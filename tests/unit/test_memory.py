"""What the allocator keeps of freed blocks is given back."""

import subprocess
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


IN_THE_HEAP = """
import ctypes, re, sys, threading
from rtbci.memory import share_arena

if sys.argv[1] == "shared":
    share_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
given = []
thread = threading.Thread(target=lambda: given.extend(libc.malloc(50_000) for _ in range(100)))
thread.start()
thread.join()
low, high = (int(one, 16) for one in re.search(r"(\\w+)-(\\w+) .*\\[heap\\]", open("/proc/self/maps").read()).groups())
print(sum(low <= one < high for one in given))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux has pools of memory")
@pytest.mark.parametrize(("how", "n"), [("shared", 100), ("", 0)])
def test_threads_take_memory_from_one_pool(how: str, n: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_HEAP, how], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) == n


SETTLED = """
import gc
from rtbci.memory import settled

before = gc.get_freeze_count()
first, second = settled(), settled()
first.__enter__()
assert gc.get_freeze_count() > before
second.__enter__()
first.__exit__(None, None, None)
assert gc.get_freeze_count() > before
second.__exit__(None, None, None)
print(gc.get_freeze_count())
"""


def test_what_start_up_made_is_frozen_until_the_last_run_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SETTLED], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) == 0
