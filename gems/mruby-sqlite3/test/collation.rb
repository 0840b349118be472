# Orders by length, until it is told to raise.
class SQLite3FailingOrder
  attr_accessor :error, :calls

  def initialize
    @calls = 0
  end

  def compare(a, b)
    @calls += 1
    raise @error if @error

    a.length <=> b.length
  end
end

module SQLite3OrderTest
  # A database whose table `t` holds texts of 1 to 40 letters, with an index by length.
  def self.database
    db = SQLite3::Database.new(':memory:')
    order = SQLite3FailingOrder.new
    db.collation('by_length', order)
    db.execute('create table t (a text collate by_length)')
    db.execute('create index t_by_a on t (a)')
    40.times { |i| db.execute('insert into t values (?)', ['x' * (i + 1)]) }
    yield db, order
    order.error = nil
    assert_equal [['ok']], db.execute('pragma integrity_check')
    assert_false db.transaction_active?
    db.close
  end

  # That the block gets the order's own exception, after one call.
  def self.fails(order)
    order.error = IndexError.new('no order')
    before = order.calls
    assert_same order.error, assert_raise(IndexError) { yield }
    assert_equal 1, order.calls - before
  ensure
    order.error = nil
  end
end

assert('SQLite3::Database#collation') do
  db = SQLite3::Database.new(':memory:')
  order = SQLite3FailingOrder.new
  db.collation('by_length', order)
  rows = db.execute("select * from (select 'ccc' as a union select 'b' union select 'aa') order by a collate by_length")
  assert_equal [['b'], ['aa'], ['ccc']], rows
  db.collation('by_length', nil)
  assert_raise(SQLite3::SQLException) { db.execute("select 'a' < 'b' collate by_length") }
  db.close
end

assert('SQLite3::Database#collation with something else than a number') do
  db = SQLite3::Database.new(':memory:')
  order = Object.new
  db.collation('odd', order)
  [nil, 'x', :x].each do |value|
    order.define_singleton_method(:compare) { |_, _| value }
    assert_raise(TypeError) { db.execute("select 'a' < 'b' collate odd") }
  end
  order.define_singleton_method(:compare) { |_, _| -1.5 }
  assert_equal [[1]], db.execute("select 'a' < 'b' collate odd")
  db.close
end

assert('SQLite3::Database#collation that raises ends what reads') do
  SQLite3OrderTest.database do |db, order|
    other = db.prepare('select rowid from t')
    assert_equal [1], other.step
    reading = db.prepare('select a from t order by a || 1 collate by_length desc')
    SQLite3OrderTest.fails(order) { reading.step }
    SQLite3OrderTest.fails(order) { db.execute("select 'a' < 'b' collate by_length") }
    SQLite3OrderTest.fails(order) { db.execute("select a from t where a = 'xx'") }
    assert_equal ['x' * 40], reading.step
    assert_equal 39, other.rows(false).size
    db.transaction do
      db.execute("insert into t values ('')")
      SQLite3OrderTest.fails(order) { db.execute("select a from t where a = 'xx'") }
    end
    assert_equal 41, db.get_first_value('select count(*) from t')
  end
end

assert('SQLite3::Database#collation that raises undoes what writes') do
  ["insert into t values ('y')", "insert or fail into t values ('y'), ('z')", "insert or replace into t values ('y')",
   "insert into t values ('y') returning a", "update t set a = a || 'yy'", "delete from t where a = 'xx'",
   "update or fail t set a = 'y' where rowid > 20", 'create index other on t (a)', 'create table u as select a from t order by a || 1 collate by_length',
   'reindex t_by_a', 'create unique index once on t (a)'].each do |sql|
    SQLite3OrderTest.database do |db, order|
      SQLite3OrderTest.fails(order) { db.execute(sql) }
      assert_equal (1..40).to_a, db.execute('select length(a) from t order by rowid').flatten
      assert_equal %w[t t_by_a], db.execute('select name from sqlite_master').flatten
    end
  end
end

assert('SQLite3::Database#collation that raises undoes the transaction around what writes') do
  ["insert into t values ('y')", "insert or fail into t values ('y'), ('z')", "insert into t values ('y') returning a",
   "update t set a = a || 'yy'", 'create index other on t (a)'].each do |sql|
    SQLite3OrderTest.database do |db, order|
      db.execute('begin')
      db.execute('delete from t where rowid = 1')
      SQLite3OrderTest.fails(order) { db.execute(sql) }
      assert_false db.transaction_active?
      assert_equal 40, db.get_first_value('select count(*) from t')
      assert_raise(IndexError) do
        db.transaction do
          db.execute('delete from t where rowid = 1')
          SQLite3OrderTest.fails(order) { db.execute(sql) }
          raise IndexError
        end
      end
      assert_equal 40, db.get_first_value('select count(*) from t')
    end
  end
end

assert('SQLite3::Database#collation that raises in a statement within another') do
  SQLite3OrderTest.database do |db, order|
    db.define_function('try') do
      begin
        order.error = IndexError.new('no order')
        db.execute("insert into t values ('inner')")
      rescue IndexError
        order.error = nil
        'rescued'
      end
    end
    db.execute('create table log (a)')
    assert_raise(SQLite3::ConstraintException) { db.execute('insert into log values (try())') }
    assert_equal [0, 40], db.execute('select (select count(*) from log), (select count(*) from t)').flatten
    assert_equal 'rescued', db.get_first_value('select try()')
    db.execute("insert into log values ('x')")
    assert_equal 1, db.get_first_value('select count(*) from log')
  end
end

assert('SQLite3::Database#collation that raises between the rows of what writes') do
  SQLite3OrderTest.database do |db, order|
    db.execute('create table log (a)')
    raised = []
    assert_raise(SQLite3::ConstraintException) do
      db.execute('insert into log values (1), (2) returning a') do
        order.error = IndexError.new('no order')
        begin
          db.execute("insert into t values ('y')")
        rescue IndexError => error
          raised << error
        end
        order.error = nil
      end
    end
    assert_false raised.empty?
    assert_equal [[0], [40]], db.execute('select count(*) from log union all select count(*) from t')
    db.execute('insert into log values (3)')
    assert_equal [[3]], db.execute('select a from log')
  end
end

assert('SQLite3::Database#collation that raises within what reads') do
  SQLite3OrderTest.database do |db, order|
    db.execute('create table log (a)')
    db.define_function('try') do
      order.error = IndexError.new('no order')
      begin
        db.execute("insert into t values ('y')")
      rescue IndexError
        order.error = nil
        db.execute("insert into log values ('failed')")
      end
      1
    end
    assert_equal [[1]], db.execute('select try()')
    assert_equal [['failed']], db.execute('select a from log')
  end
end

assert('SQLite3::Database#define_function with blocks that raise undoes what writes, and no more') do
  db = SQLite3::Database.new(':memory:')
  db.execute('create table t (a)')
  db.define_function('most') { |x| x < 3 ? x : raise(IndexError, 'too much') }
  numbers = 'with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) '
  assert_raise(IndexError) { db.execute("#{numbers} insert into t select most(i) from n") }
  assert_equal 0, db.get_first_value('select count(*) from t')
  db.transaction do
    db.execute('insert into t values (7)')
    assert_raise(IndexError) { db.execute("#{numbers} insert or fail into t select most(i) from n") }
    assert_true db.transaction_active?
  end
  assert_equal [[7]], db.execute('select a from t')
  flags = SQLite3::Constants::TextRep::UTF8 | SQLite3::Constants::TextRep::DETERMINISTIC
  db.define_function_with_flags('most', flags) { |x| x < 7 ? x : raise(IndexError, 'too much') }
  assert_raise(IndexError) { db.execute('create index i on t (most(a))') }
  assert_equal 1, db.get_first_value('select count(*) from sqlite_master')
  assert_equal [['ok']], db.execute('pragma integrity_check')
  db.close
end

assert('SQLite3::Database: blocks for whose arguments there is no memory') do
  SQLite3OrderTest.database do |db, order|
    long = 'y' * 100_000
    db.define_function('size') { |text| text.size }
    db.execute('create table long (a)')
    db.execute('insert into long values (?)', [long])
    ['select size(a) from long', 'select a < a || 1 collate by_length from long', 'insert into t select a from long',
     'update t set a = (select a from long)'].each do |sql|
      statement = db.prepare(sql)
      before = order.calls
      assert_raise(NoMemoryError) { SQLite3Test.without_memory(100_000) { statement.step } }
      assert_equal before, order.calls if sql.include?('collate')
      statement.close
    end
    assert_equal [40, 1], db.execute('select (select count(*) from t), (select count(*) from long)').flatten
    assert_equal 100_000, db.get_first_value('select size(a) from long')
    db.execute('insert into t select a from long')
  end
end
