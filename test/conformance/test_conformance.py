"""The list of cases, with every front end, over unix sockets and TCP."""

import os

import pytest

import differences
from cases import CASES, LONG
from table import SEEN

WITH_LONG = os.environ.get("COWHERD_CONFORMANCE") == "1"


@pytest.mark.parametrize("case", [case for case in CASES if WITH_LONG or case not in LONG], ids=lambda case: case.__name__)
def test_case(site, case):
    cell = case(site)
    SEEN.setdefault((case.__name__, site.front.name), {})[site.transport] = cell
    expected = differences.expected(case.__name__, site.front.name, site.transport)
    assert cell in expected, "%s: %s, expected: %s" % (case.title, cell or "yes", expected)
