"""The configuration by way of `cowherd check`.

For every NAME.yml beside this file NAME.expected holds either what `check -v` prints (the canonical form, @DIR@ being
this folder), or the errors. NAME.warnings holds the warnings of a good one, where it has any.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = TOP / os.environ.get("COWHERD_BUILD", "build")
EXAMPLE = TOP / "config" / "cowherd.yml.example"

CASES = sorted(path.stem for path in HERE.glob("*.yml"))
# What `check` says of the machine and of who runs it, not of the file.
OF_THE_MACHINE = re.compile(r"\.user: started by root|on this machine$")


def check(file, *options, cwd=HERE):
    """Exit status, standard output, and the lines about `file` and what it includes on standard error."""
    result = subprocess.run([BUILD / "cowherd", "check", *options, "-c", file], cwd=cwd, capture_output=True,
                            text=True, timeout=60, check=False)
    about = re.compile(r"\S+\.(yml|example)(:\d+:\d+)?: ")
    lines = [line for line in result.stderr.splitlines() if about.match(line) and not OF_THE_MACHINE.search(line)]
    return result.returncode, result.stdout, lines


def expected(name):
    path = HERE / name
    return path.read_text() if path.exists() else ""


def is_canonical(text):
    return text.startswith("control: ")


def test_each_case_has_its_golden():
    goldens = sorted(path.stem for path in HERE.glob("*.expected"))
    assert goldens == CASES


@pytest.mark.parametrize("name", CASES)
def test_golden(name, tmp_path):
    golden = expected(f"{name}.expected")
    status, printed, errors = check(f"{name}.yml", "-v")
    if not is_canonical(golden):
        assert errors == golden.splitlines()
        assert printed == ""
        assert status == 2
        return
    assert errors == []
    assert printed.replace(str(HERE), "@DIR@") == golden

    # what was printed is read again as the same, wherever it lies
    (tmp_path / "again.yml").write_text(printed)
    assert check("again.yml", "-v", cwd=tmp_path)[1] == printed


def test_missing_file():
    status, printed, lines = check("missing.yml", "-v")
    assert (status, printed) == (2, "")
    assert lines == ["missing.yml: cannot be read: No such file or directory"]


def test_good_file_with_an_app_that_compiles():
    unnamed_root = os.geteuid() == 0  # root has to say whom the apps run as
    assert check("minimal.yml")[0] == (2 if unnamed_root else 0)


def test_file_of_ten_megabytes(tmp_path):
    (tmp_path / "big.yml").write_text("a: b\n" * 2_000_000)
    assert check("big.yml", cwd=tmp_path)[::2] == (2, ["big.yml: the file is longer than 1 MiB"])


def test_example_has_no_errors_and_no_warnings():
    status, printed, lines = check(EXAMPLE, "-v")
    assert lines == []
    assert is_canonical(printed)


def test_commented_out_settings_of_the_example_are_right_too(tmp_path):
    head, rest = EXAMPLE.read_text().split("\ncontrol:", 1)
    rest = re.sub(r"^( *)#( {2,}|)(?=[a-z-])", r"\1\2", "\ncontrol:" + rest, flags=re.MULTILINE)
    assert rest.count("    workers: ") == 2
    rest = re.sub(r"^    workers: 4.*\n", "", rest, flags=re.MULTILINE)
    (tmp_path / "cowherd.yml").write_text(head + rest)
    status, printed, lines = check("cowherd.yml", "-v", cwd=tmp_path)
    assert lines == []
    assert "scripts:\n          index: index.rb\n" in printed
    # and every setting is mentioned
    keys = set(re.findall(r"^ *(?:- )?([a-z_]+):", printed, flags=re.MULTILINE))
    mentioned = set(re.findall(r"([a-z_]+):", EXAMPLE.read_text()))
    assert keys <= mentioned
