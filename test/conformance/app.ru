# Answers each case; fifos and files of the tests are named in the query.

class Each
  def initialize(piece, count) @piece, @count = piece, count end
  def each; @count.times { yield @piece.dup } end
end

class FileBody
  def initialize(path) @path = path end
  def to_path; @path end
end

PIECE = (0..255).map { |byte| byte.chr }.join * 256

def pid
  File.open("/proc/self/stat") { |file| file.gets.to_i.to_s }
end

def wait_at(fifo)
  File.open(fifo) { |file| file.read }
end

def size_of(input)
  total = 0
  while chunk = input.read(65536)
    total += chunk.bytesize
  end
  total
end

TEXT = { "content-type" => "text/plain" }

run ->(env) {
  query = env["QUERY_STRING"]
  case env["PATH_INFO"]
  when "/env" then [200, TEXT, [env[query].inspect]]
  when "/pid" then [200, TEXT, [pid]]
  when "/echo"
    body = env["rack.input"].read || ""
    [200, { "content-length" => body.bytesize.to_s, "x-seen" => env["CONTENT_LENGTH"].inspect }, [body]]
  when "/size" then [200, TEXT, ["#{size_of(env["rack.input"])} #{env["CONTENT_LENGTH"].inspect}"]]
  when "/unread" then [200, TEXT, ["unread"]]
  when "/none" then [204, {}, []]
  when "/unmodified" then [304, { "etag" => '"tag"' }, []]
  when "/status" then [query.to_i, TEXT, ["said #{query}"]]
  when "/redirect" then [query.to_i, { "location" => "http://elsewhere.test/there?x=1" }, []]
  when "/moved" then [302, { "location" => "/there" }, []]
  when "/cookies" then [200, { "set-cookie" => ["a=1; path=/", "b=2"] }, [env["HTTP_COOKIE"].inspect]]
  when "/large" then [200, (1..12).inject({}) { |all, n| all["x-large-#{n}"] = "#{n}" * (900 / n.to_s.size); all }, ["large"]]
  when "/known" then [200, { "content-length" => query }, ["x" * query.to_i]]
  when "/bytes" then [200, {}, Each.new(PIECE, query.to_i)]
  when "/endless" then [200, {}, ->(stream) { loop { stream.write(PIECE.dup) } }]
  when "/first", "/first-unbuffered"
    headers = env["PATH_INFO"] == "/first" ? TEXT : TEXT.merge("x-accel-buffering" => "no")
    [200, headers, ->(stream) { stream.write("first\n"); stream.flush; wait_at(query); stream.write("second\n"); stream.close }]
  when "/held" then wait_at(query); [200, TEXT, ["held"]]
  when "/stderr" then env["rack.errors"].puts("said #{query}"); [200, TEXT, ["said"]]
  when "/raise" then raise "as asked"
  when "/file" then [200, TEXT, FileBody.new("private/file.txt")]
  else
    said = %w[REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING].map { |name| env[name] }
    [200, TEXT, [said.join("|")]]
  end
}
