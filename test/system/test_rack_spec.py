"""The Rack 3 SPEC, rule by rule: the name of each test is the rule that it proves."""

import json

import pytest

import fastcgi
from herd import Herd

PROVES = "rules of Rack 3"


def app_of(cases, prelude=""):
    """An app that runs the case whose number is in X-Rule, with `env`."""
    whens = "".join('  when "%d"\n%s\n' % (number, source) for number, source in enumerate(cases))
    return "%s\nrun ->(env) {\n  case env['HTTP_X_RULE']\n%s  else [200, {}, ['fine']]\n  end\n}\n" % (prelude, whens)


def ask(herd, cases, rule, **about):
    headers = {"X-Rule": str(list(cases).index(rule)), **about.pop("headers", {})}
    return herd.request(headers=headers, **about)


# -- the env: each is true of the env that a request makes

ENV = {
    "the env is a Hash, and not frozen": ("env.instance_of?(Hash) && !env.frozen?", {}),
    "all keys of the env are Strings": ("env.keys.all? { |key| key.is_a?(String) }", {}),
    "the CGI keys have String values": (
        "env.all? { |key, value| key.include?('.') || value.is_a?(String) }",
        {"headers": {"X-Empty": "", "X-Bytes": b"\xff\x80"}},
    ),
    "the app may change the env": ("env['SCRIPT_NAME'] << 'x'; env['my.own'] = 1; env.delete('PATH_INFO')", {}),
    "REQUEST_METHOD is the request's": ("env['REQUEST_METHOD'] == 'REPORT'", {"method": "REPORT"}),
    "REQUEST_METHOD is never empty": ("env['REQUEST_METHOD'] == 'GET'", {"params": {"REQUEST_METHOD": None}}),
    "SCRIPT_NAME is empty for an app at the root, never /": (
        "env['SCRIPT_NAME'] == ''",
        {"params": {"SCRIPT_NAME": "/"}},
    ),
    "SCRIPT_NAME is the prefix of the app": (
        "env.values_at('SCRIPT_NAME', 'PATH_INFO') == ['/inner', '/x']",
        {"uri": "/inner/x"},
    ),
    "PATH_INFO may be empty where SCRIPT_NAME is all": (
        "env.values_at('SCRIPT_NAME', 'PATH_INFO') == ['/inner', '']",
        {"uri": "/inner"},
    ),
    "PATH_INFO starts with /": ("env['PATH_INFO'] == '/a b'", {"uri": "/a%20b?c"}),
    "PATH_INFO of the absolute form starts with / too": ("env['PATH_INFO'] == '/x'", {"uri": "http://localhost/x"}),
    "QUERY_STRING is always there": ("env['QUERY_STRING'] == ''", {"params": {"QUERY_STRING": None}}),
    "QUERY_STRING is what follows the question mark": ("env['QUERY_STRING'] == 'a=%20&b'", {"uri": "/?a=%20&b"}),
    "SERVER_NAME is always there": (
        "env['SERVER_NAME'] == 'localhost'",
        {"params": {"SERVER_NAME": None, "HTTP_HOST": None}},
    ),
    "SERVER_NAME is an authority": (
        "env['SERVER_NAME'] == 'a.test'",
        {"host": "a.test", "params": {"SERVER_NAME": "~^(?<x>.+)$"}},
    ),
    "SERVER_PORT is an Integer in a String": (
        "Integer(env['SERVER_PORT']) == 443",
        {"params": {"SERVER_PORT": "https", "HTTPS": "on"}},
    ),
    "SERVER_PROTOCOL names a version of HTTP": (
        "env['SERVER_PROTOCOL'] == 'HTTP/1.0'",
        {"params": {"SERVER_PROTOCOL": "INCLUDED"}},
    ),
    "HTTP_HOST comes with its port": ("env['HTTP_HOST'] == 'a.test:81'", {"host": "a.test:81"}),
    "HTTP_HOST is an authority or not there": ("!env.key?('HTTP_HOST')", {"host": "a.test/<b>"}),
    "HTTP_ variables are the request's headers": ("env['HTTP_X_Y'] == 'z'", {"headers": {"X-Y": "z"}}),
    "HTTP_CONTENT_TYPE is not there": (
        "!env.key?('HTTP_CONTENT_TYPE') && env['CONTENT_TYPE'] == 'a/b'",
        {"params": {"HTTP_CONTENT_TYPE": "c/d", "CONTENT_TYPE": "a/b"}},
    ),
    "HTTP_CONTENT_LENGTH is not there": (
        "!env.key?('HTTP_CONTENT_LENGTH') && env['CONTENT_LENGTH'] == '3'",
        {"params": {"HTTP_CONTENT_LENGTH": "9"}, "method": "POST", "body": b"abc"},
    ),
    "CONTENT_LENGTH is digits, and not there when it is empty": ("!env.key?('CONTENT_LENGTH')", {}),
    "CONTENT_LENGTH that is no number is not there": (
        "!env.key?('CONTENT_LENGTH')",
        {"params": {"CONTENT_LENGTH": "-1"}},
    ),
    "CONTENT_TYPE is not there when it is empty": ("!env.key?('CONTENT_TYPE')", {}),
    "rack.url_scheme is http": ("env['rack.url_scheme'] == 'http'", {}),
    "rack.url_scheme is https": ("env['rack.url_scheme'] == 'https'", {"params": {"HTTPS": "on"}}),
    "rack.multithread is false": ("env['rack.multithread'] == false", {}),
    "rack.multiprocess is true": ("env['rack.multiprocess'] == true", {}),
    "rack.run_once is false": ("env['rack.run_once'] == false", {}),
    "rack.hijack is not offered": ("%w[rack.hijack? rack.hijack rack.hijack_io].none? { |key| env.key?(key) }", {}),
    "rack.early_hints is not offered": ("!env.key?('rack.early_hints')", {}),
    "rack.response_finished is an Array": ("env['rack.response_finished'] == []", {}),
    "a client can't set what begins with rack.": (
        "env['rack.url_scheme'] == 'http' && !env.key?('rack.session')",
        {"params": {"rack.url_scheme": "x", "rack.session": "y"}},
    ),
    "rack.input responds to gets, each, read and close": (
        "%i[gets each read close].all? { |name| env['rack.input'].respond_to?(name) }",
        {},
    ),
    "rack.input gets a line, nil at the end": (
        "i = env['rack.input']; [i.gets, i.gets, i.gets] == [%(a\\n), 'b', nil]",
        {"method": "POST", "body": b"a\nb"},
    ),
    "rack.input reads at most length bytes": (
        "i = env['rack.input']; [i.read(2), i.read(2), i.read(0)] == ['ab', 'c', '']",
        {"method": "POST", "body": b"abc"},
    ),
    "rack.input reads everything without a length, or with nil": (
        "i = env['rack.input']; [i.read(nil), i.read] == ['abc', '']",
        {"method": "POST", "body": b"abc"},
    ),
    "rack.input at its end reads nil with a length": ("env['rack.input'].read(1).nil?", {}),
    "rack.input reads into a buffer": (
        "b = 'old'; env['rack.input'].read(2, b).equal?(b) && b == 'ab'",
        {"method": "POST", "body": b"abc"},
    ),
    "rack.input yields lines": (
        "a = []; env['rack.input'].each { |line| a << line }; a == [%(a\\n), %(b)]",
        {"method": "POST", "body": b"a\nb"},
    ),
    "rack.input may be closed": ("env['rack.input'].close; true", {"method": "POST", "body": b"abc"}),
    "rack.input is bytes": (
        "(0..255).all? { |n| env['rack.input'].read(1).getbyte(0) == n }",
        {"method": "POST", "body": bytes(range(256))},
    ),
    "rack.errors responds to puts, write and flush": (
        "%i[puts write flush].all? { |name| env['rack.errors'].respond_to?(name) }",
        {},
    ),
    "rack.errors has no close": ("!env['rack.errors'].respond_to?(:close)", {}),
}

# -- the response: what an app returns, and what arrives

RESPONSE_PRELUDE = """
$seen = []

class Body
  def initialize(*chunks) @chunks = chunks end
  def each; $seen << "each"; @chunks.each { |chunk| yield chunk } end
  def close; $seen << "close" end
end

class EachAndCall < Body
  def call(stream) stream << "called" end
end

class ToAry < Body
  def to_ary; @chunks end
end

class FileBody < Body
  def to_path; @chunks[0] end
end

class Calls < Body
  undef_method :each
  def call(stream) stream << "x" end
end

class Raises < Body
  def each
    yield "x" unless @chunks.empty?
    raise "on the way"
  end
end

class Endless < Body
  def each
    loop { yield "x" * 65536 }
  end
end

def finished(env, &block)
  env["rack.response_finished"] << block
end
"""


def arrives(status=200, body=None, **headers):
    def check(response):
        assert response.status == status, response
        assert body is None or response.body == body
        for name, value in headers.items():
            assert response.all(name.replace("_", "-")) == ([] if value is None else [value]), response

    return check


def refused(response):
    assert (response.status, response.complete) == (500, True)
    assert response.all("x-evil") == [] and b"evil" not in response.body


# rule: (the app's answer, what arrives), and how it is asked
RESPONSE = {
    "a Status line comes first": (
        "[200, {}, ['x']]",
        lambda response: response.head_text.startswith("Status: 200 OK\r\n") or pytest.fail(response.head_text),
    ),
    "the status is an Integer": ("[404, {}, ['x']]", arrives(404, b"x")),
    "a status of more than three digits is refused": ("[1000, {}, ['x']]", refused),
    "a status below 100 is refused": ("[99, {}, ['x']]", refused),
    "100 is never sent": ("[100, {}, []]", refused),
    "101 is never sent": ("[101, {}, []]", refused),
    "103 is never sent": ("[103, {}, []]", refused),
    "a response that is no Array is refused": ("'x'", refused),
    "a response of another size is refused": ("[200, {}]", refused),
    "headers are a Hash": ("[200, { 'x-a' => 'b' }, []]", arrives(x_a="b")),
    "a header that is an Array becomes several lines": (
        "[200, { 'set-cookie' => ['a=1', 'b=2'] }, []]",
        lambda response: response.all("set-cookie") == ["a=1", "b=2"] or pytest.fail(response.head_text),
    ),
    "headers that start with rack. stay inside": ("[200, { 'rack.x' => 1 }, []]", arrives(**{"rack.x": None})),
    "a hijack in the headers is not used": ("[200, { 'rack.hijack' => ->(io) {} }, ['x']]", arrives(200, b"x")),
    "a status header is not sent": (
        "[200, { 'status' => '500' }, ['x']]",
        lambda response: (response.status, response.head_text.count("tatus")) == (200, 1) or pytest.fail(),
    ),
    "the name of a header is a String": ("[200, { :a => 'b' }, []]", refused),
    "the name of a header is a token": ("[200, { 'a b' => 'c' }, []]", refused),
    "the value of a header has no NUL": ("[200, { 'x-a' => %(b\\0) }, ['x']]", refused),
    "the value of a header has no line break but for its own lines": (
        "[200, { 'x-a' => %(b\\r\\nx-evil: 1) }, ['x']]",
        refused,
    ),
    "the value of a header in an Array has no line break": ("[200, { 'x-a' => [%(b\\nx-evil: 1)] }, ['x']]", refused),
    "the name of a header has no line break": ("[200, { %(x-a: b\\nx-evil) => '1' }, ['x']]", refused),
    "204 has no content-type and no content-length": (
        "[204, { 'content-type' => 'a/b', 'content-length' => '1' }, ['x']]",
        arrives(204, b"", content_type=None, content_length=None),
    ),
    "304 has no content-type and no content-length": (
        "[304, { 'content-type' => 'a/b', 'content-length' => '1' }, ['x']]",
        arrives(304, b"", content_type=None, content_length=None),
    ),
    "content-length is known of an Array": ("[200, {}, ['ab', 'c']]", arrives(200, b"abc", content_length="3")),
    "content-length is known of to_ary": (
        "[200, {}, ToAry.new('ab', 'c')]",
        arrives(200, b"abc", content_length="3"),
    ),
    "content-length is known of a file": (
        "[200, {}, FileBody.new('data')]",
        arrives(200, b"content of a file", content_length="17"),
    ),
    "content-length is not known of each": ("[200, {}, Body.new('ab')]", arrives(200, b"ab", content_length=None)),
    "content-length of the app arrives": (
        "[200, { 'content-length' => '2' }, Body.new('ab')]",
        arrives(200, b"ab", content_length="2"),
    ),
    "a body may respond to each": ("[200, {}, Body.new('a', '', 'b')]", arrives(200, b"ab")),
    "a body that responds to each and call is enumerated": ("[200, {}, EachAndCall.new('ab')]", arrives(200, b"ab")),
    "a body may respond to call": ("[200, {}, ->(stream) { stream << 'ab' }]", arrives(200, b"ab")),
    "a body may be a File": ("[200, {}, File.open('data')]", arrives(200, b"content of a file")),
    "to_path that says nil leaves it to each": (
        "body = Body.new('ab'); def body.to_path; end; [200, {}, body]",
        arrives(200, b"ab"),
    ),
    "respond_to? of a body is believed": (
        "body = Body.new('ab'); def body.to_path; '/none' end\n"
        "def body.respond_to?(name, all = false) name != :to_path && super end\n[200, {}, body]",
        arrives(200, b"ab"),
    ),
    "a body yields Strings alone": ("[200, {}, Body.new(1)]", refused),
    "a body of something else is refused": ("[200, {}, 'a String']", refused),
    "the stream responds to all that SPEC asks for": (
        "[200, {}, ->(stream) { stream << %i[read write << flush close close_read close_write closed?].map { |name| "
        "stream.respond_to?(name) }.uniq.inspect }]",
        arrives(200, b"[true]"),
    ),
    "the stream writes, and says how much": (
        "[200, {}, ->(stream) { stream.write((stream << 'a').write('bc', 'd').to_s); stream.flush }]",
        arrives(200, b"abcd3"),
    ),
    "the stream is closed by close": (
        "[200, {}, ->(stream) { before = stream.closed?; stream << 'a'; stream.close; $seen << [before, "
        "stream.closed?] }]",
        arrives(200, b"a"),
    ),
    "the stream is closed for writing by close_write": (
        "[200, {}, ->(stream) { stream << 'a'; stream.close_write; begin; stream << 'b'; rescue IOError; end }]",
        arrives(200, b"a"),
    ),
    "Rack 2: names in capitals": ("[200, { 'Content-Type' => 'a/b' }, ['x']]", arrives(content_type="a/b")),
    "Rack 2: values joined by line feeds": (
        "[200, { 'Set-Cookie' => %(a=1\\nb=2) }, ['x']]",
        lambda response: response.all("set-cookie") == ["a=1", "b=2"] or pytest.fail(response.head_text),
    ),
    "Rack 2: a status in a String": ("['201', {}, ['x']]", arrives(201, b"x")),
    "Rack 2: a frozen response": ("[200, {}.freeze, ['x'].freeze].freeze", arrives(200, b"x")),
}

# rule: (the app's answer, how it is asked, what it has seen when the request is over)
AFTERWARDS = {
    "close is called after each": ("[200, {}, Body.new('a')]", {}, ["each", "close"]),
    "close is called after call": ("[200, {}, Calls.new]", {}, ["close"]),
    "close is called after to_ary": ("[200, {}, ToAry.new('a')]", {}, ["close"]),
    "close is called after to_path, and each is not": ("[200, {}, FileBody.new('data')]", {}, ["close"]),
    "close is called after an Array that has it": (
        "body = ['a']; def body.close; $seen << 'close' end; [200, {}, body]",
        {},
        ["close"],
    ),
    "close is called when each raises before its first chunk": ("[200, {}, Raises.new]", {}, ["close"]),
    "close is called when the response is refused": ("[99, {}, Body.new('a')]", {}, ["close"]),
    "close is called of a body of 204, and each is not": ("[204, {}, Body.new('a')]", {}, ["close"]),
    "HEAD: close is called, and each is not": ("[200, {}, Body.new('a')]", {"method": "HEAD"}, ["close"]),
    "HEAD: close is called, and call is not": ("[200, {}, Calls.new]", {"method": "HEAD"}, ["close"]),
    "rack.response_finished is run in reverse order, after close": (
        "finished(env) { $seen << 1 }; finished(env) { $seen << 2 }; [200, {}, Body.new('a')]",
        {},
        ["each", "close", 2, 1],
    ),
    "rack.response_finished is told of env, status and headers": (
        "finished(env) { |*a| $seen << [a[0].equal?(env), *a[1, 3]] }; [201, { 'x-a' => 'b' }, []]",
        {},
        [[True, 201, {"x-a": "b"}, None]],
    ),
    "rack.response_finished is told of what the app raised": (
        "finished(env) { |*a| $seen << [a[1], a[2], a[3].message] }; raise 'oh'",
        {},
        [[None, None, "oh"]],
    ),
    "rack.response_finished is run on when one of it raises": (
        "finished(env) { $seen << 1 }; finished(env) { raise 'x' }; [200, {}, []]",
        {},
        [1],
    ),
    "the stream's close is seen": (
        "[200, {}, ->(stream) { a = stream.closed?; stream.close; $seen << [a, stream.closed?] }]",
        {},
        [[False, True]],
    ),
    "the stream reads the request": (
        "[200, {}, ->(stream) { $seen << stream.read(2) << stream.read; stream.close_read }]",
        {"method": "POST", "body": b"abc"},
        ["ab", "c"],
    ),
}

SEEN = """
def json(value)
  case value
  when nil then "null"
  when Array then "[" + value.map { |item| json(item) }.join(",") + "]"
  when Hash then "{" + value.map { |key, item| "#{json(key)}:#{json(item)}" }.join(",") + "}"
  else value.inspect
  end
end
"""


@pytest.fixture(scope="module")
def herd(module_cowherd):
    herd = module_cowherd
    herd.configure(workers=1)  # what one request has seen is asked for by the next
    env_cases = ["[200, {}, [((%s) ? 'holds' : env.inspect)]]" % source for source, _ in ENV.values()]
    herd.app(app_of(env_cases))
    herd.app(app_of(env_cases), path="/inner")
    for host, rules in (("response.test", RESPONSE), ("after.test", AFTERWARDS)):
        prelude = RESPONSE_PRELUDE + SEEN
        cases = [case[0] for case in rules.values()]
        cases += ["seen, $seen = $seen, []; [200, {}, [json(seen)]]", "[200, {}, Endless.new]", "[200, {}, Raises.new('x')]"]
        root = herd.app(app_of(cases, prelude), host=host).parent
        (root / "data").write_text("content of a file")
    return herd.start()


@pytest.mark.parametrize("rule", ENV)
def test_env(herd, rule):
    response = ask(herd, ENV, rule, **ENV[rule][1])
    assert (response.status, response.text) == (200, "holds")


@pytest.mark.parametrize("rule", RESPONSE)
def test_response(herd, rule):
    RESPONSE[rule][1](ask(herd, RESPONSE, rule, host="response.test"))


@pytest.mark.parametrize("rule", [rule for rule, case in RESPONSE.items() if case[1] is refused])
def test_a_refused_response_is_a_line_of_the_log(herd, rule):
    path = "/refused/%d" % list(RESPONSE).index(rule)
    refused(ask(herd, RESPONSE, rule, host="response.test", uri=path))
    herd.wait_log("GET %s: " % path, "Cowherd::ResponseError")


@pytest.mark.parametrize("rule", [rule for rule, case in RESPONSE.items() if case[1] is not refused])
def test_head_has_no_body(herd, rule):
    response = ask(herd, RESPONSE, rule, host="response.test", method="HEAD")
    assert (response.size, response.complete) == (0, True)


def seen(herd):
    return herd.request(host="after.test", headers={"X-Rule": str(len(AFTERWARDS))}).text


@pytest.mark.parametrize("rule", AFTERWARDS)
def test_afterwards(herd, rule):
    _, about, expected = AFTERWARDS[rule]
    seen(herd)
    ask(herd, AFTERWARDS, rule, host="after.test", **about)
    assert json.loads(seen(herd).replace("=>", ":")) == expected


def test_close_is_called_when_each_raises_on_the_way(herd):
    """The connection ends without END_REQUEST: who asks must not take it for the whole."""
    seen(herd)
    with pytest.raises(fastcgi.ConnectionClosed):
        herd.request(host="after.test", headers={"X-Rule": str(len(AFTERWARDS) + 2)})
    assert seen(herd) == '["close"]'


def test_close_is_called_when_the_client_goes(herd):
    seen(herd)
    with herd.connect() as connection:
        response = connection.start(host="after.test", headers={"X-Rule": str(len(AFTERWARDS) + 1)})
        connection.read_until(response, lambda r: r.size > 0)
    herd.wait_until(lambda: '"close"' in seen(herd))


@pytest.mark.parametrize("method", ["G T", "GET\n", "(GET)", "G\xe9T"])
def test_a_method_that_is_no_token_is_answered_400(herd, method):
    assert herd.request(method=method).status == 400


# -- Rack::Lint: what breaks a rule, and what it says

OK = "[200, {}, ['x']]"
LINT_PRELUDE = """
INNER = ->(env) { [200, {}, ["x"]] }

class Body
  def initialize(*chunks) @chunks = chunks end
  def each; @chunks.each { |chunk| yield chunk } end
end

class ToAry < Body
  def to_ary; ["y"] end
end

class FileBody < Body
  def to_path; @chunks[0] end
end

class Unclosed < Body
  def each(&block) @chunks[0].each(&block) end
end

# The env as somebody in between might hand it on.
def with(env, more)
  Rack::Lint.new(INNER).call(env.merge!(more))
end

def without(env, *keys)
  keys.each { |key| env.delete(key) }
  Rack::Lint.new(INNER).call(env)
end
"""

LINT = {
    "the env is given": ("Rack::Lint.new(INNER).call", "No env given"),
    "the env is a Hash": ("Rack::Lint.new(INNER).call([])", "env [] is not a Hash, but Array"),
    "the env is not frozen": ("Rack::Lint.new(INNER).call(env.dup.freeze)", "env should not be frozen, but is"),
    **{
        "the env has %s" % key: ("without(env, '%s')" % key, "env missing required key %s" % key)
        for key in ("REQUEST_METHOD", "SERVER_NAME", "QUERY_STRING", "SERVER_PROTOCOL", "rack.errors")
    },
    "SERVER_PORT is an Integer": ("with(env, 'SERVER_PORT' => 'x')", "env[SERVER_PORT] is not an Integer"),
    "SERVER_NAME is an authority": ("with(env, 'SERVER_NAME' => 'a b')", "a b must be a valid authority"),
    "HTTP_HOST is an authority": ("with(env, 'HTTP_HOST' => 'a/b')", "a/b must be a valid authority"),
    "SERVER_PROTOCOL is HTTP": (
        "with(env, 'SERVER_PROTOCOL' => 'FTP/1.0')",
        r"env[SERVER_PROTOCOL] does not match HTTP/\d(\.\d)?",
    ),
    "HTTP_CONTENT_TYPE is not there": (
        "with(env, 'HTTP_CONTENT_TYPE' => 'a/b')",
        "env contains HTTP_CONTENT_TYPE, must use CONTENT_TYPE",
    ),
    "HTTP_CONTENT_LENGTH is not there": (
        "with(env, 'HTTP_CONTENT_LENGTH' => '1')",
        "env contains HTTP_CONTENT_LENGTH, must use CONTENT_LENGTH",
    ),
    "CGI keys have String values": ("with(env, 'HTTP_A' => 1)", "env variable HTTP_A has non-string value 1"),
    "rack.url_scheme is http or https": ("with(env, 'rack.url_scheme' => 'x')", 'rack.url_scheme unknown: "x"'),
    "rack.input has its methods": (
        "with(env, 'rack.input' => 1)",
        "rack.input 1 does not respond to #each",
    ),
    "rack.errors has its methods": ("with(env, 'rack.errors' => 1)", "rack.error 1 does not respond to #write"),
    "rack.hijack is called": ("with(env, 'rack.hijack' => 1)", "rack.hijack must respond to call"),
    "rack.early_hints is called": ("with(env, 'rack.early_hints' => 1)", "rack.early_hints must respond to call"),
    "rack.protocol is an Array of Strings": (
        "with(env, 'rack.protocol' => [1])",
        "rack.protocol must be an Array of Strings",
    ),
    "rack.session is like a Hash": ("with(env, 'rack.session' => 1)", "session 1 must respond to store and []="),
    "rack.logger has its methods": ("with(env, 'rack.logger' => 1)", "logger 1 must respond to info"),
    "rack.multipart.buffer_size is positive": (
        "with(env, 'rack.multipart.buffer_size' => 0)",
        "rack.multipart.buffer_size must be an Integer &gt; 0 if specified",
    ),
    "rack.multipart.tempfile_factory is called": (
        "with(env, 'rack.multipart.tempfile_factory' => 1)",
        "rack.multipart.tempfile_factory must respond to #call",
    ),
    "rack.response_finished is an Array": (
        "with(env, 'rack.response_finished' => 1)",
        "rack.response_finished must be an array of callable objects",
    ),
    "rack.response_finished has what can be called": (
        "env['rack.response_finished'] << 1; " + OK,
        "rack.response_finished values must respond to call(env, status, headers, error)",
    ),
    "REQUEST_METHOD is a token": ("with(env, 'REQUEST_METHOD' => 'G T')", "REQUEST_METHOD unknown: &quot;G T&quot;"),
    "SCRIPT_NAME starts with /": ("with(env, 'SCRIPT_NAME' => 'x')", "SCRIPT_NAME must start with /"),
    "SCRIPT_NAME is not /": (
        "with(env, 'SCRIPT_NAME' => '/')",
        "SCRIPT_NAME cannot be '/', make it '' and PATH_INFO '/'",
    ),
    "PATH_INFO starts with /": ("with(env, 'PATH_INFO' => 'x')", "PATH_INFO must start with a '/' (origin-form)"),
    "PATH_INFO is * with OPTIONS alone": (
        "with(env, 'PATH_INFO' => '*')",
        "Only OPTIONS requests may have PATH_INFO set to '*' (asterisk-form)",
    ),
    "PATH_INFO is an authority with CONNECT alone": (
        "with(env, 'PATH_INFO' => 'a:1')",
        "Only CONNECT requests may have PATH_INFO set to an authority (authority-form)",
    ),
    "PATH_INFO is no URI with OPTIONS": (
        "with(env, 'PATH_INFO' => 'http://a/', 'REQUEST_METHOD' => 'OPTIONS')",
        "CONNECT and OPTIONS requests must not have PATH_INFO set to a URI (absolute-form)",
    ),
    "SCRIPT_NAME or PATH_INFO is there": (
        "without(env, 'SCRIPT_NAME', 'PATH_INFO')",
        "One of SCRIPT_NAME or PATH_INFO must be set (make PATH_INFO '/' if SCRIPT_NAME is empty)",
    ),
    "CONTENT_LENGTH is digits": ("with(env, 'CONTENT_LENGTH' => 'x')", "Invalid CONTENT_LENGTH: x"),
    "gets takes no arguments": ("env['rack.input'].gets(1)", "rack.input#gets called with arguments"),
    "read takes no third argument": (
        "env['rack.input'].read(1, '', 1)",
        "rack.input#read called with too many arguments",
    ),
    "read takes a length": (
        "env['rack.input'].read('1')",
        "rack.input#read called with non-integer and non-nil length",
    ),
    "read takes no negative length": ("env['rack.input'].read(-1)", "rack.input#read called with a negative length"),
    "read takes a String as buffer": (
        "env['rack.input'].read(1, nil)",
        "rack.input#read called with non-String buffer",
    ),
    "each takes no arguments": ("env['rack.input'].each(1) {}", "rack.input#each called with arguments"),
    "rack.errors writes Strings": ("env['rack.errors'].write(1)", "rack.errors#write not called with a String"),
    "rack.errors is not closed": ("env['rack.errors'].close", "rack.errors#close must not be called"),
    "the response is an Array": ("'x'", "response is not an Array, but String"),
    "the response is not frozen": (OK + ".freeze", "response is frozen"),
    "the response has three elements": ("[200, {}]", "response array has 2 elements instead of 3"),
    "the status is an Integer": ("['200', {}, []]", "Status must be an Integer &gt;=100"),
    "the status is 100 at least": ("[99, {}, []]", "Status must be an Integer &gt;=100"),
    "headers are a Hash": ("[200, [], []]", "headers object should be a hash, but isn't (got Array as headers)"),
    "headers are not frozen": ("[200, {}.freeze, []]", "headers object should not be frozen, but is"),
    "names of headers are Strings": ("[200, { a: 'x' }, []]", "header key must be a string, was Symbol"),
    "names of headers are lower-case": (
        "[200, { 'X-A' => 'x' }, []]",
        "uppercase character in header name: X-A",
    ),
    "names of headers are tokens": ("[200, { 'a:b' => 'x' }, []]", "invalid header name: a:b"),
    "there is no status header": ("[200, { 'status' => 'x' }, []]", "header must not contain status"),
    "values of headers are Strings": (
        "[200, { 'a' => 1 }, []]",
        "a header value must be a String or Array of Strings, but the value of 'a' is a Integer",
    ),
    "values of headers have no control bytes": ("[200, { 'a' => %(x\\ny) }, []]", 'invalid header value a: "x\\ny"'),
    "content-type is not on 204": (
        "[204, { 'content-type' => 'a/b' }, []]",
        "content-type header found in 204 response, not allowed",
    ),
    "content-length is not on 304": (
        "[304, { 'content-length' => '0' }, []]",
        "content-length header found in 304 response, not allowed",
    ),
    "content-length is the body's": (
        "[200, { 'content-length' => '3' }, ['x']]",
        "content-length header was 3, but should be 1",
    ),
    "rack.hijack is not in the headers": (
        "[200, { 'rack.hijack' => 1 }, []]",
        "rack.hijack header must not be present if server does not support hijacking",
    ),
    "rack.protocol was asked for": (
        "[200, { 'rack.protocol' => 'x' }, []]",
        'rack.protocol header is "x", but rack.protocol was not set in request!',
    ),
    "a body responds to each or call": ("[200, {}, 'x']", "Body must respond to each or call, but is a String"),
    "a body yields Strings": ("[200, {}, Body.new(1)]", "Body yielded non-string value 1"),
    "an Array has Strings": ("[200, {}, ['x', 1]]", "Body yielded non-string value 1"),
    "to_ary is the same as each": (
        "[200, {}, ToAry.new('x')]",
        "#to_ary not identical to contents produced by calling #each",
    ),
    "to_path names a file": (
        "[200, {}, FileBody.new('missing')]",
        "The file identified by body.to_path does not exist",
    ),
    "a body is iterated once": (
        "body = Rack::Lint.new(->(e) { [200, {}, Body.new] }).call(env)[2]; 2.times { body.each {} }",
        "Response body must only be invoked once (each)",
    ),
    "a body is not iterated after its close": (
        "body = Rack::Lint.new(->(e) { [200, {}, Body.new] }).call(env)[2]; body.close; body.each {}",
        "Response body is already closed",
    ),
    "middleware does not iterate": (
        "body = Rack::Lint.new(->(e) { [200, {}, Body.new('x')] }).call(env)[2]; body.each {}; " + OK,
        "Middleware must not call #each directly",
    ),
}

# Something in between that changes what arrives, or is noticed when the answer has gone: a line of the log.
LINT_LATE = {
    "a body that is replaced is closed": (
        "body = Rack::Lint.new(->(e) { [200, {}, Body.new('x')] }).call(env)[2]; [200, {}, Unclosed.new(body)]",
        "Body has not been closed",
    ),
    "content-length is what each yields": (
        "[200, { 'content-length' => '3' }, Body.new('x')]",
        "content-length header was 3, but should be 1",
    ),
}


def lint_app():
    return app_of([case[0] for case in [*LINT.values(), *LINT_LATE.values()]], LINT_PRELUDE)


@pytest.fixture(scope="module")
def linted():
    herd = Herd()
    try:
        herd.configure(workers=1, show_errors=True, env={"RACK_ENV": "development"})
        herd.app(lint_app())
        herd.app(app_of([case[0] for case in RESPONSE.values()], RESPONSE_PRELUDE), host="response.test")
        herd.app("run ->(env) { [200, {}, [env['rack.input'].read]] }", host="echo.test")
        herd.configure("production", workers=1, show_errors=True, env={"RACK_ENV": "production"})
        herd.app(lint_app(), pool="production")
        yield herd.start()
    finally:
        herd.finish()


def page(text):
    for escape, plain in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(escape, plain)
    return text


@pytest.mark.parametrize("rule", LINT)
def test_lint(linted, rule):
    response = ask(linted, LINT, rule)
    assert response.status == 500
    assert "%s (Rack::Lint::LintError)" % page(LINT[rule][1]) in page(response.text)


@pytest.mark.parametrize("rule", LINT_LATE)
def test_lint_when_the_answer_has_begun(linted, rule):
    try:
        ask(linted, {**LINT, **LINT_LATE}, rule)
    except fastcgi.ConnectionClosed:
        pass
    linted.wait_log("%s (Rack::Lint::LintError)" % LINT_LATE[rule][1])


def test_lint_is_off_in_production(linted):
    broken = "names of headers are lower-case"
    response = ask(linted, LINT, broken, pool="production")
    assert (response.status, response.header("x-a")) == (200, "x")


@pytest.mark.parametrize("about", [about for _, about in ENV.values()], ids=list(ENV))
def test_lint_has_nothing_to_say_about_the_env(linted, about):
    body = about.get("body", b"")
    response = linted.request(**{**about, "host": "echo.test" if "host" not in about else about["host"]})
    assert response.status == 200, response.text
    assert response.body in (body, b"fine")


@pytest.mark.parametrize(
    "rule",
    [
        "a body may respond to each",
        "a body may respond to call",
        "a body may be a File",
        "a body that responds to each and call is enumerated",
        "content-length is known of to_ary",
        "content-length is known of a file",
        "a header that is an Array becomes several lines",
        "to_path that says nil leaves it to each",
    ],
)
def test_lint_lets_pass(linted, rule):
    linted.write("apps/web1/data", "content of a file")
    RESPONSE[rule][1](ask(linted, RESPONSE, rule, host="response.test"))


def test_lint_lets_uploads_pass(linted):
    body = bytes(range(256)) * 1000
    assert linted.request(host="echo.test", method="POST", body=body).body == body
