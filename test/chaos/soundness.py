"""What has to hold after every scenario: books that balance, no process too many, no zombie, no descriptor, no memory."""

import os

from herd import INSTRUMENTED, SLOWNESS, process_stat, session_processes, wait_until

ENOUGH = 10  # times, to tell what is usual from a moment in which the machine did something else


def assert_nothing_failed(clients, herd):
    assert clients.failed == 0, (clients.outcomes, clients.failures[:10])
    ledger = herd.wait_ledger()
    assert (ledger["error_answered"], ledger["client_gone"], ledger["lost"]) == (0, 0, 0)
    return ledger


def assert_as_after_the_start(herd, workers):
    """One supervisor, one mold, the workers, and nothing else."""
    herd.wait_until(
        lambda: len(session_processes(herd.process.pid)) == 2 + workers,
        what=lambda: session_processes(herd.process.pid),
    )


def children_that_nobody_reaps(pid):
    """One that ends is among them for a moment."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        stats = {child: process_stat(int(child)) for child in children.read().split()}
    return [child for child, stat in stats.items() if stat and stat[0] == "Z"]


def assert_no_zombie(pid):
    wait_until(lambda: not children_that_nobody_reaps(pid), what=lambda: children_that_nobody_reaps(pid))


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def settled(read):
    """A figure that is the same ten times."""
    last = []

    def same():
        last.append(read())
        return len(last) >= 10 and all(figure == last[-1] for figure in last[-10:])

    wait_until(same, what=lambda: last[-10:])
    return last[-1]


def private_bytes(pid):
    """What it has written to. (What it has only read of its files counts as private or not, as others run them, too.)"""
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith(("Private_Dirty:", "Swap:")))


def assert_back_within_a_second(times):
    """By the median, where there are enough of them."""
    assert len(times) < ENOUGH or sorted(times)[len(times) // 2] < 1 * SLOWNESS, times


class Soundness:
    """The state of a herd that serves and has nothing to do; later it has to be the same. The supervisor's memory is
    read again with each check, to see where it goes."""

    def __init__(self, herd):
        self.herd, self.pid = herd, herd.process.pid
        # (Who forks a worker for the mold may still be there, and who asked for the status connected.)
        self.processes, self.descriptors = settled(
            lambda: (len(session_processes(self.pid)), descriptors(self.pid))
        )
        self.private = [private_bytes(self.pid)]

    def check(self):
        """Returns the ledger."""
        herd = self.herd
        herd.wait_ready()
        ledger = herd.wait_ledger()
        herd.wait_until(
            lambda: len(session_processes(self.pid)) == self.processes, what=lambda: session_processes(self.pid)
        )
        assert_no_zombie(self.pid)
        herd.wait_until(
            lambda: descriptors(self.pid) == self.descriptors,
            what=lambda: "%d descriptors, %d before" % (descriptors(self.pid), self.descriptors),
        )
        self.private.append(private_bytes(self.pid))
        return ledger

    def assert_memory_is_flat(self, allowed=128 << 10):
        """What it has grown by since the first third of the checks: a leak goes on, a pool of free blocks does not.
        AddressSanitizer keeps what is freed, and has shadows of it."""
        if INSTRUMENTED:
            return "private memory is not judged, which a sanitizer or valgrind has for itself, too"
        settled = max(self.private[: len(self.private) // 3 + 1])
        last = min(self.private[-(len(self.private) // 3 + 1) :])
        assert last - settled <= allowed, self.private
        return "private memory of the supervisor %.0f, %.0f, %.0f kB (first, after a third, last)" % (
            self.private[0] / 1024,
            settled / 1024,
            last / 1024,
        )
