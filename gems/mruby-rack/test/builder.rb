module RackBuilderTest
  # Writes its tag around the body of what it wraps.
  class Tag
    def initialize(app, tag = 'tag', options = {}, &block)
      @app = app
      @tag = block ? block.call(tag) : tag
      @suffix = options[:suffix]
    end

    def call(env)
      status, headers, body = @app.call(env)
      [status, headers, ["#{@tag}("] + body + [")#{@suffix}"]]
    end
  end

  class Keywords
    def initialize(app, prefix:, times: 1)
      @app = app
      @prefix = prefix * times
    end

    def call(env)
      status, headers, body = @app.call(env)
      [status, headers, [@prefix] + body]
    end
  end

  def self.app(text)
    ->(env) { [200, {}, [text]] }
  end

  def self.get(app, path = '/', more = {})
    env = { 'REQUEST_METHOD' => 'GET', 'SCRIPT_NAME' => '', 'PATH_INFO' => path }
    status, _, body = app.call(env.merge(more))
    [status, body.join]
  end
end

assert('Rack::Builder#run with an application') do
  app = RackBuilderTest.app('a')
  assert_same app, Rack::Builder.new { run app }.to_app
end

assert('Rack::Builder#run with a block') do
  builder = Rack::Builder.new { run { |env| [200, {}, [env['PATH_INFO']]] } }
  assert_equal [200, '/x'], RackBuilderTest.get(builder.to_app, '/x')
end

assert('Rack::Builder#run refuses what is no application') do
  assert_raise(ArgumentError) { Rack::Builder.new { run } }
  assert_raise(ArgumentError) { Rack::Builder.new { run 1 } }
  assert_raise(ArgumentError) { Rack::Builder.new { run(->(env) {}) { |env| env } } }
end

assert('Rack::Builder#run, the last one counts') do
  builder = Rack::Builder.new
  builder.run RackBuilderTest.app('first')
  builder.run RackBuilderTest.app('second')
  assert_equal [200, 'second'], RackBuilderTest.get(builder.to_app)
end

assert('Rack::Builder#use, the first one stands outermost') do
  app = Rack::Builder.app do
    use RackBuilderTest::Tag, 'a'
    use RackBuilderTest::Tag, 'b'
    run RackBuilderTest.app('x')
  end
  assert_equal [200, 'a(b(x))'], RackBuilderTest.get(app)
end

assert('Rack::Builder#use with arguments, keywords and a block') do
  app = Rack::Builder.app do
    use(RackBuilderTest::Tag, 'a', suffix: '!') { |tag| tag * 2 }
    use RackBuilderTest::Keywords, prefix: '-', times: 3
    run RackBuilderTest.app('x')
  end
  assert_equal [200, 'aa(---x)!'], RackBuilderTest.get(app)
end

assert('Rack::Builder#use after map stands around what is mapped') do
  app = Rack::Builder.app do
    map('/m') { run RackBuilderTest.app('m') }
    use RackBuilderTest::Tag
    run RackBuilderTest.app('x')
  end
  assert_equal [200, 'tag(m)'], RackBuilderTest.get(app, '/m')
  assert_equal [200, 'tag(x)'], RackBuilderTest.get(app, '/')
end

assert('Rack::Builder#map, nested, with middleware of its own') do
  app = Rack::Builder.app do
    map '/a' do
      use RackBuilderTest::Tag, 'a'
      map('/b') { run { |env| [200, {}, [env['SCRIPT_NAME'], ' ', env['PATH_INFO']]] } }
      run RackBuilderTest.app('only a')
    end
    run RackBuilderTest.app('rest')
  end
  assert_equal [200, 'a(/a/b /c)'], RackBuilderTest.get(app, '/a/b/c')
  assert_equal [200, 'a(only a)'], RackBuilderTest.get(app, '/a/c')
  assert_equal [200, 'rest'], RackBuilderTest.get(app, '/c')
end

assert('Rack::Builder#map without an application of its own takes the one beside it') do
  app = Rack::Builder.app do
    run RackBuilderTest.app('x')
    map('/m') { use RackBuilderTest::Tag }
  end
  assert_equal [200, 'tag(x)'], RackBuilderTest.get(app, '/m')
end

assert('Rack::Builder#map alone') do
  app = Rack::Builder.app { map('/m') { run RackBuilderTest.app('m') } }
  assert_equal 404, RackBuilderTest.get(app, '/')[0]
  assert_equal [200, 'm'], RackBuilderTest.get(app, '/m')
end

assert('Rack::Builder#map needs a block') do
  assert_raise(ArgumentError) { Rack::Builder.new { map '/x' } }
end

assert('Rack::Builder#to_app with nothing to run') do
  builder = Rack::Builder.new { use RackBuilderTest::Tag }
  assert_false builder.app?
  assert_raise(RuntimeError) { builder.to_app }
end

assert('Rack::Builder#call') do
  assert_equal [200, 'x'], RackBuilderTest.get(Rack::Builder.new(RackBuilderTest.app('x')))
end
