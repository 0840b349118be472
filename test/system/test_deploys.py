"""Deploys: a symbolic link that is switched to the next release, and what `cowherd reload` tells a script."""

import os

import pytest

from herd import wait_until

RACK = """
NAME = File.read("name")
run ->(env) {
  require_relative "late"
  require File.expand_path("later", __dir__)
  [200, {}, [[NAME, LATE, LATER, File.read("name"), File.read(File.join(__dir__, "name")), $hook].join]]
}
"""
SCRIPT = 'require_relative ".lib/late"\nget_server_class.echo LATE + File.read("name")\n'


def release(herd, number, rack=RACK):
    folder = "releases/%s/" % number
    herd.write(folder + "config.ru", rack)
    herd.write(folder + "name", number)
    herd.write(folder + "late.rb", "LATE = '%s'\n" % number)
    herd.write(folder + "later.rb", "LATER = '%s'\n" % number)
    herd.write(folder + "start.rb", "$hook = File.read(File.join(__dir__, 'name'))\n")
    herd.write(folder + "scripts/who.rb", SCRIPT)
    herd.write(folder + "scripts/name", number)
    herd.write(folder + "scripts/.lib/late.rb", "LATE = '%s'\n" % number)
    return herd.directory / folder


def switch(herd, target):
    """As deploy tools do: a new link takes the old one's name."""
    link, new = herd.directory / "current", herd.directory / "current.new"
    os.symlink(target, new)
    os.replace(new, link)
    return link


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "not frozen"])
def test_a_generation_keeps_to_the_release_that_it_has_loaded(cowherd, frozen):
    """Also with what it reads, requires and runs for the first time after the switch, in workers forked after it."""
    link = switch(cowherd, release(cowherd, "a"))
    hooks = [{"event": "worker_start", "file": "start.rb", "cache": False}]
    cached, fresh = ({"host": name, "root": link / "scripts"} for name in ("cached", "fresh"))
    cowherd.configure(
        frozen=frozen,
        workers=1,
        apps=[
            {"host": "rack", "root": link, "rack": "config.ru", "hooks": hooks},
            {**cached, "scripts": {"cache": True}},
            {**fresh, "scripts": {"cache": False}},
        ],
    ).start()
    first = cowherd.worker_pids()

    def answers():
        uris = {"rack": "/", "cached": "/who.rb", "fresh": "/who.rb"}
        return [cowherd.request(uri=uri, host=host).body.rstrip() for host, uri in uris.items()]

    switch(cowherd, release(cowherd, "b"))
    assert cowherd.command("scale", "web", "2").returncode == 0
    assert cowherd.command("scale", "web", "1").returncode == 0
    assert answers() == [b"aaaaaa", b"aa", b"aa"]
    os.kill(next(iter(first)), 15)
    wait_until(lambda: not first & cowherd.worker_pids())
    assert answers() == [b"aaaaaa", b"aa", b"aa"]
    assert cowherd.reload().returncode == 0
    assert answers() == [b"bbbbbb", b"bb", b"bb"]


def test_what_reload_says(cowherd):
    """0: the new release serves; 1: it can't, or nothing runs; 2: a configuration with a mistake. The old one goes on."""
    link = switch(cowherd, release(cowherd, "a"))
    cowherd.configure(workers=1, warmup=["/"], apps=[{"host": "*", "root": link, "rack": "config.ru"}]).start()
    good = cowherd.file.read_text()

    switch(cowherd, release(cowherd, "b"))
    assert cowherd.reload().returncode == 0
    switch(cowherd, release(cowherd, "c", "run ->(env) { [200, {}"))
    result = cowherd.reload()
    assert result.returncode == 1 and "config.ru:1:" in result.stderr
    switch(cowherd, release(cowherd, "d", 'run ->(env) { raise "no" }'))
    result = cowherd.reload()
    assert result.returncode == 1 and "warm" in result.stderr
    switch(cowherd, cowherd.directory / "nowhere")
    result = cowherd.reload()
    assert result.returncode == 1 and "current" in result.stderr
    switch(cowherd, cowherd.directory / "releases/a")
    cowherd.file.write_text(good.replace("workers:", "wokers:"))
    result = cowherd.reload()
    assert result.returncode == 2 and "wokers" in result.stderr
    cowherd.file.write_text(good)
    assert cowherd.reload("nobody").returncode == 1
    assert cowherd.request().body == b"bbbbb"
    assert cowherd.reload().returncode == 0
    assert cowherd.request().body == b"aaaaa"
    assert cowherd.stop() == 0
    assert cowherd.reload().returncode == 1
