assert('SQLite3::Database#define_function') do
  db = SQLite3::Database.new(':memory:')
  db.define_function('double') { |x| x * 2 }
  assert_equal 42, db.get_first_value('select double(21)')
  assert_equal 'abab', db.get_first_value("select double('ab')")
  assert_raise(SQLite3::SQLException) { db.execute('select double(1, 2)') }
  db.define_function('many') { |*all| all.inspect }
  assert_equal '[1, 2.5, "x", nil, "b"]', db.get_first_value("select many(1, 2.5, 'x', null, x'62')")
  db.define_function('double') { |x| x * 3 }
  assert_equal 3, db.get_first_value('select double(1)')
  db.create_function('greet', 1) { |function, name| function.result = "hello #{name}" }
  assert_equal 'hello 世界', db.get_first_value("select greet('世界')")
  db.create_function('fail', 0) { |function| function.set_error('no') }
  assert_equal 'no', assert_raise(SQLite3::SQLException) { db.execute('select fail()') }.message
  db.close
end

assert('SQLite3::Database#define_function with blocks that raise') do
  db = SQLite3::Database.new(':memory:')
  db.define_function('oops') { |x| raise KeyError, "no #{x}" }
  statement = db.prepare('select oops(a) from (select 1 as a union select 2)')
  2.times do
    assert_equal 'no 1', assert_raise(KeyError) { statement.step }.message
  end
  db.define_function('sym') { :symbol }
  assert_equal "can't return Symbol", assert_raise(RuntimeError) { db.execute('select sym()') }.message
  db.define_function('leave') { throw :out, 5 }
  assert_equal(5, catch(:out) { db.execute('select leave()') })
  assert_equal [[1]], db.execute('select 1')
  db.close
end

assert('SQLite3::Database#define_function with blocks that use the database') do
  db = SQLite3::Database.new(':memory:')
  db.define_function('ask') { |x| db.get_first_value('select ? + 1', [x]) }
  assert_equal [[2], [3]], db.execute('select ask(1) union select ask(2)')
  db.define_function('close') { db.close }
  assert_raise(SQLite3::MisuseException) { db.execute('select close()') }
  running = nil
  db.define_function('again') { running.step }
  db.define_function('reset') { running.reset! }
  db.define_function('finish') { running.close }
  %w[again reset finish].each do |name|
    running = db.prepare("select #{name}()")
    assert_raise(SQLite3::MisuseException) { running.step }
    assert_false running.closed?
  end
  assert_false db.closed?
  db.define_function('garbage') { 100.times { |i| db.prepare("select #{i}") }; GC.start; 1 }
  assert_equal 1, db.get_first_value('select garbage()')
  db.close
end
