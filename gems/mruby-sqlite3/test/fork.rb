def misuse_of
  yield
  nil
rescue SQLite3::MisuseException => e
  e.message
end

assert('SQLite3::Database is not used across a fork') do
  path = "/tmp/mruby-sqlite3-fork-#{rand(1 << 60)}.db"
  begin
    db = SQLite3::Database.new(path)
    db.execute_batch('create table t (a); insert into t values (1)')
    statement = db.prepare('select a from t')
    statement.step # which holds a lock
    refused = 'the database was opened before this process was forked: open it in each process (in a worker_start hook)'
    assert_equal(0, SQLite3Test.in_child { misuse_of { db.execute('select 1') } == refused })
    assert_equal(0, SQLite3Test.in_child { misuse_of { db.changes } == refused })
    assert_equal(0, SQLite3Test.in_child { misuse_of { db.define_function('f') { 1 } } == refused })
    assert_equal(0, SQLite3Test.in_child { misuse_of { statement.step } == refused })
    assert_equal(0, SQLite3Test.in_child { misuse_of { statement.close } == refused })
    # SQLite would believe that it holds the parent's lock.
    still_open = "#{path} was open when this process was forked, and still is: close it before the fork"
    assert_equal(0, SQLite3Test.in_child { misuse_of { SQLite3::Database.new(path) } == still_open })
    assert_equal(0, SQLite3Test.in_child { db.close; db.closed? && misuse_of { SQLite3::Database.new(path) } == still_open })
    assert_equal(0, SQLite3Test.in_child { db = statement = nil; GC.start; true })
    assert_equal(0, SQLite3Test.in_child { SQLite3::Database.new(':memory:').execute('select 5') == [[5]] })

    # What the children did has not harmed it: its lock is held yet.
    assert_false statement.done?
    assert_nil statement.step
    db.close
    assert_equal(0, SQLite3Test.in_child do
      SQLite3::Database.open(path) { |mine| mine.execute('insert into t values (2)'); mine.changes == 1 }
    end)
    assert_equal [[1], [2]], SQLite3::Database.open(path) { |mine| mine.execute('select a from t') }
  ensure
    File.delete(path) if File.exist?(path)
  end
end
