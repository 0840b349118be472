def memory_database(**options)
  SQLite3::Database.new(':memory:', **options)
end

def with_table
  SQLite3::Database.open(':memory:') do |db|
    db.execute('create table t (id integer primary key, a, b text)')
    yield db
  end
end

def temporary_path(name)
  path = "/tmp/mruby-sqlite3-#{name}-#{rand(1 << 60)}.db"
  yield path
ensure
  [path, "#{path}-wal", "#{path}-shm", "#{path}-journal"].each { |file| File.delete(file) if File.exist?(file) }
end

assert('SQLite3::Database.new opens, and makes, a file') do
  temporary_path('new') do |path|
    db = SQLite3::Database.new(path)
    assert_false db.closed?
    assert_false db.readonly?
    db.execute('create table t (a)')
    assert_equal path, db.filename
    assert_same db, db.close
    assert_true db.closed?
    assert_same db, db.close
    assert_true File.exist?(path)
  end
end

assert('SQLite3::Database.new with a block closes, open gives the value of the block') do
  kept = nil
  db = SQLite3::Database.new(':memory:') { |it| kept = it }
  assert_same db, kept
  assert_true db.closed?
  assert_equal(3, SQLite3::Database.open(':memory:') { |it| kept = it; it.get_first_value('select 1 + 2') })
  assert_true kept.closed?
  assert_raise(RuntimeError) { SQLite3::Database.open(':memory:') { |it| kept = it; raise 'oops' } }
  assert_true kept.closed?
end

assert('SQLite3::Database options') do
  temporary_path('options') do |path|
    error = assert_raise(SQLite3::CantOpenException) { SQLite3::Database.new(path, readwrite: true) }
    assert_equal "unable to open database file: #{path}", error.message
    assert_equal 14, error.code
    assert_raise(SQLite3::CantOpenException) { SQLite3::Database.new(path, readonly: true) }
    SQLite3::Database.new(path) { |db| db.execute('create table t (a)') }
    SQLite3::Database.new(path, readonly: true) do |db|
      assert_true db.readonly?
      assert_raise(SQLite3::ReadOnlyException) { db.execute('insert into t values (1)') }
    end
    SQLite3::Database.new(path, { readonly: true }) { |db| assert_true db.readonly? }
    SQLite3::Database.new(path, flags: SQLite3::Constants::Open::READONLY) { |db| assert_true db.readonly? }
  end
  assert_raise(RuntimeError) { memory_database(readonly: true, readwrite: true) }
  assert_raise(RuntimeError) { memory_database(readonly: true, flags: 2) }
  assert_raise(ArgumentError) { memory_database(strictness: 1) }
  assert_raise(ArgumentError) { SQLite3::Database.new("a\0b") }
  assert_raise(TypeError) { SQLite3::Database.new(nil) }
  assert_raise(SQLite3::SQLException) { SQLite3::Database.new(':memory:', {}, 'no such vfs') }
end

assert('SQLite3::Database#execute') do
  with_table do |db|
    assert_equal [], db.execute('insert into t (a, b) values (?, ?)', [1, 'one'])
    assert_equal 1, db.last_insert_row_id
    db.execute('insert into t (a, b) values (?, ?)', 2, 'two')
    db.execute('insert into t (a, b) values (:a, :b)', { a: 3, 'b' => 'three' })
    db.execute('insert into t (a, b) values (@a, $b)', { '@a' => 4, '$b' => 'four' })
    assert_equal [[1, 'one'], [2, 'two'], [3, 'three'], [4, 'four']], db.execute('select a, b from t order by id')
    seen = []
    db.execute('select a from t where a > ? order by a', [2]) { |row| seen << row }
    assert_equal [[3], [4]], seen
    assert_equal [[1]], db.execute('select 1; select 2')
    assert_equal 1, db.changes
    assert_equal 4, db.total_changes
    db.execute('update t set b = ?', nil)
    assert_equal 4, db.changes
    assert_raise(SQLite3::Exception) { db.execute('') }
    assert_raise(ArgumentError) { db.execute("select 1\0; drop table t") }
    assert_raise(TypeError) { db.execute(nil) }
  end
end

assert('SQLite3::Database#execute, left by break and by an exception') do
  with_table do |db|
    5.times { |i| db.execute('insert into t (a) values (?)', [i]) }
    assert_equal(1, db.execute('select a from t order by a') { |row| break row[0] if row[0] == 1 })
    assert_raise(RuntimeError) { db.execute('select a from t') { raise 'oops' } }
    db.execute('drop table t') # which no statement is reading any more
    assert_equal [], db.execute("select name from sqlite_schema where name = 't'")
  end
end

assert('SQLite3::Database#execute2') do
  with_table do |db|
    assert_equal [%w[a b]], db.execute2('select a, b from t')
    db.execute('insert into t (a, b) values (1, 2)')
    assert_equal [%w[a b], [1, '2']], db.execute2('select a, b from t where a = ?', 1)
    seen = []
    db.execute2('select a as "the a" from t') { |row| seen << row }
    assert_equal [['the a'], [1]], seen
  end
end

assert('SQLite3::Database#execute_batch') do
  with_table do |db|
    db.execute_batch("insert into t (a) values (1); -- one\n /* two; */ insert into t (a) values (2);\n\n ;\n -- end")
    assert_equal [[1], [2]], db.execute('select a from t order by a')
    db.execute_batch('insert into t (a) values (?); delete from t where a = 1', [7])
    assert_equal [[2], [7]], db.execute('select a from t order by a')
    assert_equal [[9], [5]], db.execute_batch2('select 9; create table u (c); select 5')
    error = assert_raise(SQLite3::SQLException) { db.execute_batch('insert into t (a) values (8); insert into v (a)') }
    assert_equal 'incomplete input', error.message
    assert_equal 8, db.get_first_value('select max(a) from t')
    assert_nil db.execute_batch(" \n")
    assert_nil db.execute_batch('/* never ended')
  end
end

assert('SQLite3::Database#query') do
  with_table do |db|
    db.execute_batch('insert into t (a, b) values (1, 2); insert into t (a, b) values (3, 4)')
    result = db.query('select a, b from t where a > ? order by a', [0])
    assert_equal [1, '2'], result.next
    assert_false result.eof?
    assert_equal [3, '4'], result.next
    assert_nil result.next
    assert_true result.eof?
    assert_nil result.next
    result.reset(2)
    assert_equal [[3, '4']], result.to_a
    assert_equal %w[a b], result.columns
    assert_equal [nil, 'TEXT'], result.types
    result.close
    assert_true result.closed?
    assert_raise(SQLite3::Exception) { result.next }
    assert_equal([1, 3], db.query('select a from t order by a') { |rows| rows.map { |row| row[0] } })
    kept = nil
    db.query('select a from t') { |rows| kept = rows }
    assert_true kept.closed?
    hashes = []
    db.query('select a from t order by a') { |rows| rows.each_hash { |row| hashes << row } }
    assert_equal [{ 'a' => 1 }, { 'a' => 3 }], hashes
  end
end

assert('SQLite3::Database#get_first_row, get_first_value') do
  with_table do |db|
    assert_nil db.get_first_row('select a from t')
    assert_nil db.get_first_value('select a from t')
    db.execute_batch('insert into t (a, b) values (1, 2); insert into t (a, b) values (3, 4)')
    assert_equal [3, '4'], db.get_first_row('select a, b from t where a = ? and b = ?', 3, '4')
    assert_equal [3, '4'], db.get_first_row('select a, b from t where a = ?', [3])
    assert_equal '2', db.get_first_value('select b from t where a = :a', { a: 1 })
    db.results_as_hash = true
    assert_equal({ 'a' => 1 }, db.get_first_row('select a from t order by a'))
    assert_equal 1, db.get_first_value('select a from t order by a')
  end
end

assert('SQLite3::Database#results_as_hash') do
  db = memory_database(results_as_hash: true)
  assert_true db.results_as_hash
  rows = db.execute('select 1 as a, null as "日付" union all select 2, 3')
  assert_equal [{ 'a' => 1, '日付' => nil }, { 'a' => 2, '日付' => 3 }], rows
  assert_true rows[0].keys.all?(&:frozen?)
  seen = nil
  db.execute('select 5 as a') { |row| seen = row }
  assert_equal({ 'a' => 5 }, seen)
  assert_equal [%w[a a], { 'a' => 2 }], db.execute2('select 1 as a, 2 as a')
  db.results_as_hash = false
  assert_equal [[1]], db.execute('select 1')
  db.close
end

assert('SQLite3::Database#transaction') do
  with_table do |db|
    assert_equal(:value, db.transaction { |it| it.execute('insert into t (a) values (1)'); :value })
    assert_false db.transaction_active?
    assert_equal 1, db.get_first_value('select count(*) from t')
    assert_raise(RuntimeError) { db.transaction { db.execute('delete from t'); raise 'oops' } }
    assert_false db.transaction_active?
    assert_equal 1, db.get_first_value('select count(*) from t')

    assert_true db.transaction
    assert_true db.transaction_active?
    error = assert_raise(SQLite3::SQLException) { db.transaction { flunk } }
    assert_equal 'cannot start a transaction within a transaction', error.message
    assert_true db.transaction_active?
    db.execute('delete from t')
    assert_true db.rollback
    assert_equal 1, db.get_first_value('select count(*) from t')
    db.transaction(:immediate)
    db.execute('delete from t')
    assert_true db.commit
    assert_equal 0, db.get_first_value('select count(*) from t')
    assert_raise(SQLite3::SQLException) { db.commit }
    assert_raise(SQLite3::SQLException) { db.transaction('no such') { flunk } }
  end
end

assert('SQLite3::Database#transaction, left otherwise') do
  with_table do |db|
    count = -> { db.get_first_value('select count(*) from t') }
    [1].each { db.transaction { db.execute('insert into t (a) values (1)'); break } }
    assert_equal 1, count.call
    catch(:done) { db.transaction { db.execute('insert into t (a) values (2)'); throw :done } }
    assert_equal 2, count.call
    begin
      db.transaction { db.execute('delete from t'); raise Exception, 'no StandardError' }
    rescue Exception => e
      assert_equal 'no StandardError', e.message
    end
    assert_equal 2, count.call
    # SQLite has rolled back by itself.
    error = assert_raise(SQLite3::ConstraintException) do
      db.transaction { db.execute('insert or rollback into t (id) values (1)') }
    end
    assert_equal 'UNIQUE constraint failed: t.id', error.message
    assert_false db.transaction_active?
  end
end

assert('SQLite3::Database, two connections') do
  temporary_path('two') do |path|
    one = SQLite3::Database.new(path)
    other = SQLite3::Database.new(path)
    one.execute('create table t (a)')
    one.transaction(:exclusive)
    error = assert_raise(SQLite3::BusyException) { other.execute('select * from t') }
    assert_equal 'database is locked', error.message
    assert_equal 5, error.code
    other.busy_timeout = 20
    assert_raise(SQLite3::BusyException) { other.execute('select * from t') }
    other.busy_timeout(0)
    one.commit
    assert_equal [], other.execute('select * from t')

    # A commit that fails leaves nothing open.
    other.transaction
    other.execute('select * from t')
    assert_raise(SQLite3::BusyException) { one.transaction { one.execute('insert into t values (1)') } }
    assert_false one.transaction_active?
    other.commit
    assert_equal [], one.execute('select * from t')
    one.close
    other.close
  end
end

assert('SQLite3::Database, closed') do
  db = memory_database
  statement = db.prepare('select 1')
  db.close
  assert_true statement.closed?
  %i[changes total_changes last_insert_row_id transaction_active? errmsg errcode filename commit].each do |name|
    assert_raise(SQLite3::Exception, ArgumentError) { db.send(name) }
  end
  assert_equal 'prepare called on a closed database',
               assert_raise(ArgumentError) { db.execute('select 1') }.message
  assert_equal 'cannot use a closed statement', assert_raise(SQLite3::Exception) { statement.step }.message
  assert_raise(SQLite3::Exception) { SQLite3::Database.allocate.changes } if SQLite3::Database.respond_to?(:allocate)
  assert_raise(TypeError) { memory_database.dup }
end

assert('SQLite3::Database, forgotten') do
  10.times do
    db = memory_database
    statement = db.prepare('select 1 union select 2')
    statement.step
    db.query('select 1').next
  end
  GC.start
  statement = memory_database.prepare('select 5')
  GC.start
  assert_equal [5], statement.step # which keeps its database
end

assert('SQLite3::Database#complete?, quote, versions') do
  db = memory_database
  assert_true db.complete?('select 1;')
  assert_false db.complete?('select 1')
  assert_equal "it''s ''", SQLite3::Database.quote("it's '")
  assert_equal 'SELECT', (SQLite3::SQLITE_VERSION; 'SELECT')
  assert_true SQLite3.libversion >= 3_000_000
  assert_equal SQLite3::SQLITE_LOADED_VERSION, db.get_first_value('select sqlite_version()')
  db.close
end

assert('SQLite3::Exception by code') do
  with_table do |db|
    error = assert_raise(SQLite3::SQLException) { db.execute('selec 1') }
    assert_equal 'near "selec": syntax error', error.message
    assert_equal 1, error.code
    assert_kind_of SQLite3::Exception, error
    assert_kind_of StandardError, error
    assert_raise(SQLite3::ConstraintException) { 2.times { db.execute('insert into t (id) values (1)') } }
    assert_raise(SQLite3::MismatchException) { db.execute("insert into t (id) values ('x')") }
    assert_raise(SQLite3::RangeException) { db.execute('select ?', [1, 2]) }
    assert_raise(SQLite3::TooBigException) { db.execute('select zeroblob(1 << 31)') }
    db.extended_result_codes = true
    assert_equal 1555, assert_raise(SQLite3::ConstraintException) { db.execute('insert into t (id) values (1)') }.code
  end
  temporary_path('no-database') do |path|
    File.open(path, 'w') { |file| file.write('this is no database' * 100) }
    SQLite3::Database.new(path) do |db|
      assert_raise(SQLite3::NotADatabaseException) { db.execute('select * from t') }
    end
  end
end

assert 'SQLite3::Database, a function in use is not replaced, and goes on' do
  database = SQLite3::Database.new(':memory:')
  database.define_function('doubled') { |number| number * 2 }
  statement = database.prepare('select doubled(a) from (select 1 as a union all select 2)')
  assert_equal [2], statement.step
  assert_raise(SQLite3::BusyException) { database.define_function('doubled') { |_| 0 } }
  GC.start
  assert_equal [4], statement.step
  statement.close
  database.close
end

assert 'SQLite3::Database, frozen, and a block that raises' do
  database = SQLite3::Database.new(':memory:')
  database.define_function('failing') { |_| raise ArgumentError, 'on purpose' }
  database.freeze
  assert_raise(ArgumentError) { database.execute('select failing(1)') }
  assert_equal [[1]], database.execute('select 1')
end
