module RackURLMapTest
  ECHO = ->(env) { [200, {}, [env['SCRIPT_NAME'], '|', env['PATH_INFO']]] }

  def self.app(name)
    ->(env) { [200, {}, [name]] }
  end

  def self.get(app, path, more = {})
    status, _, body = app.call({ 'SCRIPT_NAME' => '', 'PATH_INFO' => path }.merge(more))
    status == 200 ? body.join : status
  end
end

assert('Rack::URLMap moves the prefix to SCRIPT_NAME') do
  app = Rack::URLMap.new('/foo' => RackURLMapTest::ECHO)
  assert_equal '/foo|', RackURLMapTest.get(app, '/foo')
  assert_equal '/foo|/', RackURLMapTest.get(app, '/foo/')
  assert_equal '/foo|/bar', RackURLMapTest.get(app, '/foo/bar')
  assert_equal '/base/foo|/bar', RackURLMapTest.get(app, '/foo/bar', 'SCRIPT_NAME' => '/base')
end

assert('Rack::URLMap matches at segment boundaries') do
  app = Rack::URLMap.new('/foo' => RackURLMapTest::ECHO)
  assert_equal 404, RackURLMapTest.get(app, '/foobar')
  assert_equal 404, RackURLMapTest.get(app, '/fo')
  assert_equal 404, RackURLMapTest.get(app, '/')
  assert_equal 404, RackURLMapTest.get(app, '')
end

assert('Rack::URLMap takes the longest prefix, whatever the order') do
  map = { '/' => 'root', '/a/b' => 'ab', '/a' => 'a' }
  app = Rack::URLMap.new(map.map { |path, name| [path, RackURLMapTest.app(name)] }.to_h)
  assert_equal 'ab', RackURLMapTest.get(app, '/a/b/c')
  assert_equal 'a', RackURLMapTest.get(app, '/a/bc')
  assert_equal 'root', RackURLMapTest.get(app, '/b')
end

assert('Rack::URLMap ignores a slash at the end of a prefix') do
  app = Rack::URLMap.new('/foo/' => RackURLMapTest::ECHO)
  assert_equal '/foo|', RackURLMapTest.get(app, '/foo')
end

assert('Rack::URLMap root keeps SCRIPT_NAME empty') do
  assert_equal '|/x', RackURLMapTest.get(Rack::URLMap.new('/' => RackURLMapTest::ECHO), '/x')
end

assert('Rack::URLMap by host') do
  app = Rack::URLMap.new('http://one.example/' => RackURLMapTest.app('one'),
                         'https://two.example/x' => RackURLMapTest.app('two'),
                         '/' => RackURLMapTest.app('any'))
  assert_equal 'one', RackURLMapTest.get(app, '/', 'HTTP_HOST' => 'one.example')
  assert_equal 'one', RackURLMapTest.get(app, '/', 'HTTP_HOST' => 'ONE.example:8080')
  assert_equal 'two', RackURLMapTest.get(app, '/x/y', 'HTTP_HOST' => 'two.example')
  assert_equal 'any', RackURLMapTest.get(app, '/y', 'HTTP_HOST' => 'two.example')
  assert_equal 'one', RackURLMapTest.get(app, '/', 'SERVER_NAME' => 'one.example')
end

assert('Rack::URLMap puts the env back, also after an exception') do
  env = { 'SCRIPT_NAME' => '/s', 'PATH_INFO' => '/foo/bar' }
  app = Rack::URLMap.new('/foo' => ->(_) { raise 'no' })
  assert_raise(RuntimeError) { app.call(env) }
  assert_equal({ 'SCRIPT_NAME' => '/s', 'PATH_INFO' => '/foo/bar' }, env)
end

assert('Rack::URLMap names the path that was not found') do
  status, headers, body = Rack::URLMap.new.call('SCRIPT_NAME' => '', 'PATH_INFO' => '/x')
  assert_equal 404, status
  assert_equal 'pass', headers['x-cascade']
  assert_equal "Not Found: /x\n", body.join
end

assert('Rack::URLMap refuses a location without a slash') do
  assert_raise(ArgumentError) { Rack::URLMap.new('foo' => RackURLMapTest::ECHO) }
end
