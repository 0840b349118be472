# Keeps the cookies that it is sent, as a browser does.
class RackSessionClient
  attr_reader :jar, :set

  def initialize(options = {}, &app)
    @app = RackSessionClient.middleware(options, &app)
    @jar = {}
  end

  def self.middleware(options = {}, &app)
    inner = lambda do |env|
      result = app.call(env['rack.session'], env)
      [200, {}, [result.is_a?(String) ? result : result.inspect]]
    end
    Rack::Session::Cookie.new(inner, { secret: 'a' * 32 }.merge(options))
  end

  # The text of the answer; `app` in place of the one before.
  def ask(more = {}, app = @app)
    cookies = @jar.map { |name, value| "#{name}=#{value}" }.join('; ')
    _, headers, text = RackTest.ask(app, '/', (cookies.empty? ? {} : { 'HTTP_COOKIE' => cookies }).merge(more))
    @set = [*headers['set-cookie']]
    @set.each do |cookie|
      name, value = cookie.split(';').first.split('=', 2)
      cookie.include?('max-age=0') ? @jar.delete(name) : @jar[name] = value
    end
    text
  end
end

assert('Rack::Session::Cookie keeps what is stored') do
  client = RackSessionClient.new { |session| session[:count] = (session['count'] || 0) + 1 }
  assert_equal %w[1 2 3], (1..3).map { client.ask }
  assert_equal ['rack.session'], client.jar.keys
  assert_include client.set.first, 'path=/'
  assert_include client.set.first.downcase, 'httponly'
  assert_false client.set.first.downcase.include?('secure')
  assert_false client.set.first.include?('expires')
end

assert('Rack::Session::Cookie sends nothing when there is nothing to say') do
  untouched = RackSessionClient.middleware { |session| session.loaded? }
  reading = RackSessionClient.middleware { |session| session['a'] }
  writing = RackSessionClient.middleware { |session| session['a'] = ['x', { 'y' => nil }] }
  deep = RackSessionClient.middleware { |session| session['a'] << 'z' }
  client = RackSessionClient.new
  assert_equal 'false', client.ask({}, untouched)
  client.ask({}, reading)
  assert_equal [], client.set
  client.ask({}, writing)
  assert_equal 1, client.set.size
  [untouched, reading, writing].each do |app|
    client.ask({}, app)
    assert_equal [], client.set
  end
  client.ask({}, deep)
  assert_equal 1, client.set.size
  assert_equal '["x", {"y"=>nil}, "z"]', client.ask({}, reading)
end

assert('Rack::Session::Cookie the Hash') do
  client = RackSessionClient.new do |session|
    session.update(a: 1, 'b' => [2], c: nil)
    [session[:a], session.fetch('b'), session.fetch(:x, 0), session.fetch(:x) { |key| key }, session.dig(:b, 0),
     session.key?(:a), session.has_key?('x'), session.include?('b'), session.keys, session.values, session.empty?,
     session.map { |key, _| key }, session.to_hash, session.delete('a'), session.replace(d: 4).to_hash]
  end
  assert_equal [1, [2], 0, 'x', 2, true, false, true, %w[a b c], [1, [2], nil], false, %w[a b c],
                { 'a' => 1, 'b' => [2], 'c' => nil }, 1, { 'd' => 4 }].inspect, client.ask
  assert_equal '{"d"=>4}', client.ask({}, RackSessionClient.middleware { |session| session.to_hash })
  raised = RackSessionClient.new { |session| session.fetch('none') }
  assert_raise(KeyError) { raised.ask }
end

assert('Rack::Session::Cookie ends with clear, destroy and :drop') do
  [->(session, _) { session.clear }, ->(session, _) { session.destroy }, ->(session, _) { session.delete('user') },
   ->(_, env) { env['rack.session.options'][:drop] = true }].each do |ending|
    client = RackSessionClient.new { |session| session['user'] = 'anna' }
    client.ask
    client.ask({}, RackSessionClient.middleware(&ending))
    assert_equal({}, client.jar)
    assert_include client.set.first, 'max-age=0'
    client.ask({}, RackSessionClient.middleware(&ending))
    assert_equal [], client.set
  end
end

assert('Rack::Session::Cookie :skip') do
  client = RackSessionClient.new do |session, env|
    session['a'] = 1
    env['rack.session.options'][:skip] = true
  end
  client.ask
  assert_equal({}, client.jar)
end

assert('Rack::Session::Cookie id and renew') do
  id = RackSessionClient.middleware { |session| session.id }
  client = RackSessionClient.new
  first = client.ask({}, id)
  assert_equal 32, first.size
  assert_equal first, client.ask({}, id)
  second = client.ask({}, RackSessionClient.middleware { |session| session.renew })
  assert_not_equal first, second
  assert_equal second, client.ask({}, id)
  client.ask({}, RackSessionClient.middleware { |_, env| env['rack.session.options'][:renew] = true })
  third = client.ask({}, id)
  assert_not_equal second, third
  assert_not_equal third, RackSessionClient.new.ask({}, id)
end

assert('Rack::Session::Cookie a cookie that was tampered with is an empty session') do
  app = RackSessionClient.middleware { |session, _| [session.to_hash, session.exists?] }
  client = RackSessionClient.new { |session| session['user'] = 'anna' }
  client.ask
  good = client.jar['rack.session']
  data, expires, signature = good.split('.')
  admin = Base64.urlsafe_encode64('{"user":"root"}', padding: false)
  assert_equal '[{"user"=>"anna"}, true]', client.ask({}, app)
  ['', '.', '..', '...', data, "#{data}.#{expires}", "#{data}.#{expires}.", "#{admin}.#{expires}.#{signature}",
   "#{data}.9999999999.#{signature}", "#{data}.#{expires}.#{signature}x", "#{good}.x", "#{data[0, 4]}.#{good}",
   "#{data}.#{expires}.#{signature.swapcase}", '%00.%ff.%', 'x' * 5000].each do |bad|
    client.jar['rack.session'] = bad
    assert_equal '[{}, false]', client.ask({}, app), bad
  end
end

assert('Rack::Session::Cookie another name, another secret: another session') do
  client = RackSessionClient.new { |session| session['user'] = 'anna' }
  client.ask
  read = ->(options) { client.ask({}, RackSessionClient.middleware(options) { |session| session['user'] }) }
  assert_equal 'anna', read.call({})
  assert_equal 'nil', read.call(secret: 'b' * 32)
  client.jar['admin'] = client.jar['rack.session']
  assert_equal 'nil', read.call(key: 'admin')
end

assert('Rack::Session::Cookie secrets are rotated') do
  client = RackSessionClient.new { |session| session['user'] = 'anna' }
  client.ask
  [{ secret: 'b' * 32, old_secret: 'a' * 32 }, { secrets: ['b' * 32, 'c' * 32, 'a' * 32], secret: nil }].each do |options|
    app = RackSessionClient.middleware(options) { |session| session['count'] = 1; session['user'] }
    assert_equal 'anna', RackSessionClient.new.tap { |other| other.jar.update(client.jar) }.ask({}, app)
  end
  app = RackSessionClient.middleware(secret: 'b' * 32, old_secret: 'a' * 32) { |session| session['count'] = 1; session['user'] }
  client.ask({}, app)
  assert_equal 'anna', client.ask({}, RackSessionClient.middleware(secret: 'b' * 32) { |session| session['user'] })
end

assert('Rack::Session::Cookie wants secrets, and options that it knows') do
  [{ secret: nil }, { secret: 'short' }, { secret: :symbol }, { old_secret: 'short' }, { http_only: true }].each do |options|
    assert_raise(ArgumentError) { RackSessionClient.new(options) { nil } }
  end
end

assert('Rack::Session::Cookie expires') do
  client = RackSessionClient.new(expire_after: 100) { |session| session['user'] = 'anna' }
  client.ask
  assert_include client.set.first, 'max-age=100'
  assert_include client.set.first, 'expires='
  client.ask
  assert_equal [], client.set

  read = RackSessionClient.middleware(expire_after: 100) { |session| session['user'] }
  untouched = RackSessionClient.middleware(expire_after: 100) { 'x' }
  later = lambda do |seconds|
    value = client.jar['rack.session']
    data, expires, = value.split('.')
    expires = expires.to_i - seconds
    digest = OpenSSL::HMAC.digest('SHA256', 'a' * 32, "rack.session\0#{data}.#{expires}")
    client.jar['rack.session'] = "#{data}.#{expires}.#{Base64.urlsafe_encode64(digest, padding: false)}"
  end
  later.call(20)
  client.ask({}, untouched)
  assert_equal 1, client.set.size
  assert_equal 'anna', client.ask({}, read)
  assert_equal [], client.set
  later.call(200)
  assert_equal 'nil', client.ask({}, read)
end

assert('Rack::Session::Cookie what is sent with it') do
  options = { key: 'diary', path: '/diary', domain: 'example.org', secure: true, same_site: :strict, httponly: false }
  client = RackSessionClient.new(options) { |session| session['a'] = 1 }
  client.ask
  assert_equal [], client.set
  client.ask('rack.url_scheme' => 'https', 'HTTPS' => 'on')
  cookie = client.set.first.downcase
  ['diary=', 'path=/diary', 'domain=example.org', 'secure', 'samesite=strict'].each { |part| assert_include cookie, part }
  assert_false cookie.include?('httponly')

  client = RackSessionClient.new(same_site: ->(request, _) { request.env['QUERY_STRING'] == 'lax' && :lax }) { |session| session['a'] = 1 }
  client.ask('QUERY_STRING' => 'lax')
  assert_include client.set.first.downcase, 'samesite=lax'
end

assert('Rack::Session::Cookie beside other cookies') do
  inner = lambda do |env|
    env['rack.session']['a'] = 1
    [200, { 'set-cookie' => 'b=2' }, []]
  end
  headers = RackTest.ask(Rack::Session::Cookie.new(inner, secret: 'a' * 32))[1]
  assert_equal %w[b=2 rack.session=], [*headers['set-cookie']].map { |cookie| cookie[0, cookie.index('=') + 1 + (cookie.start_with?('b') ? 1 : 0)] }
end

assert('Rack::Session::Cookie too large') do
  client = RackSessionClient.new { |session, env| session['text'] = 'x' * env['QUERY_STRING'].to_i; 'fine' }
  assert_equal 'fine', client.ask('QUERY_STRING' => '2900')
  error = assert_raise(Rack::Session::Cookie::Overflow) { client.ask('QUERY_STRING' => '3100') }
  assert_include error.message, '4096 at most'

  body = RackTest::Body.new('x')
  app = Rack::Session::Cookie.new(lambda do |env|
    env['rack.session']['text'] = 'x' * 5000
    [200, {}, body]
  end, secret: 'a' * 32)
  assert_raise(Rack::Session::Cookie::Overflow) { app.call(RackTest.env) }
  assert_equal 1, body.closed
end

module RackSessionCoder
  def self.encode(hash)
    hash.map { |key, value| "#{key}\0#{value}" }.join("\xff")
  end

  def self.decode(text)
    raise 'not mine' unless text.include?("\0")
    text.split("\xff").map { |pair| pair.split("\0") }.to_h
  end
end

assert('Rack::Session::Cookie another coder') do
  app = RackSessionClient.middleware(coder: RackSessionCoder) { |session| session['b'] = 'x'; session['a'] || 'none' }
  client = RackSessionClient.new(coder: RackSessionCoder) { |session| session['a'] = "\u3042" }
  client.ask
  assert_equal "\u3042", client.ask({}, app)
  client = RackSessionClient.new { |session| session['a'] = 1 }
  client.ask
  assert_equal 'none', client.ask({}, app)
end

module RackSessionsTest
  OUTER = { key: 'outer', secret: 'o' * 32, path: '/', expire_after: 3600 }.freeze
  INNER = { key: 'inner', secret: 'i' * 32, path: '/inner', same_site: :strict }.freeze

  # A session in another; `app` gets both.
  def self.nested(outer = {}, inner = {}, &app)
    between = lambda do |env|
      mine = env['rack.session']
      body = lambda do |inside|
        result = app.call(mine, inside['rack.session'], inside)
        [200, {}, [result.inspect]]
      end
      response = Rack::Session::Cookie.new(body, INNER.merge(inner)).call(env)
      assert_same mine, env['rack.session']
      mine['after'] = env['rack.session.options'][:path] if mine['after'] == true
      response
    end
    Rack::Session::Cookie.new(between, OUTER.merge(outer))
  end
end

assert('Rack::Session::Cookie within another one with another key') do
  client = RackSessionClient.new
  count = RackSessionsTest.nested do |outer, inner|
    outer['count'] = (outer['count'] || 0) + 1
    inner['count'] = (inner['count'] || 10) + 1
    [outer['count'], inner['count']]
  end
  assert_equal ['[1, 11]', '[2, 12]', '[3, 13]'], (1..3).map { client.ask({}, count) }
  assert_equal %w[inner outer], client.jar.keys.sort
  inner, outer = client.set.sort
  assert_include inner, 'path=/inner'
  assert_include inner.downcase, 'samesite=strict'
  assert_false inner.include?('max-age')
  assert_include outer, 'path=/;'
  assert_include outer, 'max-age=3600'
  assert_false outer.downcase.include?('samesite')

  # Only the one that changes is sent.
  client.ask({}, RackSessionsTest.nested(expire_after: nil) { |one, other| one['count'] + other['count'] })
  client.ask({}, RackSessionsTest.nested(expire_after: nil) { |_, other| other['count'] += 1 })
  assert_equal ['inner'], client.set.map { |cookie| cookie.split('=')[0] }
  client.ask({}, RackSessionsTest.nested(expire_after: nil) { |one, _| one['count'] += 1 })
  assert_equal ['outer'], client.set.map { |cookie| cookie.split('=')[0] }

  # Each has options of its own, and between them those of the outer one count.
  client.ask({}, RackSessionsTest.nested { |one, other| other.options[:drop] = true; one['after'] = true })
  assert_equal ['outer'], client.jar.keys
  assert_equal '["/", nil]', client.ask({}, RackSessionsTest.nested { |one, other| [one['after'], other['count']] })
  client.ask({}, RackSessionsTest.nested { |one, other| one.options[:drop] = true; other['x'] = 1 })
  assert_equal ['inner'], client.jar.keys
end

assert('Rack::Session::Cookie within another one does not know what the other one has signed') do
  client = RackSessionClient.new
  client.ask({}, RackSessionClient.middleware(key: 's', secret: 'o' * 32) { |session| session['user'] = 'outer' })
  seen = RackSessionsTest.nested({ key: 's' }, { key: 's' }) { |outer, inner| [outer['user'], inner['user']] }
  assert_equal '["outer", nil]', client.ask({}, seen)
end

assert('Rack::Session::Cookie within another one that raises leaves the outer one its session') do
  env = RackTest.env
  inner = RackSessionClient.middleware(key: 'inner') { raise IndexError }
  outer = lambda do |inside|
    mine = inside.values_at('rack.session', 'rack.session.options')
    assert_raise(IndexError) { inner.call(inside) }
    mine.each_with_index { |was, i| assert_same was, inside.values_at('rack.session', 'rack.session.options')[i] }
    inside['rack.session']['kept'] = 1
    [200, {}, []]
  end
  cookies = Rack::Session::Cookie.new(outer, key: 'outer', secret: 'o' * 32).call(env)[1]['set-cookie']
  assert_equal ['outer'], [*cookies].map { |cookie| cookie.split('=')[0] }
end
