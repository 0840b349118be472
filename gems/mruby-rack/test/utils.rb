assert('Rack::Utils: escaping') do
  assert_equal 'a+b%2Fc%26%E6%97%A5', Rack::Utils.escape('a b/c&日')
  assert_equal 'sym', Rack::Utils.escape(:sym)
  assert_equal 'a b/c&日', Rack::Utils.unescape('a+b%2Fc%26%e6%97%a5')
  assert_raise(ArgumentError) { Rack::Utils.unescape('100%') }
  assert_equal '/a%20b/%E6%97%A5?c=d%25', Rack::Utils.escape_path('/a b/日?c=d%')
  assert_equal 'a+b 100% %4', Rack::Utils.unescape_path('a+b%20100% %4')
  assert_equal '&lt;a href=&quot;x&quot;&gt;&amp;&#39;', Rack::Utils.escape_html("<a href=\"x\">&'")
end

assert('Rack::Utils.parse_query') do
  {
    'a=1' => { 'a' => '1' },
    'a=1&a=2&a=3' => { 'a' => %w[1 2 3] },
    'a&b=' => { 'a' => nil, 'b' => '' },
    'a=b=c&=v&&' => { 'a' => 'b=c', '' => 'v' },
    'a=1& b=2' => { 'a' => '1', 'b' => '2' },
    'a+b=%41%26' => { 'a b' => 'A&' },
    'a=1;b=2' => { 'a' => '1;b=2' },
    '' => {}
  }.each { |text, params| assert_equal params, Rack::Utils.parse_query(text), text }
  assert_equal({}, Rack::Utils.parse_query(nil))
  assert_equal({ 'a' => '1', 'b' => '2,3' }, Rack::Utils.parse_query('a=1; b=2,3', ';'))
  assert_equal({ 'a' => '1', 'b' => '2', '3' => nil }, Rack::Utils.parse_query('a=1; b=2,3', ';,'))
  assert_equal({ 'A' => '%41' }, Rack::Utils.parse_query('a=%41') { |text| text.upcase })
end

# What CRuby's Rack makes of the same.
assert('Rack::Utils.parse_nested_query') do
  {
    'a[]=1&a[]=2' => { 'a' => %w[1 2] },
    'a[]' => { 'a' => [nil] },
    'a[b]=1&a[c]=2' => { 'a' => { 'b' => '1', 'c' => '2' } },
    'a[b][c][]=1' => { 'a' => { 'b' => { 'c' => ['1'] } } },
    'a[][b]=1&a[][c]=2' => { 'a' => [{ 'b' => '1', 'c' => '2' }] },
    'a[][b]=1&a[][b]=2' => { 'a' => [{ 'b' => '1' }, { 'b' => '2' }] },
    'a[][b][]=1&a[][b][]=2' => { 'a' => [{ 'b' => %w[1 2] }] },
    'a[][b][c]=1&a[][b][d]=2' => { 'a' => [{ 'b' => { 'c' => '1', 'd' => '2' } }] },
    'a[][b][c]=1&a[][b][c]=2' => { 'a' => [{ 'b' => { 'c' => '1' } }, { 'b' => { 'c' => '2' } }] },
    'x[][y]=1&x[][z][w]=a&x[][y]=b' => { 'x' => [{ 'y' => '1', 'z' => { 'w' => 'a' } }, { 'y' => 'b' }] },
    'a[][]=1' => { 'a' => [['1']] },
    'a[]b=1' => { 'a' => [{ 'b' => '1' }] },
    'a[b]c=1' => { 'a' => { 'b' => { 'c' => '1' } } },
    'a[=1' => { 'a[' => '1' },
    '[]=1&[a]=2&b[=3&c]=4' => { '[]' => '1', '[a]' => '2', 'b[' => '3', 'c]' => '4' },
    'd[[]=5&e][]=6&f[[]]=7' => { 'd' => { '[' => '5' }, 'e]' => ['6'], 'f' => { '[' => { ']' => '7' } } },
    'a%5Bb%5D=%E6%97%A5' => { 'a' => { 'b' => '日' } },
    'a[0]=1&a[1]=2' => { 'a' => { '0' => '1', '1' => '2' } },
    '=1&a=2' => { 'a' => '2' }
  }.each { |text, params| assert_equal params, Rack::Utils.parse_nested_query(text), text }
end

assert('Rack::Utils.parse_nested_query: what it refuses') do
  error = assert_raise(Rack::Utils::ParameterTypeError) { Rack::Utils.parse_nested_query('a=1&a[b]=2') }
  assert_equal "expected Hash (got String) for param `a'", error.message
  error = assert_raise(Rack::Utils::ParameterTypeError) { Rack::Utils.parse_nested_query('a=1&a[]=2') }
  assert_equal "expected Array (got String) for param `a'", error.message
  assert_true error.is_a?(TypeError) && error.is_a?(Rack::BadRequest)
  error = assert_raise(Rack::Utils::InvalidParameterError) { Rack::Utils.parse_nested_query('a=%zz') }
  assert_equal 'invalid %-encoding (%zz)', error.message
  assert_raise(Rack::Utils::InvalidParameterError) { Rack::Utils.parse_nested_query('foo%81E=1') }
  assert_true error.is_a?(ArgumentError)
end

assert('Rack::QueryParser has limits') do
  deep = ->(levels) { "a#{'[b]' * levels}=1" }
  Rack::Utils.parse_nested_query(deep.call(31))
  assert_raise(Rack::QueryParser::ParamsTooDeepError) { Rack::Utils.parse_nested_query(deep.call(32)) }
  assert_raise(Rack::QueryParser::ParamsTooDeepError) { Rack::Utils.parse_nested_query(deep.call(100_000)) }
  error = assert_raise(Rack::QueryParser::QueryLimitError) { Rack::Utils.parse_query('&' * 4096) }
  assert_equal 'total number of query parameters (4097) exceeds limit (4096)', error.message
  assert_true error.is_a?(RangeError) && error.is_a?(Rack::BadRequest)
  assert_equal({}, Rack::Utils.parse_query('&' * 4095))
  parser = Rack::QueryParser.make_default(2, bytesize_limit: 10, params_limit: 2)
  assert_equal({ 'a' => { 'b' => '1' } }, parser.parse_nested_query('a[b]=1'))
  assert_raise(Rack::QueryParser::ParamsTooDeepError) { parser.parse_nested_query('a[b][c]=1') }
  assert_raise(Rack::QueryParser::QueryLimitError) { parser.parse_query('a&b&c') }
  error = assert_raise(Rack::QueryParser::QueryLimitError) { parser.parse_query('a=123456789') }
  assert_equal 'total query size exceeds limit (10)', error.message
end

assert('Rack::Utils.build_query and build_nested_query') do
  assert_equal 'a=1&b=2&b=3&c&d=x+y', Rack::Utils.build_query('a' => 1, 'b' => [2, 3], 'c' => nil, 'd' => 'x y')
  params = { 'a' => '1', 'b' => %w[2 3], 'c' => { 'd' => [{ 'e' => '4', 'f' => '5' }, { 'e' => '6' }] }, 'g' => nil }
  text = Rack::Utils.build_nested_query(params)
  assert_equal 'a=1&b%5B%5D=2&b%5B%5D=3', text[0, 23]
  assert_equal params, Rack::Utils.parse_nested_query(text)
  assert_equal 'value must be a Hash', assert_raise(ArgumentError) { Rack::Utils.build_nested_query('a') }.message
end

assert('Rack::Utils.parse_cookies_header') do
  {
    'a=1; b=2' => { 'a' => '1', 'b' => '2' },
    'a=1;b=2;; ' => { 'a' => '1', 'b' => '2' },
    'a=1; a=2' => { 'a' => '1' },
    'a=%41+%26' => { 'a' => 'A &' },
    'a=%zz; b' => { 'a' => '%zz', 'b' => nil },
    'a=b=c; %41="x"' => { 'a' => 'b=c', '%41' => '"x"' },
    'a=1, b=2' => { 'a' => '1, b=2' }
  }.each { |text, cookies| assert_equal cookies, Rack::Utils.parse_cookies_header(text), text }
  assert_equal({}, Rack::Utils.parse_cookies_header(nil))
  assert_equal({ 'a' => '1' }, Rack::Utils.parse_cookies('HTTP_COOKIE' => 'a=1'))
end

assert('Rack::Utils.set_cookie_header') do
  assert_equal 'a=1', Rack::Utils.set_cookie_header('a', '1')
  assert_equal 'a+b=x%3B%0D%0A&y', Rack::Utils.set_cookie_header('a b', ["x;\r\n", 'y'])
  assert_equal 'a=1; domain=example.org; path=/; max-age=5; expires=Thu, 01 Jan 1970 00:00:00 GMT; secure; httponly; ' \
               'samesite=lax; partitioned',
               Rack::Utils.set_cookie_header('a', value: '1', domain: 'example.org', path: '/', max_age: 5,
                                                  expires: Time.at(0), secure: true, httponly: true, same_site: :lax,
                                                  partitioned: true)
  assert_equal 'a=; samesite=strict', Rack::Utils.set_cookie_header('a', value: '', same_site: true)
  assert_raise(ArgumentError) { Rack::Utils.set_cookie_header('a', value: '', same_site: 'maybe') }
  assert_raise(ArgumentError) { Rack::Utils.set_cookie_header('a b', value: '', escape_key: false) }
  assert_equal 'a=; path=/x; max-age=0; expires=Thu, 01 Jan 1970 00:00:00 GMT',
               Rack::Utils.delete_set_cookie_header('a', path: '/x')
  headers = {}
  Rack::Utils.set_cookie_header!(headers, 'a', '1')
  assert_equal 'a=1', headers['set-cookie']
  Rack::Utils.set_cookie_header!(headers, 'b', '2')
  Rack::Utils.delete_cookie_header!(headers, 'c')
  assert_equal ['a=1', 'b=2', 'c=; max-age=0; expires=Thu, 01 Jan 1970 00:00:00 GMT'], headers['set-cookie']
end

assert('Rack::Utils: ranges, qualities, paths') do
  {
    nil => nil, '' => nil, 'lines=0-1' => nil, 'bytes=' => nil, 'bytes=1' => nil, 'bytes=9-3' => nil, 'bytes=-' => nil,
    'bytes=0-1' => [0..1], 'bytes=-5' => [95..99], 'bytes=-500' => [0..99], 'bytes=90-' => [90..99],
    'bytes=90-500' => [90..99], 'bytes=500-' => [], 'bytes=0-1,3-4' => [0..1, 3..4], 'bytes=0-99, 0-99' => []
  }.each { |header, ranges| assert_equal ranges, Rack::Utils.get_byte_ranges(header, 100), header }
  assert_nil Rack::Utils.byte_ranges({ 'HTTP_RANGE' => "bytes=#{'0-0,' * 200}0-0" }, 100)
  assert_equal [['text/html', 1.0], ['a/b', 0.5], ['c', 1.0]], Rack::Utils.q_values('text/html, a/b;q=0.5 ,c;q=')
  assert_equal [['gzip', 1.0]], Rack::Utils.q_values(', gzip,')
  assert_equal 'application/json', Rack::Utils.best_q_match('text/html;q=0.5, */*', %w[application/json text/html])
  assert_nil Rack::Utils.best_q_match('x/y', ['a/b'])
  assert_equal 'gzip', Rack::Utils.select_best_encoding(%w[gzip identity], [['br', 1.0], ['gzip', 0.5]])
  assert_equal 'identity', Rack::Utils.select_best_encoding(%w[gzip identity], [['gzip', 0.0]])
  assert_nil Rack::Utils.select_best_encoding(%w[gzip identity], [['*', 0.0]])
  assert_equal '/b', Rack::Utils.clean_path_info('/a/../../b/./')
  assert_false Rack::Utils.valid_path?("a\0")
  assert_equal({ for: ['1.2.3.4', '[::1]:80'], proto: ['https'] },
               Rack::Utils.forwarded_values('for=1.2.3.4;proto=https, for="[::1]:80"'))
  assert_nil Rack::Utils.forwarded_values('nonsense')
end

assert('Rack::Utils: statuses and the rest') do
  assert_equal 404, Rack::Utils.status_code(:not_found)
  assert_equal 422, Rack::Utils.status_code(:unprocessable_entity)
  assert_equal 418, Rack::Utils.status_code('418')
  assert_raise(ArgumentError) { Rack::Utils.status_code(:fine) }
  assert_equal 'OK', Rack::Utils::HTTP_STATUS_CODES[200]
  assert_true Rack::Utils.secure_compare('secret', 'secret')
  assert_false Rack::Utils.secure_compare('secret', 'secreT')
  assert_false Rack::Utils.secure_compare('secret', 'secrets')
  assert_equal 'Thu, 01 Jan 1970 00:00:00 -0000', Rack::Utils.rfc2822(Time.at(0).utc)
  assert_equal 'a+b', Class.new { include Rack::Utils }.new.escape('a b')
end

assert('Rack::MediaType and Rack::Mime') do
  assert_equal 'text/html', Rack::MediaType.type('Text/HTML ; charset=utf-8')
  assert_nil Rack::MediaType.type(nil)
  assert_equal({ 'charset' => 'utf-8', 'x' => 'y z', 'w' => '' },
               Rack::MediaType.params('a/b;Charset=utf-8; x="y z";w='))
  assert_equal 'image/png', Rack::Mime.mime_type('.PNG')
  assert_equal 'application/octet-stream', Rack::Mime.mime_type('.unheard')
  assert_nil Rack::Mime.mime_type('.unheard', nil)
  assert_true Rack::Mime.match?('text/html', 'text/*')
  assert_false Rack::Mime.match?('text/html', 'text/plain')
end

assert('Rack::Headers knows names in any case') do
  headers = Rack::Headers['Content-Type', 'a', 'ETag', 'b']
  assert_equal %w[content-type etag], headers.keys
  assert_equal 'a', headers['CONTENT-TYPE']
  assert_equal 'a', headers.fetch('Content-Type')
  assert_nil headers['X']
  assert_equal 'none', headers.fetch('X', 'none')
  assert_true headers.key?('Etag')
  assert_equal({ 'content-type' => 'a', 'etag' => 'c', 'x' => 'd' }, headers.merge('ETAG' => 'c', 'X' => 'd').to_h)
  assert_equal 'b', headers.delete('ETag')
  assert_equal Rack::Headers, headers.dup.class
  assert_equal 'a', headers.dup['Content-Type']
  assert_equal({ 'content-type' => 'A' }, headers.transform_values { |value| value.upcase }.to_h)
  assert_raise(ArgumentError) { Rack::Headers['a'] }
end
