import re

import pytest

from herd import BUILD, Herd


def pytest_configure(config):
    for name in ("cowherd", "cowherd-mold"):
        if not (BUILD / name).exists():
            raise pytest.UsageError("%s is missing: run make first, or set COWHERD_BUILD" % (BUILD / name))


@pytest.fixture
def cowherd():
    """A Herd for one test, to be configured and started by it."""
    herd = Herd()
    yield herd
    herd.finish()


@pytest.fixture(scope="module")
def module_cowherd():
    """A Herd that the tests of one file share; the file starts it in a fixture of its own."""
    herd = Herd()
    yield herd
    herd.finish()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when == "call":
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Herd):
                report.sections.append(("cowherd", value.report()))
                break
    report.proves = getattr(item.module, "PROVES", None) if report.when == "call" else None


def pytest_terminal_summary(terminalreporter):
    """Names what was proved, for files that say of what kind that is (PROVES): the parameters of their tests."""
    proved = {}
    for report in terminalreporter.getreports("passed"):
        name = re.search(r"\[(.+)\]$", report.nodeid)
        if getattr(report, "proves", None) and name:
            proved.setdefault(report.proves, {})[name.group(1)] = True  # once, in this order
    for kind, names in proved.items():
        terminalreporter.write_line("%s, proved: %s" % (kind, "; ".join(names)))
