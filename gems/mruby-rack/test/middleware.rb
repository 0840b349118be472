# What any of them must not do to a body: take it in pieces, close it twice or not at all.
module RackMiddlewareTest
  STACK = {
    'BodyProxy' => ->(app) { ->(env) { (response = app.call(env))[2] = Rack::BodyProxy.new(response[2]) {}; response } },
    'Cascade' => ->(app) { Rack::Cascade.new([RackTest.app([], 404), app]) },
    'CommonLogger' => ->(app) { Rack::CommonLogger.new(app) },
    'ConditionalGet' => ->(app) { Rack::ConditionalGet.new(app) },
    'ContentLength' => ->(app) { Rack::ContentLength.new(app) },
    'ContentType' => ->(app) { Rack::ContentType.new(app) },
    'ETag' => ->(app) { Rack::ETag.new(app) },
    'Head' => ->(app) { Rack::Head.new(app) },
    'MethodOverride' => ->(app) { Rack::MethodOverride.new(app) },
    'Runtime' => ->(app) { Rack::Runtime.new(app) },
    'Session::Cookie' => ->(app) { Rack::Session::Cookie.new(app, secret: 's' * 32) },
    'ShowExceptions' => ->(app) { Rack::ShowExceptions.new(app) },
    'Static' => ->(app) { Rack::Static.new(app, urls: ['/static']) }
  }.freeze

  def self.bodies(path)
    { 'an array' => RackTest::Whole.new('one', 'two'), 'chunks' => RackTest::Body.new('one', 'two'),
      'a file' => RackTest::Sent.new(path), 'a stream' => RackTest::Called.new('onetwo') }
  end
end

RackMiddlewareTest::STACK.each do |name, wrap|
  assert("Rack::#{name} leaves bodies as they are, and closes them once") do
    RackTest.in_folder('file' => 'onetwo') do |folder|
      %w[GET HEAD].each do |method|
        RackMiddlewareTest.bodies("#{folder}/file").each do |kind, body|
          app = wrap.call(RackTest.app(body))
          response = app.call(RackTest.env('/', 'REQUEST_METHOD' => method))
          sent = response[2]
          if method == 'HEAD' && name == 'Head'
            assert_equal [], sent, kind
          elsif kind == 'an array'
            assert_equal %w[one two], sent.to_ary, kind
          else
            assert_equal kind == 'chunks' || kind == 'a file', sent.respond_to?(:each), kind
            assert_equal kind == 'a file', sent.respond_to?(:to_path), kind
            assert_equal kind == 'a stream', sent.respond_to?(:call), kind
            assert_false sent.respond_to?(:to_ary), kind
            assert_equal "#{folder}/file", sent.to_path, kind if kind == 'a file'
          end
          sent.close if sent.respond_to?(:close) && body.closed == 0
          assert_equal 1, body.closed, "#{method} #{kind}"
        end
      end
    end
  end
end

assert('Rack::* in a stack, with Rack::Lint between all of them') do
  [RackTest::Body.new('one', 'two'), RackTest::Called.new('onetwo')].each do |body|
    app = Rack::Lint.new(RackTest.app(body))
    RackMiddlewareTest::STACK.each_value { |wrap| app = Rack::Lint.new(wrap.call(app)) }
    status, _, text = RackTest.ask(app)
    assert_equal [200, 'onetwo'], [status, text]
    assert_equal 1, body.closed
  end
end

assert('Rack::BodyProxy') do
  body = RackTest::Body.new('x')
  closed = []
  proxy = Rack::BodyProxy.new(body) { closed << body.closed }
  assert_false proxy.closed?
  proxy.close
  proxy.close
  assert_true proxy.closed?
  assert_equal [1], closed
  assert_equal ['x'], Rack::BodyProxy.new(['x']) {}.to_ary
  assert_false Rack::BodyProxy.new('x') {}.respond_to?(:to_str)
  assert_raise(NoMethodError) { Rack::BodyProxy.new('x') {}.to_str }
end

assert('Rack::BodyProxy runs its block when the body cannot be closed') do
  body = Object.new
  def body.close
    raise 'no'
  end
  ran = false
  assert_raise(RuntimeError) { Rack::BodyProxy.new(body) { ran = true }.close }
  assert_true ran
end

assert('Rack::Head') do
  app = Rack::Head.new(RackTest.app(['text'], 200, 'content-length' => '4'))
  assert_equal [200, { 'content-length' => '4' }, ''], RackTest.ask(app, '/', 'REQUEST_METHOD' => 'HEAD')
  assert_equal 'text', RackTest.ask(app)[2]
end

assert('Rack::ContentLength') do
  length = ->(*response) { RackTest.ask(Rack::ContentLength.new(RackTest.app(*response)))[1]['content-length'] }
  assert_equal '7', length.call(['abc', "\u3042x"])
  assert_equal '0', length.call([])
  assert_equal nil, length.call([], 204)
  assert_equal nil, length.call(RackTest::Body.new('abc'))
  assert_equal nil, length.call(['abc'], 200, 'transfer-encoding' => 'chunked')
  assert_equal '3', length.call(['abc'], 200, 'content-length' => '3')
end

assert('Rack::ContentType') do
  type = ->(app) { RackTest.ask(app)[1]['content-type'] }
  assert_equal 'text/html', type.call(Rack::ContentType.new(RackTest.app([])))
  assert_equal 'a/b', type.call(Rack::ContentType.new(RackTest.app([]), 'a/b'))
  assert_equal 'c/d', type.call(Rack::ContentType.new(RackTest.app([], 200, 'content-type' => 'c/d'), 'a/b'))
  assert_equal nil, type.call(Rack::ContentType.new(RackTest.app([], 304)))
end

assert('Rack::Runtime') do
  headers = RackTest.ask(Rack::Runtime.new(Rack::Runtime.new(RackTest.app([])), 'All'))[1]
  %w[x-runtime x-runtime-all].each do |name|
    assert_true headers[name].to_f >= 0
    assert_equal 6, headers[name].split('.')[1].size
  end
  app = Rack::Runtime.new(RackTest.app([], 200, 'x-runtime' => 'mine'))
  assert_equal 'mine', RackTest.ask(app)[1]['x-runtime']
end

assert('Rack::ETag') do
  one = RackTest.ask(Rack::ETag.new(RackTest.app(%w[a b])))[1]
  assert_equal "W/\"#{Digest::SHA256.hexdigest('ab')[0, 32]}\"", one['etag']
  assert_equal 'max-age=0, private, must-revalidate', one['cache-control']
  assert_equal one['etag'], RackTest.ask(Rack::ETag.new(RackTest.app(['ab'], 201)))[1]['etag']
  assert_not_equal one['etag'], RackTest.ask(Rack::ETag.new(RackTest.app(['ac'])))[1]['etag']

  { 'an empty body' => [[]], 'another status' => [['a'], 404], 'chunks' => [RackTest::Body.new('a')],
    'a date' => [['a'], 200, { 'last-modified' => 'x' }] }.each do |name, response|
    assert_equal nil, RackTest.ask(Rack::ETag.new(RackTest.app(*response)))[1]['etag'], name
  end
  mine = RackTest.app(['a'], 200, 'etag' => '"mine"', 'cache-control' => 'public')
  assert_equal ['"mine"', 'public'], RackTest.ask(Rack::ETag.new(mine))[1].values_at('etag', 'cache-control')
  none = Rack::ETag.new(RackTest.app([]), 'no-cache', nil)
  assert_equal 'no-cache', RackTest.ask(none)[1]['cache-control']
  assert_equal nil, RackTest.ask(Rack::ETag.new(RackTest.app(['a']), 'no-cache', nil))[1]['cache-control']
end

assert('Rack::ConditionalGet by ETag') do
  status = lambda do |etag, asked, more = {}|
    body = RackTest::Body.new('text')
    app = Rack::ConditionalGet.new(RackTest.app(body, 200, 'etag' => etag, 'content-type' => 'a/b', 'content-length' => '4'))
    got, headers, text = RackTest.ask(app, '/', { 'HTTP_IF_NONE_MATCH' => asked }.merge(more))
    assert_equal 1, body.closed
    assert_equal got == 304 ? [{ 'etag' => etag }, ''] : [3, 'text'], [got == 304 ? headers : headers.size, text]
    got
  end
  assert_equal 304, status.call('"a"', '"a"')
  assert_equal 304, status.call('W/"a"', 'W/"a"')
  assert_equal 304, status.call('"a"', 'W/"a"')
  assert_equal 304, status.call('W/"a"', '"x", "a" , "b"')
  assert_equal 304, status.call('"a,b"', '"a,b"')
  assert_equal 304, status.call('"a"', '*')
  assert_equal 200, status.call('"a"', '"b"')
  assert_equal 200, status.call('"a"', '')
  assert_equal 200, status.call('"a"', '"a"', 'REQUEST_METHOD' => 'POST')
end

assert('Rack::ConditionalGet by date') do
  status = lambda do |asked, more = {}, headers = { 'last-modified' => 'Sun, 06 Nov 1994 08:49:37 GMT' }, of = 200|
    app = Rack::ConditionalGet.new(RackTest.app(['text'], of, headers))
    RackTest.ask(app, '/', { 'HTTP_IF_MODIFIED_SINCE' => asked }.merge(more))[0]
  end
  assert_equal 304, status.call('Sun, 06 Nov 1994 08:49:37 GMT')
  assert_equal 304, status.call('Sun, 06 Nov 1994 08:49:38 GMT')
  assert_equal 304, status.call('Sunday, 06-Nov-94 08:49:37 GMT')
  assert_equal 200, status.call('Sun, 06 Nov 1994 08:49:36 GMT')
  assert_equal 200, status.call('yesterday')
  assert_equal 200, status.call('Sun, 06 Nov 1994 08:49:37 GMT', {}, {})
  assert_equal 200, status.call('Sun, 06 Nov 1994 08:49:37 GMT', {}, { 'last-modified' => 'x' })
  assert_equal 404, status.call('Sun, 06 Nov 1994 08:49:37 GMT', {}, { 'last-modified' => 'Sun, 06 Nov 1994 08:49:37 GMT' }, 404)
  assert_equal 200, status.call('Sun, 06 Nov 1994 08:49:37 GMT', 'HTTP_IF_NONE_MATCH' => '"a"')
end

assert('Rack::MethodOverride') do
  app = Rack::MethodOverride.new(lambda do |env|
    [200, {}, ["#{env['REQUEST_METHOD']} #{env['rack.methodoverride.original_method']}"]]
  end)
  post = lambda do |body, more = {}|
    RackTest.ask(app, '/', { 'REQUEST_METHOD' => 'POST', 'CONTENT_LENGTH' => body.bytesize.to_s,
                             'CONTENT_TYPE' => 'application/x-www-form-urlencoded',
                             'rack.input' => StringIO.new(body) }.merge(more))[2]
  end
  assert_equal 'DELETE POST', post.call('_method=delete')
  assert_equal 'PUT POST', post.call('', 'HTTP_X_HTTP_METHOD_OVERRIDE' => 'Put')
  assert_equal 'PATCH POST', post.call('_method=patch', 'HTTP_X_HTTP_METHOD_OVERRIDE' => 'PUT')
  assert_equal 'POST ', post.call('_method=brew')
  assert_equal 'POST ', post.call('a=1')
  assert_equal 'POST ', post.call('_method=put', 'CONTENT_TYPE' => 'text/plain')
  assert_equal 'GET ', RackTest.ask(app, '/', 'HTTP_X_HTTP_METHOD_OVERRIDE' => 'DELETE')[2]
end

assert('Rack::MethodOverride leaves a form that cannot be read to the application') do
  errors = StringIO.new
  app = Rack::MethodOverride.new(->(env) { [200, {}, [env['REQUEST_METHOD']]] })
  body = 'a=1&a[b]=2'
  answer = RackTest.ask(app, '/', 'REQUEST_METHOD' => 'POST', 'CONTENT_TYPE' => 'application/x-www-form-urlencoded',
                                  'CONTENT_LENGTH' => '10', 'rack.input' => StringIO.new(body), 'rack.errors' => errors)
  assert_equal [200, 'POST'], [answer[0], answer[2]]
  assert_include errors.string, 'Invalid or incomplete POST params'
end

assert('Rack::CommonLogger') do
  lines = StringIO.new
  app = Rack::CommonLogger.new(RackTest.app(['text'], 201, 'content-length' => '4'), lines)
  more = { 'SCRIPT_NAME' => '/app', 'QUERY_STRING' => 'a=%20', 'REMOTE_USER' => 'anna' }
  RackTest.ask(app, "/x\n\e[1m\"", more)
  parts = lines.string.split(' ')
  assert_equal '192.0.2.1 - anna', parts[0, 3].join(' ')
  assert_equal 'GET /app/x\x0a\x1b[1m\"?a=%20 HTTP/1.1" 201 4', lines.string.split('] "')[1].split(' ')[0, 5].join(' ')
  assert_equal 1, lines.string.count("\n")
  time = Time.strptime(parts[3, 2].join(' '), '[%d/%b/%Y:%H:%M:%S %z]')
  assert_true Time.now - time < 3600

  errors = StringIO.new
  RackTest.ask(Rack::CommonLogger.new(RackTest.app([])), '/', 'rack.errors' => errors)
  assert_include errors.string, '"GET / HTTP/1.1" 200 - 0.'
  texts = []
  RackTest.ask(Rack::CommonLogger.new(RackTest.app([]), texts), '/')
  assert_equal 1, texts.size
end

assert('Rack::CommonLogger: nothing that a client sends makes a line or a field of its own') do
  line = lambda do |path, more|
    lines = []
    RackTest.ask(Rack::CommonLogger.new(RackTest.app([]), lines), path, more)
    assert_equal [1, 1], [lines.size, lines[0].count("\n")]
    lines[0].chomp
  end
  forged = %q(/" 200 5 0.1) + "\n192.0.2.9 - root [x] \"GET /"
  assert_include line.call(forged, {}), %q("GET /\" 200 5 0.1\x0a192.0.2.9 - root [x] \"GET / HTTP/1.1" 200 - 0.)
  assert_include line.call('/a\\" b', {}), %q("GET /a\\\\\" b HTTP/1.1")
  assert_include line.call('/', 'QUERY_STRING' => "a=\"\r\t\x7f"), %q("GET /?a=\"\x0d\x09\x7f HTTP/1.1")
  assert_include line.call('/', 'REQUEST_METHOD' => 'GET', 'REMOTE_USER' => "an na] \"\n"), %q( - an\x20na]\x20\"\x0a [)
  assert_include line.call('/', 'REMOTE_USER' => ' root'), %q( - \x20root [)
  assert_include line.call('/', 'REMOTE_USER' => 'a  b'), %q( - a\x20\x20b [)
  assert_include line.call('/', 'REMOTE_USER' => ' '), %q( - \x20 [)
  assert_include line.call('/', 'HTTP_X_FORWARDED_FOR' => "1 \" 2\n", 'REMOTE_ADDR' => '127.0.0.1'), ' - - ['
  # Control characters of two bytes, other ends of lines, what is no UTF-8, and what stays.
  assert_include line.call("/\u0085\u009b\u2028\u2029", {}), %q(/\xc2\x85\xc2\x9b\xe2\x80\xa8\xe2\x80\xa9 )
  assert_include line.call("/\xff\xc2/\xe2\x80", {}), %q(/\xff\xc2/\xe2\x80 )
  assert_include line.call('/日記/é…', {}), 'GET /日記/é… HTTP'
end

assert('Rack::CommonLogger writes when the body is closed') do
  lines = []
  body = Rack::CommonLogger.new(RackTest.app(RackTest::Body.new('x')), lines).call(RackTest.env)[2]
  assert_equal 0, lines.size
  body.close
  body.close
  assert_equal 1, lines.size
end

assert('Rack::Cascade') do
  bodies = [RackTest::Body.new('a'), RackTest::Body.new('b'), RackTest::Body.new('c')]
  apps = [RackTest.app(bodies[0], 404), RackTest.app(bodies[1], 405), RackTest.app(bodies[2], 403)]
  cascade = Rack::Cascade.new(apps)
  assert_equal [403, {}, 'c'], RackTest.ask(cascade)
  assert_equal [1, 1, 1], bodies.map { |body| body.closed }
  assert_equal 404, RackTest.ask(Rack::Cascade.new(apps, [403]))[0]
  assert_equal 405, RackTest.ask(Rack::Cascade.new(apps[0, 2]))[0]
  assert_equal [404, { 'content-type' => 'text/plain' }, ''], RackTest.ask(Rack::Cascade.new([]))
  more = RackTest.app(['d'])
  assert_false cascade.include?(more)
  cascade << more
  assert_true cascade.include?(more)
  assert_equal 4, cascade.apps.size
end

assert('Rack::Auth::Basic') do
  app = Rack::Auth::Basic.new(->(env) { [200, {}, [env['REMOTE_USER']]] }, 'here') do |user, password|
    user == 'anna' && password == 'a:b'
  end
  given = ->(text) { RackTest.ask(app, '/', text ? { 'HTTP_AUTHORIZATION' => text } : {}) }
  assert_equal [200, {}, 'anna'], given.call("Basic #{Base64.strict_encode64('anna:a:b')}")
  assert_equal 200, given.call("bAsIc  #{Base64.strict_encode64('anna:a:b')}")[0]
  [nil, '', "Basic #{Base64.strict_encode64('anna:a')}"].each do |text|
    status, headers, = given.call(text)
    assert_equal [401, 'Basic realm="here"'], [status, headers['www-authenticate']]
  end
  ['Basic', 'Basic ', "Basic #{Base64.strict_encode64('anna')}", 'Basic ***', 'Digest x', 'Digest YTpi'].each do |text|
    assert_equal 400, given.call(text)[0], text
  end
  assert_raise(ArgumentError) { Rack::Auth::Basic.new(app, 'here') }
end
