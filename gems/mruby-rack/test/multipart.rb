module RackMultipartTest
  DISPOSITION = 'Content-Disposition: form-data; '

  # An input that gives what it has in pieces of any size.
  class Pieces
    def initialize(text, size)
      @text = text
      @size = size
      @at = 0
    end

    def read(length)
      length = @size if @size < length
      chunk = @text.byteslice(@at, length)
      @at += length
      chunk.nil? || chunk.empty? ? nil : chunk
    end
  end

  def self.part(parameters, body)
    "--bnd\r\nContent-Disposition: form-data; #{parameters}\r\n\r\n#{body}\r\n"
  end

  def self.request(body, size = nil, more = {})
    input = size ? Pieces.new(body, size) : StringIO.new(body)
    env = { 'REQUEST_METHOD' => 'POST', 'QUERY_STRING' => '', 'rack.input' => input,
            'CONTENT_TYPE' => 'multipart/form-data; boundary=bnd', 'CONTENT_LENGTH' => body.bytesize.to_s }
    Rack::Request.new(env.merge(more))
  end

  def self.post(*parts)
    request("#{parts.join}--bnd--\r\n").POST
  end

  # Files by their content.
  def self.flat(params)
    params.map { |name, value|
      next [name, value] unless value.is_a?(Hash) && value[:tempfile]
      [name, value[:filename], value[:type], value[:tempfile].read]
    }
  end
end

assert('Rack::Multipart: fields and files') do
  params = RackMultipartTest.post(RackMultipartTest.part('name="a"', "two\r\nlines"),
                                  RackMultipartTest.part('name="b[c][]"', '1'),
                                  RackMultipartTest.part("name=\"f\"; filename=\"x.txt\"\r\ncontent-type: text/plain",
                                                         "\0\xFF--bnd"))
  assert_equal "two\r\nlines", params['a']
  assert_equal({ 'c' => ['1'] }, params['b'])
  file = params['f']
  assert_equal %w[x.txt text/plain f], [file[:filename], file[:type], file[:name]]
  assert_equal "\0\xFF--bnd", file[:tempfile].read
  assert_equal "Content-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\ncontent-type: text/plain\r\n",
               file[:head]
end

# What CRuby's Rack makes of the same.
assert('Rack::Multipart: names') do
  {
    'name=a' => [['a', 'x']],
    'name="a\\"b"' => [['a"b', 'x']],
    'name="a;b"; filename="c;d.txt"' => [['a;b', 'c;d.txt', nil, 'x']],
    'name="f"; filename="a\\"b.txt"' => [['f', 'a"b.txt', nil, 'x']],
    'name="f"; filename="a%22%E6%97%A5.txt"' => [['f', 'a"日.txt', nil, 'x']],
    'name="f"; filename="100% b.txt"' => [['f', '100% b.txt', nil, 'x']],
    'name="f"; filename="C:\\Users\\x\\file.txt"' => [['f', 'file.txt', nil, 'x']],
    'name="f"; filename="../../etc/passwd"' => [['f', 'passwd', nil, 'x']],
    "name=\"f\"; filename*=UTF-8''%e6%97%a5.txt" => [['f', '日.txt', nil, 'x']],
    "name=\"f\"; filename*=iso-8859-1'en'%A3.txt" => [['f', '£.txt', nil, 'x']],
    "name=\"f\"; filename=\"plain\"; filename*=UTF-8''star" => [['f', 'star', nil, 'x']],
    "name=\"f\"; filename=\"\xFF.txt\"" => [['f', "\u{FFFD}.txt", nil, 'x']],
    'name="日"; filename="日本.txt"' => [['日', '日本.txt', nil, 'x']],
    'filename="y.txt"' => [['y.txt', 'y.txt', nil, 'x']],
    'name="f"; filename=""' => [],
    'x=y' => [['text/plain', ['x']]],
    "name=\"a\"; y=\"#{'z' * 1600}\"" => [['text/plain', ['x']]],
    "\r\n name=\"a\"" => [['a', 'x']]
  }.each do |parameters, expected|
    part = RackMultipartTest.part(parameters, 'x')
    assert_equal expected, RackMultipartTest.flat(RackMultipartTest.post(part)), parameters
  end
end

assert('Rack::Multipart: it does not matter where the body is cut') do
  body = "preamble\r\n" +
         RackMultipartTest.part('name="a"', "--bn\r\n--bnX\r\n--bndX\r\n\r\n--bn\r\n-") +
         RackMultipartTest.part('name="b"', '') +
         RackMultipartTest.part('name="c"; filename="d"', "\r\n\r\n") +
         "--bnd--\r\nepilogue\r\n--bnd\r\n"
  expected = [['a', "--bn\r\n--bnX\r\n--bndX\r\n\r\n--bn\r\n-"], ['b', ''], ['c', 'd', nil, "\r\n\r\n"]]
  (1..40).each do |size|
    assert_equal expected, RackMultipartTest.flat(RackMultipartTest.request(body, size).POST), size
  end
end

assert('Rack::Multipart: what it refuses') do
  field = RackMultipartTest.part('name="a"', '1')
  [field, field[0, 40], 'abc', field + '--bn'].each do |body|
    error = assert_raise(Rack::Multipart::EmptyContentError) { RackMultipartTest.request(body).POST }
    assert_true error.is_a?(EOFError) && error.is_a?(Rack::BadRequest)
  end
  assert_raise(Rack::Multipart::Error) { RackMultipartTest.request('x' * 20_000).POST }
  assert_raise(Rack::Multipart::Error) { RackMultipartTest.request("--bnd\r\nX: #{'y' * 70_000}").POST }
  ["multipart/form-data; boundary=#{'b' * 71}", 'multipart/form-data; boundary=a; boundary=b',
   'multipart/form-data; boundary =a'].each do |type|
    assert_raise(Rack::Multipart::Error) { RackMultipartTest.request(field, nil, 'CONTENT_TYPE' => type).POST }
  end
  short = RackMultipartTest.request(field + '--bnd--', nil, 'CONTENT_LENGTH' => '20')
  assert_raise(Rack::Multipart::EmptyContentError) { short.POST }
  assert_raise(Rack::Utils::ParameterTypeError) do
    RackMultipartTest.post(field, RackMultipartTest.part('name="a[b]"', '2'))
  end
  assert_equal({}, RackMultipartTest.post)
end

assert('Rack::Multipart has limits') do
  field = RackMultipartTest.part('name="a"', '1')
  file = RackMultipartTest.part('name="a"; filename="b"', '1')
  files, parts = Rack::Utils.multipart_file_limit, Rack::Utils.multipart_total_part_limit
  begin
    Rack::Utils.multipart_file_limit = 3
    Rack::Utils.multipart_total_part_limit = 5
    RackMultipartTest.post(file * 2, field)
    assert_raise(Rack::Multipart::MultipartPartLimitError) { RackMultipartTest.post(file * 3) }
    RackMultipartTest.post(field * 4)
    assert_raise(Rack::Multipart::MultipartTotalPartLimitError) { RackMultipartTest.post(field * 5) }
  ensure
    Rack::Utils.multipart_file_limit = files
    Rack::Utils.multipart_total_part_limit = parts
  end
  large = RackMultipartTest.part('name="a"', 'x' * 9_000_000)
  assert_raise(Rack::Multipart::Error) { RackMultipartTest.post(large, large) }
end

assert('Rack::Multipart: large files lie on disk, without a name, until the response is finished') do
  content = "0123456789abcde\n" * 20_000
  body = RackMultipartTest.part('name="f"; filename="g"', content) + '--bnd--'
  request = RackMultipartTest.request(body, nil, 'rack.response_finished' => [])
  file = request.POST['f'][:tempfile]
  assert_true file.on_disk?
  assert_equal content.bytesize, file.size
  assert_equal "0123456789abcde\n", file.gets
  file.rewind
  assert_equal content, file.read
  path = file.path
  assert_equal content, File.read(path)
  request.env['rack.response_finished'].each { |callable| callable.call(request.env, 200, {}, nil) }
  assert_true file.closed?
  assert_false File.exist?(path)
  small = RackMultipartTest.post(RackMultipartTest.part('name="f"; filename="g"', 'x'))['f'][:tempfile]
  assert_false small.on_disk?
  assert_equal 1, small.size
end

assert('Rack::Multipart: a factory of ones own') do
  made = []
  factory = ->(filename, type) { made << [filename, type, StringIO.new]; made.last[2] }
  body = RackMultipartTest.part("name=\"f\"; filename=\"g\"\r\nContent-Type: a/b", 'x') + '--bnd--'
  params = RackMultipartTest.request(body, nil, 'rack.multipart.tempfile_factory' => factory).POST
  assert_equal [['g', 'a/b', 'x']], made.map { |filename, type, io| [filename, type, io.string] }
  assert_true made[0][2].equal?(params['f'][:tempfile])
end

assert('Rack::Multipart.build_multipart') do
  file = Rack::Multipart::UploadedFile.new(nil, 'a/b', io: StringIO.new('content'), filename: 'a"b 日.txt')
  echo = ->(env) { [200, {}, [RackMultipartTest.flat(Rack::Request.new(env).POST).inspect]] }
  answer = Rack::MockRequest.new(echo).post('/', params: { 'f' => file, 'g' => { 'h' => ['1'] } })
  assert_equal [['f', 'a"b 日.txt', 'a/b', 'content'], ['g', { 'h' => ['1'] }]].inspect, answer.body
  assert_nil Rack::Multipart.build_multipart('a' => '1')
end
