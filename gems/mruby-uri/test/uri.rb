assert('URI.parse') do
  uri = URI.parse('http://me:secret@Example.org:8080/a/b?x=1&y[]=2#part')
  assert_equal URI::HTTP, uri.class
  assert_equal ['http', 'me', 'secret', 'Example.org', 8080, '/a/b', 'x=1&y[]=2', 'part'],
               [uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.path, uri.query, uri.fragment]
  assert_equal '/a/b?x=1&y[]=2', uri.request_uri
  assert_equal 'http://me:secret@Example.org:8080/a/b?x=1&y[]=2#part', uri.to_s
  assert_equal 443, URI.parse('HTTPS://a').port
  assert_equal '/', URI('https://a').request_uri
  assert_equal '', URI('http://a').path
  assert_equal 'user@example.org', URI('mailto:user@example.org').opaque
  assert_true URI('/a?b').relative?
  assert_equal ['::1', '[::1]', 80], [URI('http://[::1]/').hostname, URI('http://[::1]/').host, URI('http://[::1]/').port]
  assert_equal '', URI('').path
  assert_equal 'http://a:81', URI('http://a:81/x').origin
  assert_equal 'http://a', URI('http://a:80/x').origin
end

assert('URI.parse refuses') do
  ['http://a b', 'http://[::1', 'http://a:b/', '%zz', "a\nb", "/\0", 'http:', '1:2', 'http://a:123456/', "/\u3042", '/a#b#c',
   '<', '/%2', 'http://a@b@c/'].each do |text|
    assert_raise(URI::InvalidURIError, text) { URI.parse(text) }
  end
  assert_raise_with_message(URI::InvalidURIError, 'bad URI(is not URI?): "a b"') { URI.parse('a b') }
  assert_raise(URI::InvalidURIError) { URI.parse(nil) }
  assert_raise(ArgumentError) { URI(1) }
end

assert('URI.join') do
  base = 'http://a/b/c/d;p?q'
  { 'g:h' => 'g:h', 'g' => 'http://a/b/c/g', './g' => 'http://a/b/c/g', 'g/' => 'http://a/b/c/g/', '/g' => 'http://a/g',
    '//g' => 'http://g', '?y' => 'http://a/b/c/d;p?y', 'g?y' => 'http://a/b/c/g?y', '#s' => 'http://a/b/c/d;p?q#s',
    'g#s' => 'http://a/b/c/g#s', ';x' => 'http://a/b/c/;x', '' => 'http://a/b/c/d;p?q', '.' => 'http://a/b/c/',
    './' => 'http://a/b/c/', '..' => 'http://a/b/', '../' => 'http://a/b/', '../g' => 'http://a/b/g', '../..' => 'http://a/',
    '../../g' => 'http://a/g', '../../../g' => 'http://a/g', '/./g' => 'http://a/g', '/../g' => 'http://a/g',
    'g.' => 'http://a/b/c/g.', '..g' => 'http://a/b/c/..g', './../g' => 'http://a/b/g', 'g/./h' => 'http://a/b/c/g/h',
    'g/../h' => 'http://a/b/c/h' }.each { |reference, expected| assert_equal expected, URI.join(base, reference).to_s, reference }
  assert_equal 'http://a/b', URI.join('http://a', 'b').to_s
  assert_equal 'http://a/x/z', (URI('http://a/x/y') + 'z').to_s
  assert_raise(URI::BadURIError) { URI.join('/a', 'b') }
end

assert('URI: setters') do
  uri = URI('http://a/b')
  uri.path = '/c'
  uri.query = 'd=%20'
  uri.port = 81
  uri.fragment = 'e'
  uri.scheme = 'http'
  uri.host = 'f'
  uri.userinfo = 'g:h'
  assert_equal 'http://g:h@f:81/c?d=%20#e', uri.to_s
  uri.query = uri.fragment = uri.userinfo = nil
  assert_equal 'http://f:81/c', uri.to_s
  uri.query = "q=二 1&%41%\n'\""
  uri.fragment = "二 \"'"
  assert_equal ['q=%E4%BA%8C%201&%41%%27%22', "%E4%BA%8C%20\"'"], [uri.query, uri.fragment]
  uri.query = uri.fragment = ''
  assert_equal ['', ''], [uri.query, uri.fragment]
  uri.query = uri.fragment = nil
  assert_raise(URI::InvalidURIError) { URI('mailto:a@b').query = 'c' }
  assert_raise(URI::InvalidComponentError) { uri.host = 'a/b' }
  assert_raise(URI::InvalidComponentError) { uri.path = '/a?b' }
  assert_raise(URI::InvalidComponentError) { uri.path = 'a' }
  assert_raise(URI::InvalidComponentError) { uri.port = 'x' }
  assert_equal 'http://f:81/c', uri.to_s
  assert_equal 'https://a/b?c', URI::HTTPS.build(host: 'a', path: '/b', query: 'c').to_s
end

assert('URI: equality') do
  assert_true URI('http://A') == URI('http://a/')
  assert_false URI('http://a/x') == URI('http://a/X')
  assert_equal 'http://a/', URI('HTTP://A').normalize.to_s
  assert_false URI('http://A').eql?(URI('http://a'))
end

assert('URI: forms') do
  assert_equal 'a+b%26%E3%81%82*-._%7E', URI.encode_www_form_component("a b&\u3042*-._~")
  assert_equal 'a%20b', URI.encode_uri_component('a b')
  assert_equal "a b&\u3042+", URI.decode_www_form_component('a+b%26%e3%81%82%2B')
  assert_equal 'a+b ', URI.decode_uri_component('a+b%20')
  assert_raise_with_message(ArgumentError, 'invalid %-encoding (%zz)') { URI.decode_www_form_component('%zz') }
  assert_raise(ArgumentError) { URI.decode_www_form_component('a%2') }
  assert_equal 'a=1&b=2&b=3&c&d=x+y', URI.encode_www_form([['a', 1], [:b, [2, 3]], ['c', nil], ['d', 'x y']])
  assert_equal 'a=1', URI.encode_www_form('a' => 1)
  assert_equal [['a', '1'], ['b', ''], ['c', 'x=y z'], ['a', '2']], URI.decode_www_form('a=1&b&c=x=y+z&a=2')
  assert_equal [['a%zz', '100%'], ['b', '% ']], URI.decode_www_form('a%zz=100%&b=%+')
  assert_equal [], URI.decode_www_form('')
end
