assert('SQLite3::Statement') do
  db = SQLite3::Database.new(':memory:')
  statement = db.prepare('select ?1 as a, :b as b -- rest')
  assert_equal 2, statement.bind_parameter_count
  assert_equal %w[a b], statement.columns
  assert_equal 2, statement.column_count
  assert_equal 'a', statement.column_name(0)
  assert_nil statement.column_name(2)
  assert_nil statement.column_name(-1)
  assert_equal [nil, nil], statement.types
  assert_true statement.readonly?
  statement.bind_param(1, 'x')
  statement.bind_param('b', 'y')
  assert_equal "select 'x' as a, 'y' as b -- rest", statement.expanded_sql
  assert_true statement.active?
  assert_equal %w[x y], statement.step
  assert_nil statement.step
  assert_true statement.done?
  assert_nil statement.step
  statement.reset!
  assert_equal [%w[x y]], statement.to_a
  assert_same statement, statement.reset!
  statement.clear_bindings!
  assert_equal [nil, nil], statement.step
  assert_equal [[1, 2]], statement.execute!(1, 2)
  assert_equal [[3, 4]], statement.execute([3, 4]).to_a
  assert_equal([[5, 6]], statement.execute(5, { b: 6 }) { |rows| assert_kind_of SQLite3::ResultSet, rows }.map { |row| row })
  seen = []
  assert_same statement, statement.execute!(7, 8) { |row| seen << row }
  assert_equal [[7, 8]], seen
  assert_same statement, statement.close
  assert_true statement.closed?
  assert_raise(SQLite3::Exception) { statement.close }
  assert_raise(SQLite3::Exception) { statement.must_be_open! }
  assert_raise(SQLite3::Exception) { statement.columns }
  assert_raise(SQLite3::Exception) { statement.bind_param(1, 1) }
  assert_raise(TypeError) { db.prepare('select 1') { |it| it.dup } }
  db.close
end

assert('SQLite3::Statement of one or none of several') do
  db = SQLite3::Database.new(':memory:')
  db.prepare('select 1; select 2') { |statement| assert_equal ' select 2', statement.remainder }
  kept = db.prepare('select 1') { |statement| statement }
  assert_true kept.closed?
  empty = db.prepare('  -- nothing')
  assert_true empty.closed?
  assert_equal '', empty.remainder
  assert_raise(SQLite3::SQLException) { db.prepare('select nothing from nowhere') }
  assert_raise(ArgumentError) { SQLite3::Statement.new(SQLite3::Database.new(':memory:').close, 'select 1') }
  db.close
end

assert('SQLite3::Statement#execute changes at once') do
  db = SQLite3::Database.new(':memory:')
  db.execute('create table t (a)')
  insert = db.prepare('insert into t values (?)')
  3.times { |i| insert.execute(i) }
  assert_equal [[0], [1], [2]], db.execute('select a from t')
  assert_equal [[9]], db.execute('insert into t values (9) returning a')
  db.close
end

assert('SQLite3::Statement#bind_param refuses') do
  db = SQLite3::Database.new(':memory:')
  db.prepare('select :a, ?') do |statement|
    [0, -1, 1 << 40, 'c', :c, ''].each do |key|
      error = assert_raise(SQLite3::Exception) { statement.bind_param(key, 1) }
      assert_equal 'no such bind parameter', error.message
    end
    assert_raise(SQLite3::RangeException) { statement.bind_param(3, 1) }
    assert_raise(ArgumentError) { statement.bind_param("a\0", 1) }
    assert_raise(TypeError) { statement.bind_param(nil, 1) }
    { true => 'TrueClass', false => 'FalseClass', sym: 'Symbol', Object.new => 'Object' }.each do |value, name|
      value = :sym if name == 'Symbol'
      assert_equal "can't prepare #{name}", assert_raise(RuntimeError) { statement.bind_param(1, value) }.message
    end
  end
  db.close
end

assert('SQLite3 types of values') do
  db = SQLite3::Database.new(':memory:')
  [0, 1, -1, 1 << 31, 1 << 62, (1 << 63) - 1, -(1 << 63), 1.5, -0.1, 1e308, 5e-324, '', 'text', '日本語', "a\0b", nil,
   SQLite3::Blob.new(''), SQLite3::Blob.new("\xff\x00\xfe")].each do |value|
    found = db.get_first_value('select ?', [value])
    assert_equal [value.inspect, value.class], [found.inspect, found.class]
  end
  assert_equal %w[integer real text blob null],
               db.get_first_row('select typeof(?), typeof(?), typeof(?), typeof(?), typeof(?)',
                                [1, 1.0, 'a', 'a'.to_blob, nil])
  assert_equal 18_446_744_073_709_551_616.0, db.get_first_value('select ?', [1 << 64])
  assert_nil db.get_first_value('select ?', [0.0 / 0.0])
  assert_equal 1.0 / 0.0, db.get_first_value('select ?', [1.0 / 0.0])
  assert_equal 3, db.get_first_value('select length(?)', ['日本語'])
  assert_equal 9, db.get_first_value('select length(?)', ['日本語'.to_blob])
  assert_equal 'UTF-8', db.get_first_value('pragma encoding')
  assert_kind_of String, SQLite3::Blob.new('a')
  db.close
end

# Used again after a freeze, where the tests run twice.
unless $kept_database
  $kept_database = SQLite3::Database.new(':memory:', results_as_hash: true)
  $kept_database.define_function('described') { |value| "<#{value}>" }
  $kept_database.execute('create table t (a)')
  $kept_insert = $kept_database.prepare('insert into t values (described(?))')
  $kept_select = $kept_database.prepare('select a from t order by a')
end

assert('SQLite3 objects of before') do
  $kept_database.execute('delete from t')
  100.times { |i| $kept_insert.execute(100 + i) }
  rows = $kept_select.execute.to_a
  assert_equal [100, { 'a' => '<100>' }, { 'a' => '<199>' }], [rows.length, rows[0], rows[-1]]
  assert_equal %w[a], $kept_select.columns
  $kept_database.define_function("new_#{rand(1 << 60)}") { |value| [value].inspect }
  $kept_database.define_function('described') { |value| "{#{value}}" }
  $kept_insert.execute('x')
  GC.start
  assert_equal '{x}', $kept_database.get_first_value('select max(a) from t')
  $kept_database.define_function('described') { |value| "<#{value}>" }
end
