"""Scenarios with much at random. COWHERD_CHAOS_SEED repeats one, COWHERD_CHAOS_SCALE says how long they go on: 1 for
the numbers in their names, 0.1 (the default) for a tenth of them."""

import os
import random
import sys
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from herd import Herd  # noqa: E402

SEED = int(os.environ.get("COWHERD_CHAOS_SEED") or random.SystemRandom().randrange(1 << 31))
SCALE = float(os.environ.get("COWHERD_CHAOS_SCALE") or 0.1)


def pytest_sessionstart():
    print("chaos: seed %d, scale %g" % (SEED, SCALE), file=sys.stderr, flush=True)


def pytest_terminal_summary(terminalreporter):
    for line in figures:
        terminalreporter.write_line("chaos: " + line)


figures = []


@pytest.fixture
def cowherd():
    herd = Herd()
    # A machine that stands still may do so while a client has its connection and has not sent its request yet.
    herd.configure(timeouts={"header": "20s"})
    yield herd
    herd.finish()


@pytest.fixture
def rng(request):
    """Random numbers of the scenario's own: the same ones when it is run alone."""
    return random.Random(SEED ^ zlib.crc32(request.node.name.encode()))


@pytest.fixture
def times():
    """times(200): how often in this run. times(200, quick=3): so often when it is not in full."""
    return lambda number, quick=None: quick if quick and SCALE < 1 else max(2, round(number * SCALE))


@pytest.fixture
def tell(request):
    """tell(text): a figure to be printed at the end."""
    return lambda text: figures.append("%s: %s" % (request.node.name, text))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        report.sections.append(("chaos", "COWHERD_CHAOS_SEED=%d" % SEED))
