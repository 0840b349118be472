"""What an operator types: exit statuses, tables, messages."""

import contextlib
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import fastcgi

HELLO = """
run ->(env) {
  [200, { "content-type" => "text/plain", "x-host" => env["HTTP_HOST"].to_s },
   ["hello #{env["REQUEST_METHOD"]} #{env["QUERY_STRING"]} #{env["rack.input"].read}"]]
}
"""


@pytest.fixture(scope="module")
def herd(module_cowherd):
    module_cowherd.app(HELLO, host="a.test")
    module_cowherd.app("run ->(env) { raise 'x' }", host="raise.test")
    return module_cowherd.start()


# -- usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["--nonsense"],
        ["status", "--nonsense"],
        ["run", "extra"],
        ["request"],
        ["request", "/only-one"],
        ["check", "-c"],
        ["front"],
        ["front", "iis"],
        ["heap"],
        ["heap", "--svg", "x.svg", "--worker", "one"],
        ["scale", "web", "many"],
        ["top", "--delay", "0"],
        ["top", "--count", "x"],
        ["settings", "nonsense"],
        ["completion", "fish"],
        ["help", "nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_said_on_standard_error_with_status_2(herd, arguments):
    result = herd.command(*arguments, file=False)
    assert result.returncode == 2
    assert result.stdout == "" and result.stderr.strip()


def test_help_and_version_go_to_standard_output(herd):
    for argument in ("--help", "-h"):
        result = herd.command(argument, file=False)
        assert result.returncode == 0 and result.stderr == ""
        for name in ("run", "check", "reload", "stop", "status", "request", "front"):
            assert name in result.stdout
    result = herd.command("--version", file=False)
    assert result.returncode == 0 and re.search(r"\d+\.\d+", result.stdout)


def command_names(herd):
    listed = herd.command("help", file=False).stdout
    return re.findall(r"(?m)^  ([a-z-]+) ", listed)


def test_every_command_explains_itself(herd):
    names = command_names(herd)
    assert {"run", "top", "request", "settings", "help"} < set(names)
    for name in names:
        explained = herd.command("help", name, file=False)
        assert (explained.returncode, explained.stderr) == (0, "")
        assert explained.stdout.startswith("usage: cowherd %s" % name)
        asked = herd.command(name, "--help", file=False)
        assert (asked.returncode, asked.stdout) == (0, explained.stdout)


def test_two_dashes_end_the_options(herd):
    result = herd.command("settings", "--", "--mdoc", file=False)
    assert result.returncode == 2 and "no such setting" in result.stderr and "listed): --mdoc" in result.stderr


SETTING = re.compile(r"SETTING\(\s*[A-Z]+, (\w+),")
SETTINGS = Path(__file__).resolve().parents[2] / "config" / "settings.def"


def test_settings_are_explained(herd):
    everything = herd.command("settings", file=False)
    assert everything.returncode == 0
    explained = Counter(path.split(".")[-1] for path in re.findall(r"(?m)^(\S+)$", everything.stdout))
    assert explained == Counter(SETTING.findall(SETTINGS.read_text()))
    some = herd.command("settings", "pools.NAME.recycle.", file=False).stdout
    assert re.findall(r"(?m)^pools\.NAME\.recycle\.(\S+)$", some)[:2] == ["requests", "age"]
    assert "default 20000" in some
    for part in ("recycle.", "pools.web.recycle."):
        assert herd.command("settings", part, file=False).stdout == some
    assert herd.command("settings", "pools.web", file=False).stdout == herd.command("settings", "pools.", file=False).stdout
    users = herd.command("settings", "user", file=False).stdout
    assert re.findall(r"(?m)^(\S+)$", users) == ["pools.NAME.user"]


def completed(herd, *words):
    """What bash offers for the last word."""
    script = herd.directory / "completion.bash"
    script.write_text(herd.command("completion", "bash", file=False).stdout)
    line = ". %s; COMP_WORDS=(%s); COMP_CWORD=%d; compopt() { :; }; _cowherd; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
        script,
        " ".join(shlex.quote(word) for word in ("cowherd", *words)),
        len(words),
    )
    result = subprocess.run(
        ["bash", "--norc", "-c", line], capture_output=True, text=True, timeout=30, cwd=herd.directory
    )
    assert result.stderr == ""
    return result.stdout.split()


def test_bash_completes_commands_options_and_files(herd):
    assert sorted(completed(herd, "st")) == ["status", "stop"]
    assert sorted(completed(herd, "")) == sorted(command_names(herd))
    assert completed(herd, "status", "--j") == ["--json"]
    assert completed(herd, "stop", "--j") == []
    assert herd.file.name in completed(herd, "check", "-c", herd.file.name[:3])


def test_bash_completes_arguments_that_are_known_beforehand(herd):
    known = herd.command("front", "iis").stderr.split("known: ")[-1].split()
    assert completed(herd, "front", "") == known and "nginx" in known
    assert completed(herd, "completion", "z") == ["zsh"]
    assert completed(herd, "help", "") == command_names(herd)
    assert herd.file.name in completed(herd, "request", herd.file.name[:3])
    assert completed(herd, "reload", herd.file.name[:3]) == []


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_its_completions(herd):
    text = herd.command("completion", "zsh", file=False).stdout
    checked = subprocess.run(["zsh", "-n"], input=text, capture_output=True, text=True, timeout=30)
    assert (checked.returncode, checked.stderr) == (0, "") and text.startswith("#compdef cowherd\n")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_looks_where_they_are_installed():
    places = subprocess.run(["zsh", "-fc", "print -l $fpath"], capture_output=True, text=True, timeout=30, check=True).stdout
    folder = re.search(r"(?m)^ZSH_FUNCTIONS := (\S+)$", (SETTINGS.parents[1] / "Makefile").read_text()).group(1)
    assert "/usr/local/" + folder in places.split()


def test_top_looks_again_and_again(herd):
    result = herd.command("top", "--count", "3", "--delay", "0.1")
    assert result.returncode == 0
    assert len(re.findall(r"(?m)^web: serving", result.stdout)) == 3


def test_top_gives_the_terminal_back(herd):
    master, slave = pty.openpty()
    top = subprocess.Popen(
        [str(herd.program), "top", "-c", str(herd.file)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    shown = b""
    try:
        while b"web: serving" not in shown:
            shown += os.read(master, 65536)
        top.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while piece := os.read(master, 65536):
                shown += piece
        assert top.wait(timeout=30) == 0
    finally:
        top.kill()
        top.wait()
        os.close(master)
    assert shown.startswith(b"\033[?1049h") and shown.endswith(b"\033[?1049l")


@pytest.mark.parametrize("name", ["status", "reload", "stop", "reopen"])
def test_without_a_supervisor_commands_fail_with_status_1(cowherd, name):
    cowherd.app(HELLO)
    cowherd.write_configuration()
    result = cowherd.command(name)
    assert result.returncode == 1
    assert str(cowherd.directory / "control.sock") in result.stderr


def test_another_socket_than_the_control_socket_is_told(cowherd):
    cowherd.app(HELLO)
    cowherd.start()
    result = cowherd.command("status", "-s", cowherd.directory / "web.sock", file=False)
    assert (result.returncode, result.stderr) == (1, "no answer came: it is not cowherd's control socket, or cowherd has ended\n")


@pytest.mark.parametrize("name", ["run", "check", "status", "reload", "front nginx"])
def test_a_configuration_that_is_missing_or_wrong_is_status_2(cowherd, name):
    result = cowherd.command(*name.split())
    assert result.returncode == 2 and str(cowherd.file) in result.stderr
    cowherd.file.write_text("pools:\n  web:\n    listen: x.sock\n    workrs: 2\n    umask: [1]\n")
    result = cowherd.command(*name.split())
    assert result.returncode == 2
    if name in ("run", "check"):
        assert "%s:4:5:" % cowherd.file in result.stderr and "workers" in result.stderr
        assert "%s:5:12:" % cowherd.file in result.stderr, "all errors at once"


def test_commands_find_the_control_socket_by_s(herd):
    result = herd.command("status", "-s", herd.directory / "control.sock", file=False)
    assert result.returncode == 0 and "web" in result.stdout


# -- check


def test_check_accepts_a_good_configuration_without_starting_anything(cowherd):
    cowherd.app(HELLO)
    cowherd.write_configuration()
    result = cowherd.command("check")
    assert result.returncode == 0, result.stderr
    assert not (cowherd.directory / "web.sock").exists() and not (cowherd.directory / "control.sock").exists()


def test_check_does_not_run_the_app(cowherd):
    trace = cowherd.directory / "trace"
    cowherd.app('File.open("%s", "w") { |f| f.write "x" }\n%s' % (trace, HELLO))
    cowherd.write_configuration()
    assert cowherd.command("check").returncode == 0
    assert not trace.exists()


def test_check_v_prints_a_configuration_that_checks_and_prints_the_same(cowherd):
    cowherd.configure(env={"A": "b: c # d", "TZ": "Asia/Tokyo"}, limits={"body": "1MiB"})
    cowherd.configure(timeouts={"request": "90s", "hard": "2m"})
    cowherd.app(HELLO, host="*.example.org")
    cowherd.write_configuration()
    first = cowherd.command("check", "-v")
    assert first.returncode == 0, first.stderr
    assert "workers" in first.stdout and "*.example.org" in first.stdout
    again = cowherd.write("again.yml", first.stdout)
    second = cowherd.command("check", "-v", "-c", again, file=False)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    cowherd.start(configuration=first.stdout)
    assert cowherd.request(host="x.example.org").status == 200


# -- request


def test_request_prints_status_headers_and_body(herd):
    result = herd.command("request", "-H", "Host: a.test", herd.address(), "/x?q=1", file=False)
    assert result.returncode == 0, result.stderr
    head, _, body = result.stdout.replace("\r\n", "\n").partition("\n\n")
    assert head.split("\n")[0].startswith("Status: 200")
    assert "content-type: text/plain" in head.lower() and "x-host: a.test" in head.lower()
    assert body == "hello GET q=1 "


def test_request_takes_a_method_and_several_headers(herd):
    options = ["-X", "PUT", "-H", "Host: a.test", "-H", "X-Other: 1"]
    result = herd.command("request", *options, herd.address(), "/", file=False)
    assert result.returncode == 0 and "hello PUT" in result.stdout


def test_request_succeeds_with_any_complete_response(herd):
    for host, status in (("raise.test", 500), ("unknown.test", 404)):
        result = herd.command("request", "-H", "Host: " + host, herd.address(), "/", file=False)
        assert result.returncode == 0 and "Status: %d" % status in result.stdout


def test_request_fails_where_nobody_listens(herd):
    result = herd.command("request", herd.directory / "nobody.sock", "/", file=False)
    assert result.returncode == 1 and "nobody.sock" in result.stderr


# -- status


def test_status_prints_a_row_for_each_worker(herd):
    for _ in range(3):
        herd.request(host="a.test")
    herd.wait_until(lambda: all(w["memory"]["rss"] and w["state"] == "idle" for w in herd.workers()))
    result = herd.command("status")
    assert result.returncode == 0
    lines = result.stdout.split("\n")
    number = next(n for n, line in enumerate(lines) if line.split()[:1] == ["PID"])
    assert re.search(r"\bPID\s+GEN\s+STATE\s+REQUESTS\s+RSS\s+SHARED.*\s+PRIVATE", lines[number])
    cells = [line.split() for line in lines[number + 1 :]]
    rows = {int(fields[0]): fields for fields in cells if fields and fields[0].isdigit()}
    for worker in herd.workers():
        row = rows[worker["pid"]]
        assert row[1] == "1" and row[2] == worker["state"] and row[3] == str(worker["requests"])
        assert re.search(r"\( *\d+%\)", " ".join(row))


def test_status_json_has_the_same_keys_on_every_call(herd):
    first, second = herd.status(), herd.status()
    assert [list(pool) for pool in first["pools"]] == [list(pool) for pool in second["pools"]]
    assert first["supervisor"]["pid"] == second["supervisor"]["pid"] == herd.process.pid


def test_clients_of_the_control_socket_that_say_nothing_or_nonsense_harm_nobody(herd):
    silent = [fastcgi.open_socket(herd.directory / "control.sock", 5) for _ in range(20)]
    nonsense = [b"nonsense\n", b"\0\n", b"x" * 100000, b"status json extra words here and more\n", b"\n"]
    for sock, text in zip(silent, nonsense):
        try:
            sock.sendall(text)
        except OSError:
            pass
    assert herd.command("status").returncode == 0
    assert herd.request(host="a.test").status == 200
    for sock in silent:
        sock.close()


def test_the_control_socket_is_for_its_owner_alone(herd):
    assert (herd.directory / "control.sock").stat().st_mode & 0o077 == 0
