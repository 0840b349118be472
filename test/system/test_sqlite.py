"""Databases that workers open, and those that must not come to them over the fork."""

import sqlite3

import pytest

APP = """
run ->(env) {
  count = case env["PATH_INFO"]
          when "/add" then $db.transaction(:immediate) { $db.execute("insert into visits values (?)", [Process.pid]) }.size
          when "/long" then $db.get_first_value("with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) from c")
          else $db.get_first_value("select count(*) from visits")
          end
  [200, {}, [count.to_s]]
}
"""


@pytest.fixture
def database(cowherd):
    folder = cowherd.directory / "data"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "visits.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table visits (pid integer)")
    connection.close()
    path.chmod(0o666)
    return path


def opened_by_workers(herd, database):
    herd.write(
        "apps/web0/open.rb",
        "require 'sqlite3'\n$db = SQLite3::Database.new('%s')\n$db.busy_timeout = 60_000\n"
        "$db.execute('pragma synchronous = off')\n" % database,
    )
    herd.app(APP, hooks=[{"event": "worker_start", "file": "open.rb"}])
    return herd.start()


def test_each_worker_has_its_own_connection(cowherd, database):
    cowherd.configure(workers=2)
    opened_by_workers(cowherd, database)
    assert [cowherd.request("/add").status for _ in range(10)] == [200] * 10
    assert cowherd.request("/").text == "10"
    with sqlite3.connect(database) as connection:
        pids = {pid for (pid,) in connection.execute("select pid from visits")}
    connection.close()
    assert pids <= set(cowherd.worker_pids())


def test_a_query_and_a_wait_for_a_lock_that_take_too_long_end_in_time(cowherd, database):
    cowherd.configure(workers=1, timeouts={"request": "1s", "hard": "60s"})
    opened_by_workers(cowherd, database)
    pids = cowherd.worker_pids()
    assert cowherd.request("/long").status == 504
    lock = sqlite3.connect(database, isolation_level=None)
    lock.execute("begin exclusive")
    assert cowherd.request("/add").status == 504
    lock.execute("commit")
    lock.close()
    assert cowherd.request("/add").status == 200
    assert cowherd.request("/").text == "1"
    assert cowherd.worker_pids() == pids


def test_a_database_that_the_mold_has_opened_is_refused_in_the_workers(cowherd, database):
    cowherd.app("$db = SQLite3::Database.new('%s')\n" % database + APP)
    cowherd.start()
    assert cowherd.request("/").status == 500
    cowherd.wait_log("the database was opened before this process was forked: open it in each process", "MisuseException")
