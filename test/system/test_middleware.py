"""Rack's middleware of gems/mruby-rack, all of it in one stack under Rack::Lint, in a worker."""

import base64
import gzip
import re
from email.utils import formatdate, parsedate_to_datetime

import pytest

APP = """
use Rack::Lint
use Rack::CommonLogger
use Rack::ShowExceptions
use Rack::Runtime
use Rack::Head
use Rack::ConditionalGet
use Rack::ETag, 'no-store'
use Rack::ContentLength
use Rack::ContentType, 'text/plain'
use Rack::MethodOverride
use Rack::Session::Cookie, secret: 'system test ' * 4, expire_after: 3600, same_site: :lax
use Rack::Static, urls: ['/static'], root: 'public', index: 'index.html', gzip: true,
                  header_rules: [[%w[css], { 'cache-control' => 'public, max-age=60' }]]

# Bodies that say how many of them are open.
class Counted
  @open = 0
  class << self
    attr_accessor :open
  end

  def initialize(*parts)
    @parts = parts
    @closed = false
    Counted.open += 1
  end

  def close
    raise 'closed twice' if @closed
    @closed = true
    Counted.open -= 1
  end
end

class Each < Counted
  def each(&block) @parts.each(&block) end
end

class Call < Counted
  def call(stream)
    @parts.each { |part| stream.write(part) }
    stream.close
  end
end

map '/private' do
  use(Rack::Auth::Basic, 'here') { |user, password| user == 'anna' && password == 'secret' }
  run ->(env) { [200, {}, [env['REMOTE_USER']]] }
end

map '/cascade' do
  run Rack::Cascade.new([->(_) { [404, {}, Each.new('not here')] }, Rack::Files.new('public/static'),
                         ->(_) { [200, {}, Each.new('the ', 'last')] }])
end

run lambda { |env|
  session = env['rack.session']
  case env['PATH_INFO']
  when '/count' then [200, {}, [(session['count'] = (session['count'] || 0) + 1).to_s]]
  when '/forget' then session.destroy; [200, {}, ['gone']]
  when '/large' then session['text'] = 'x' * 5000; [200, {}, Each.new('never sent')]
  when '/each' then [200, {}, Each.new('one', 'two')]
  when '/call' then [200, {}, Call.new('one', 'two')]
  when '/open' then [200, { 'content-type' => 'text/x-count' }, [Counted.open.to_s]]
  when '/raise' then raise ArgumentError, '<wrong>'
  else [200, {}, [env['REQUEST_METHOD']]]
  end
}
"""

LARGE = bytes(range(256)) * 1000
FILES = {
    "static/index.html": b"<p>index",
    "static/a.css": b"p {}",
    "static/a.css.gz": gzip.compress(b"p {}"),
    "static/large.bin": LARGE,
    "static/only.txt": b"found",
    "secret.txt": b"not below /static",
}


@pytest.fixture(scope="module")
def herd(module_cowherd):
    module_cowherd.configure(workers=1)
    root = module_cowherd.app(APP).parent
    for name, content in FILES.items():
        module_cowherd.write((root / "public" / name).relative_to(module_cowherd.directory), content)
    module_cowherd.start()
    yield module_cowherd
    answer = module_cowherd.request("/open")
    assert (answer.status, answer.body) == (200, b"0"), "every body is closed once"


def ask(herd, uri, status=200, **about):
    answer = herd.request(uri, **about)
    assert answer.status == status, (answer.status, answer.body)
    return answer


def test_what_is_there_gets_its_headers_and_is_not_sent_again(herd):
    first = ask(herd, "/")
    assert first.body == b"GET"
    assert first.header("content-type") == "text/plain"
    assert first.header("content-length") == "3"
    assert first.header("cache-control") == "max-age=0, private, must-revalidate"
    assert float(first.header("x-runtime")) >= 0
    again = ask(herd, "/", 304, headers={"If-None-Match": first.header("etag")})
    assert again.body == b"" and again.header("etag") == first.header("etag")
    assert ask(herd, "/", method="HEAD").body == b""


@pytest.mark.parametrize("path", ["/each", "/call"])
def test_streams_pass(herd, path):
    answer = ask(herd, path)
    assert answer.body == b"onetwo"
    assert answer.header("etag") is None and answer.header("cache-control") == "no-store"
    assert ask(herd, path, method="HEAD").body == b""


def test_forms_ask_by_other_methods(herd):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask(herd, "/", method="POST", body=b"_method=delete&a=1", params={"CONTENT_TYPE": form["Content-Type"]})
    assert answer.body == b"DELETE"


def test_sessions(herd):
    def cookie_of(answer):
        return answer.header("set-cookie").split(";")[0]

    first = ask(herd, "/count")
    assert re.search("httponly.*samesite=lax", first.header("set-cookie"), re.I)
    second = ask(herd, "/count", headers={"Cookie": cookie_of(first)})
    assert (first.body, second.body) == (b"1", b"2")
    assert ask(herd, "/each", headers={"Cookie": cookie_of(first)}).header("set-cookie") is None
    assert "max-age=0" in ask(herd, "/forget", headers={"Cookie": cookie_of(second)}).header("set-cookie")
    forged = cookie_of(second).replace("=", "=x", 1)
    assert ask(herd, "/count", headers={"Cookie": forged}).body == b"1"


def test_a_session_that_is_too_large_is_said(herd):
    assert b"4096 at most" in ask(herd, "/large", 500).body


def test_files(herd):
    answer = ask(herd, "/static/large.bin")
    assert answer.body == LARGE and answer.header("content-length") == str(len(LARGE))
    modified = answer.header("last-modified")
    assert ask(herd, "/static/large.bin", 304, headers={"If-Modified-Since": modified}).body == b""
    later = formatdate(parsedate_to_datetime(modified).timestamp() - 1, usegmt=True)
    assert ask(herd, "/static/large.bin", headers={"If-Modified-Since": later}).body == LARGE
    assert ask(herd, "/static/large.bin", method="HEAD").header("content-length") == str(len(LARGE))
    assert ask(herd, "/static/").body == b"<p>index"
    ask(herd, "/static/none", 404)
    assert ask(herd, "/static/../secret.txt").body == b"GET"
    assert ask(herd, "/secret.txt").body == b"GET"
    ask(herd, "/static/a.css", 405, method="PUT", body=b"")


def test_ranges(herd):
    one = ask(herd, "/static/large.bin", 206, headers={"Range": "bytes=100000-200000"})
    assert one.body == LARGE[100000:200001] and one.header("content-range") == "bytes 100000-200000/256000"
    several = ask(herd, "/static/large.bin", 206, headers={"Range": "bytes=0-1,-2"})
    boundary = several.header("content-type").split("boundary=")[1].encode()
    parts = several.body.split(b"\r\n--" + boundary)
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:3]] == [b"\x00\x01", b"\xfe\xff"]
    assert parts[3] == b"--\r\n" and several.header("content-length") == str(len(several.body))
    ask(herd, "/static/large.bin", 416, headers={"Range": "bytes=256000-"})


def test_compressed_variants(herd):
    plain = ask(herd, "/static/a.css")
    zipped = ask(herd, "/static/a.css", headers={"Accept-Encoding": "gzip"})
    assert plain.body == gzip.decompress(zipped.body) == b"p {}"
    assert zipped.header("content-encoding") == "gzip" and zipped.header("content-type") == "text/css"
    assert zipped.header("vary") == "accept-encoding" and zipped.header("cache-control") == "public, max-age=60"


def test_those_without_a_password_are_asked_for_it(herd):
    assert ask(herd, "/private", 401).header("www-authenticate") == 'Basic realm="here"'
    given = "Basic " + base64.b64encode(b"anna:secret").decode()
    assert ask(herd, "/private", headers={"Authorization": given}).body == b"anna"


def test_one_after_the_other_is_asked(herd):
    assert ask(herd, "/cascade/only.txt").body == b"found"
    assert ask(herd, "/cascade/none").body == b"the last"


def test_exceptions_are_shown(herd):
    page = ask(herd, "/raise", 500, headers={"Accept": "text/html"})
    assert b"&lt;wrong&gt; (ArgumentError)" in page.body and b"raise ArgumentError, &#39;&lt;wrong&gt;&#39;</b>" in page.body
    text = ask(herd, "/raise", 500)
    assert text.header("content-type").startswith("text/plain") and text.body.startswith(b"<wrong> (ArgumentError)\n")
    herd.wait_log("<wrong> (ArgumentError)")


def test_requests_are_logged(herd):
    ask(herd, "/logged%0Aforged?a=1")
    herd.wait_log('"GET /logged\\x0aforged?a=1 HTTP/1.1" 200 3 ')
