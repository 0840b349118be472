assert('Userdata.new: a key has names of its own') do
  Userdata.new('first').color = 'red'
  Userdata.new(:second).color = 'blue'
  assert_equal %w[red blue], [Userdata.new('first').color, Userdata.new('second').color]
  assert_nil Userdata.new.color
end

assert('Userdata#method_missing: keeps objects from script to script') do
  object = Object.new
  ServerTest.answer { Userdata.new.server_test = object }
  assert_same object, ServerTest.ask { Userdata.new.server_test }
  Userdata.new.server_test = nil
  assert_nil Userdata.new.server_test
end

assert('Userdata#method_missing: no method of anybody stands in the way') do
  data = Userdata.new('names')
  data.format = 1
  data.class = 2
  data.server_name = 3
  data.method = 4
  assert_equal [1, 2, 3, 4], [data.format, data.class, data.server_name, data.method]
  assert_nil data.hash
  assert_raise(ArgumentError) { data.format('x') }
end

assert('Userdata#respond_to?: whatever is asked') do
  assert_true Userdata.new.respond_to?(:anything)
end

assert('Userdata#inspect: the names') do
  Userdata.new('inspected').a = 1
  assert_equal '#<Userdata [:a]>', Userdata.new('inspected').inspect
end

assert('the classic pair: a worker-start script and an access script') do
  countries = { '198.51.100.7' => 'XX' }
  Userdata.new.geo = countries
  access = lambda do |_env|
    address = Nginx::Connection.new.remote_ip
    Nginx.return Nginx::HTTP_FORBIDDEN if Userdata.new.geo[address] == 'XX'
  end
  assert_equal 403, ServerTest.answer(:access, &access)[0]
  assert_nil ServerTest.answer(:access, ServerTest.env('REMOTE_ADDR' => '192.0.2.9'), &access)
end
