module RackStaticTest
  TREE = { 'css/a.css' => 'css', 'css/a.css.gz' => 'gzipped css', 'css.txt' => 'text', 'index.html' => 'root',
           'sub/index.html' => 'sub', 'sub/font.woff2' => 'font', 'favicon.ico' => 'icon' }.freeze

  # The status and text of each path; 'app' is the application's.
  def self.ask(options, paths, more = {})
    RackTest.in_folder(TREE) do |folder|
      app = Rack::Static.new(RackTest.app(['app']), { root: folder }.merge(options))
      answers = paths.map { |path| RackTest.ask(app, path, more) }
      return answers.map { |status, _, text| status == 200 ? text : status } unless block_given?
      yield(*answers)
    end
  end
end

assert('Rack::Static urls') do
  assert_equal %w[css app app app], RackStaticTest.ask({ urls: ['/css'] }, %w[/css/a.css /css.txt /csss/a.css /index.html])
  assert_equal [404, 404], RackStaticTest.ask({ urls: ['/css'] }, %w[/css/none /css])
  assert_equal %w[icon app], RackStaticTest.ask({}, %w[/favicon.ico /css/a.css])
  assert_equal ['css', 404], RackStaticTest.ask({ urls: [''] }, %w[/css/a.css /none])
  assert_equal ['css', 404], RackStaticTest.ask({ urls: ['/'] }, %w[/css/a.css /none])
  assert_equal %w[css css], RackStaticTest.ask({ urls: ['/css/'] }, %w[/css/a.css /css//./a.css])
end

assert('Rack::Static looks at what a path comes to') do
  paths = %w[/css/../index.html /x/../css/a.css /css/../../secret]
  assert_equal %w[app css app], RackStaticTest.ask({ urls: ['/css'] }, paths)
end

assert('Rack::Static urls as a Hash') do
  urls = { '/' => 'index.html', '/style' => '/css/a.css' }
  assert_equal %w[root css app app], RackStaticTest.ask({ urls: urls }, %w[/ /style /css/a.css /index.html])
end

assert('Rack::Static index') do
  assert_equal ['root', 'sub', 404, 404], RackStaticTest.ask({ urls: [''], index: 'index.html' }, %w[/ /sub/ /sub /css/])
  assert_equal %w[sub app], RackStaticTest.ask({ urls: ['/sub/'], index: 'index.html' }, %w[/sub/ /])
  assert_equal [404], RackStaticTest.ask({ urls: [''] }, ['/'])
end

assert('Rack::Static cascade, which leaves the path as it was') do
  RackTest.in_folder(RackStaticTest::TREE) do |folder|
    app = Rack::Static.new(->(env) { [200, {}, [env['PATH_INFO']]] },
                           root: folder, urls: [''], index: 'index.html', gzip: true, cascade: true)
    assert_equal ['/none', '/none/', 'css'], %w[/none /none/ /css/a.css].map { |path| RackTest.ask(app, path)[2] }
  end
end

assert('Rack::Static gzip') do
  options = { urls: ['/css', '/css.txt'], gzip: true }
  RackStaticTest.ask(options, %w[/css/a.css /css.txt], 'HTTP_ACCEPT_ENCODING' => 'br, gzip;q=0.5') do |zipped, plain|
    assert_equal [200, 'gzipped css'], zipped.values_at(0, 2)
    assert_equal ['gzip', 'text/css', 'accept-encoding'],
                 zipped[1].values_at('content-encoding', 'content-type', 'vary')
    assert_equal [200, 'text'], plain.values_at(0, 2)
    assert_equal [nil, 'accept-encoding'], plain[1].values_at('content-encoding', 'vary')
  end
  [{}, { 'HTTP_ACCEPT_ENCODING' => 'br' }, { 'HTTP_ACCEPT_ENCODING' => 'gzip;q=0' }].each do |more|
    assert_equal ['css'], RackStaticTest.ask(options, ['/css/a.css'], more)
  end
  RackStaticTest.ask(options, ['/css/a.css'], 'HTTP_ACCEPT_ENCODING' => 'gzip', 'HTTP_RANGE' => 'bytes=0-3') do |part|
    assert_equal [206, 'gzip', 'gzip'], [part[0], part[2], part[1]['content-encoding']]
  end
  unmodified = { 'HTTP_ACCEPT_ENCODING' => 'gzip', 'HTTP_IF_MODIFIED_SINCE' => 'Sun, 06 Nov 1994 08:49:37 GMT' }
  RackStaticTest.ask(options, ['/css/a.css'], unmodified) do |same|
    assert_equal [304, { 'vary' => 'accept-encoding' }, ''], same
  end
end

assert('Rack::Static header_rules, the last one wins') do
  rules = [[:all, { 'x-all' => '1', 'x-last' => 'all' }], [%w[css js], { 'x-last' => 'style' }],
           ['/sub', { 'x-last' => 'folder' }], ['css', { 'x-css' => '1' }], [:fonts, { 'x-font' => '1' }]]
  RackStaticTest.ask({ urls: [''], header_rules: rules, cache_control: 'public' },
                     %w[/css/a.css /sub/font.woff2 /index.html /none]) do |css, font, page, none|
    assert_equal ['1', 'style', '1', nil, 'public'],
                 css[1].values_at('x-all', 'x-last', 'x-css', 'x-font', 'cache-control')
    assert_equal ['1', 'folder', nil, '1'], font[1].values_at('x-all', 'x-last', 'x-css', 'x-font')
    assert_equal ['1', 'all', nil, nil], page[1].values_at('x-all', 'x-last', 'x-css', 'x-font')
    assert_equal [404, nil], [none[0], none[1]['x-all']]
  end
end

assert('Rack::Static refuses options that it does not know') do
  assert_raise(ArgumentError) { Rack::Static.new(RackTest.app([]), url: ['/css']) }
end
