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
