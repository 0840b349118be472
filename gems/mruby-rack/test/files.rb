module RackFilesTest
  MODIFIED = 'Sun, 06 Nov 1994 08:49:37 GMT'
  TREE = { 'a.txt' => '0123456789', 'empty' => '', 'sub/page.html' => '<p>', '%41 x' => 'percent', 'a.txt.bak' => 'old' }.freeze

  def self.ask(path, more = {}, *arguments)
    RackTest.in_folder(TREE) { |folder| RackTest.ask(Rack::Files.new(folder, *arguments), path, more) }
  end

  def self.range(range, more = {}, path = '/a.txt')
    ask(path, { 'HTTP_RANGE' => range }.merge(more))
  end
end

assert('Rack::Files serves a file') do
  assert_equal [200, { 'last-modified' => RackFilesTest::MODIFIED, 'content-type' => 'text/plain',
                       'content-length' => '10' }, '0123456789'], RackFilesTest.ask('/a.txt')
  assert_equal 'text/html', RackFilesTest.ask('/sub/page.html')[1]['content-type']
  status, headers, text = RackFilesTest.ask('/empty')
  assert_equal [200, '0', ''], [status, headers['content-length'], text]
end

assert('Rack::Files takes paths as they are, decoded') do
  assert_equal 'percent', RackFilesTest.ask('/%41 x')[2]
  assert_equal 404, RackFilesTest.ask('/A x')[0]
  assert_equal 404, RackFilesTest.ask('/%61.txt')[0]
end

assert('Rack::Files, headers and the type of unknown files') do
  headers = RackFilesTest.ask('/empty', {}, { 'cache-control' => 'public' }, 'a/b')[1]
  assert_equal ['public', 'a/b'], headers.values_at('cache-control', 'content-type')
  assert_false RackFilesTest.ask('/empty', {}, {}, nil)[1].key?('content-type')
end

assert('Rack::Files says no') do
  { '/none' => 404, '/' => 404, '/sub' => 404, '/sub/' => 404, '/a.txt/x' => 404, "/a.txt\0" => 400 }.each do |path, status|
    got, headers, text = RackFilesTest.ask(path)
    assert_equal [status, 'pass', text.bytesize.to_s], [got, headers['x-cascade'], headers['content-length']], path
  end
  assert_equal "File not found: /none\n", RackFilesTest.ask('/none')[2]
  status, headers, = RackFilesTest.ask('/a.txt', 'REQUEST_METHOD' => 'POST')
  assert_equal [405, 'GET, HEAD, OPTIONS'], [status, headers['allow']]
end

assert('Rack::Files has no way out of its root') do
  RackTest.in_folder('public/in' => 'in', 'public2/x' => 'neighbour', 'secret' => 'secret') do |folder|
    app = Rack::Files.new("#{folder}/public/")
    %w[/../secret /./../secret /in/../../secret //../secret /../public2/x /..//../secret /.../secret].each do |path|
      assert_equal 404, RackTest.ask(app, path)[0], path
    end
    assert_equal 'in', RackTest.ask(app, '/../public/../in')[2]
    assert_equal 'in', RackTest.ask(app, '//x/.././in')[2]
    assert_equal "#{folder}/public", app.root
  end
end

assert('Rack::Files leaves what is no ordinary file alone') do
  RackTest.in_folder do |folder|
    File.mkfifo("#{folder}/fifo")
    File.symlink("#{folder}/gone", "#{folder}/broken")
    assert_equal [404, 404], %w[/fifo /broken].map { |path| RackTest.ask(Rack::Files.new(folder), path)[0] }
  end
end

assert('Rack::Files HEAD and OPTIONS') do
  assert_equal [200, '10', ''], RackFilesTest.ask('/a.txt', 'REQUEST_METHOD' => 'HEAD').each_with_index.map { |part, index|
    index == 1 ? part['content-length'] : part
  }
  assert_equal [404, ''], RackFilesTest.ask('/none', 'REQUEST_METHOD' => 'HEAD').values_at(0, 2)
  assert_equal [200, { 'allow' => 'GET, HEAD, OPTIONS', 'content-length' => '0' }, ''],
               RackFilesTest.ask('/a.txt', 'REQUEST_METHOD' => 'OPTIONS')
  assert_equal 404, RackFilesTest.ask('/none', 'REQUEST_METHOD' => 'OPTIONS')[0]
end

assert('Rack::Files If-Modified-Since') do
  since = ->(text, more = {}) { RackFilesTest.ask('/a.txt', { 'HTTP_IF_MODIFIED_SINCE' => text }.merge(more)) }
  assert_equal [304, {}, ''], since.call(RackFilesTest::MODIFIED)
  assert_equal 304, since.call('Sun, 06 Nov 2094 08:49:37 GMT')[0]
  assert_equal 200, since.call('Sun, 06 Nov 1994 08:49:36 GMT')[0]
  assert_equal 200, since.call('nonsense')[0]
  assert_equal 200, since.call(RackFilesTest::MODIFIED, 'HTTP_IF_NONE_MATCH' => '"x"')[0]
end

assert('Rack::Files sends a whole file by its path, in pieces when it is asked to') do
  large = (0..9).map { |digit| digit.to_s * 10_000 }.join
  RackTest.in_folder('large' => large) do |folder|
    _, _, body = Rack::Files.new(folder).call(RackTest.env('/large'))
    assert_equal "#{folder}/large", body.to_path
    chunks = []
    body.each { |chunk| chunks << chunk }
    assert_equal large, chunks.join
    assert_true chunks.all? { |chunk| chunk.bytesize <= 65_536 }
    _, _, body = Rack::Files.new(folder).call(RackTest.env('/large', 'HTTP_RANGE' => 'bytes=9999-'))
    assert_false body.respond_to?(:to_path)
    chunks = []
    body.each { |chunk| chunks << chunk }
    assert_equal large[9999, 100_000], chunks.join
  end
end

assert('Rack::Files ranges') do
  { 'bytes=0-3' => ['0123', '0-3'], 'bytes=8-' => ['89', '8-9'], 'bytes=-3' => ['789', '7-9'],
    'bytes=5-100' => ['56789', '5-9'], 'bytes=0-0' => ['0', '0-0'], 'bytes=-100' => ['0123456789', '0-9'] }.each do |range, (text, said)|
    status, headers, got = RackFilesTest.range(range)
    assert_equal [206, text, "bytes #{said}/10", text.size.to_s],
                 [status, got, headers['content-range'], headers['content-length']], range
  end
  ['bytes=3-1', 'lines=1-2', 'bytes=x'].each { |range| assert_equal 200, RackFilesTest.range(range)[0], range }
  assert_equal 200, RackFilesTest.range('bytes=0-1', {}, '/empty')[0]
end

assert('Rack::Files several ranges') do
  status, headers, text = RackFilesTest.range('bytes=0-1, 4-4,-1')
  assert_equal 206, status
  type, boundary = headers['content-type'].split('; boundary=')
  assert_equal 'multipart/byteranges', type
  parts = { '0-1' => '01', '4-4' => '4', '9-9' => '9' }.map do |range, part|
    "\r\n--#{boundary}\r\ncontent-type: text/plain\r\ncontent-range: bytes #{range}/10\r\n\r\n#{part}"
  end
  assert_equal "#{parts.join}\r\n--#{boundary}--\r\n", text
  assert_equal text.bytesize.to_s, headers['content-length']
  assert_false headers.key?('content-range')
  assert_not_equal headers['content-type'], RackFilesTest.range('bytes=0-1, 4-4')[1]['content-type']
end

assert('Rack::Files a range that is not there') do
  status, headers, text = RackFilesTest.range('bytes=10-')
  assert_equal [416, 'bytes */10', "Byte range unsatisfiable\n"], [status, headers['content-range'], text]
end

assert('Rack::Files If-Range') do
  assert_equal 206, RackFilesTest.range('bytes=0-1', 'HTTP_IF_RANGE' => RackFilesTest::MODIFIED)[0]
  assert_equal 200, RackFilesTest.range('bytes=0-1', 'HTTP_IF_RANGE' => 'Sun, 06 Nov 1994 08:49:36 GMT')[0]
  assert_equal 200, RackFilesTest.range('bytes=0-1', 'HTTP_IF_RANGE' => '"tag"')[0]
end

assert('Rack::Files HEAD of a range') do
  status, headers, text = RackFilesTest.range('bytes=0-3', 'REQUEST_METHOD' => 'HEAD')
  assert_equal [206, '4', ''], [status, headers['content-length'], text]
end
