"""The words of mod_mruby and ngx_mruby in scripts, one by one: the name of each test is the method that it proves."""

import re

import pytest

from herd import REPOSITORY
from test_scripts import plant

PROVES = "words of mod_mruby and ngx_mruby"
HOST = "words.test"
PLAIN = "text/plain; charset=utf-8"

# Who asks, and how, in all that follows.
ASKS = {
    "host": HOST,
    "headers": {
        "User-Agent": "curl/7.88",
        "Cookie": "id=42; Theme=dark",
        "Referer": "http://a.test/",
        "Range": "bytes=0-1",
    },
    "params": {
        "HTTP_HOST": HOST + ":8001",
        "SERVER_SOFTWARE": "nginx/1.22.1",
        "SERVER_PORT": "8001",
        "SERVER_ADDR": "192.0.2.1",
        "REMOTE_ADDR": "198.51.100.7",
        "REMOTE_PORT": "54430",
        "REMOTE_USER": "ann",
        "REMOTE_HOST": "client.test",
        "REMOTE_IDENT": "ident",
        "AUTH_TYPE": "Basic",
        "DOCUMENT_ROOT": "/srv/www",
        "CONTENT_TYPE": "text/css",
        "COUNTRY": "JP",
    },
    "method": "POST",
    "body": b"b=1&c=2",
}

# What an expression says with request = Request.new, connection = Connection.new and so on at hand.
SAYS = {
    "get_server_class": ("[get_server_class, Apache, Nginx].uniq", "[Cowherd::Server]"),
    "server_name": ("server_name", '"NGINX"'),
    "Server.status_code": ("[Server.status_code, (Server.status_code = 201), Server.status_code]", "[200, 201, 201]"),
    "Server.var": ("Server.var.remote_addr", '"198.51.100.7"'),
    "Server.module_name": ("Server.module_name", '"cowherd"'),
    "Server.module_version": ("Server.module_version == Server::VERSION", "true"),
    "Server.mod_mruby_version": ("Server.mod_mruby_version == Server::VERSION", "true"),
    "Server.mruby_version": ("Server.mruby_version == MRUBY_VERSION", "true"),
    "Server.server_version": ("Server.server_version", '"nginx/1.22.1"'),
    "Server.nginx_version": ("Server.nginx_version", '"1.22.1"'),
    "Server.document_root": ("Server.document_root", '"/srv/www"'),
    "Server.filename": ("Server.filename == __FILE__", "true"),
    "Server.sleep": ("Server.sleep(0) == Server", "true"),
    "Server.remove_global_variable": (
        "$gone = 1; Server.remove_global_variable(:$gone); [$gone, global_variables.include?(:$gone)]",
        "[nil, false]",
    ),
    "Server#document_root": ("Server::Server.new.document_root", '"/srv/www"'),
    "Server#path": ("Server::Server.new.path", '"/srv/www"'),
    "Server#realpath_root": ("Server::Server.new.realpath_root", '"/srv/www"'),
    "Request#env": ("request.env['REQUEST_METHOD']", '"POST"'),
    "Request#method": ("request.method", '"POST"'),
    "Request#method=": ("request.method = 'PUT'; request.env['REQUEST_METHOD']", '"PUT"'),
    "Request#protocol": ("request.protocol", '"HTTP/1.1"'),
    "Request#protocol=": ("request.protocol = 'HTTP/1.0'; request.env['SERVER_PROTOCOL']", '"HTTP/1.0"'),
    "Request#uri": ("request.uri == request.script_name + '/a b'", "true"),
    "Request#uri=": ("request.uri = request.script_name + '/c'; request.env['PATH_INFO']", '"/c"'),
    "Request#script_name": ("__FILE__.end_with?(request.script_name)", "true"),
    "Request#path_info": ("request.path_info", '"/a b"'),
    "Request#path_info=": ("request.path_info = '/c'; request.env['PATH_INFO']", '"/c"'),
    "Request#unparsed_uri": ("request.unparsed_uri == request.script_name + '/a%20b?a=1&B=x%20y'", "true"),
    "Request#unparsed_uri=": ("request.unparsed_uri = '/c?d'; request.env['REQUEST_URI']", '"/c?d"'),
    "Request#request_line": ("request.request_line == \"POST #{request.unparsed_uri} HTTP/1.1\"", "true"),
    "Request#the_request": ("request.the_request == request.request_line", "true"),
    "Request#args": ("request.args", '"a=1&B=x%20y"'),
    "Request#args=": ("request.args = 'q=2'; request.env['QUERY_STRING']", '"q=2"'),
    "Request#uri_args": ("request.uri_args", '{"a"=>"1", "B"=>"x%20y"}'),
    "Request#uri_args=": ("request.uri_args = { 'q' => 2, 'r' => 's' }; request.args", '"q=2&r=s"'),
    "Request#post_args": ("request.post_args", '{"b"=>"1", "c"=>"2"}'),
    "Request#scheme": ("request.scheme", '"http"'),
    "Request#authority": ("request.authority", '"words.test:8001"'),
    "Request#hostname": ("request.hostname", '"words.test"'),
    "Request#hostname=": ("request.hostname = 'b.test'; request.env['HTTP_HOST']", '"b.test"'),
    "Request#filename": ("request.filename == __FILE__", "true"),
    "Request#filename=": ("request.filename = '/x'; request.env['SCRIPT_FILENAME']", '"/x"'),
    "Request#document_root": ("request.document_root", '"/srv/www"'),
    "Request#document_root=": ("request.document_root = '/x'; request.env['DOCUMENT_ROOT']", '"/x"'),
    "Request#user": ("request.user", '"ann"'),
    "Request#user=": ("request.user = 'bob'; request.env['REMOTE_USER']", '"bob"'),
    "Request#ap_auth_type": ("request.ap_auth_type", '"Basic"'),
    "Request#ap_auth_type=": ("request.ap_auth_type = 'Digest'; request.env['AUTH_TYPE']", '"Digest"'),
    "Request#read_body": ("request.read_body == Server::OK", "true"),
    "Request#get_body": ("[request.get_body, request.get_body, request.env['rack.input'].read]", str(["b=1&c=2"] * 3)),
    "Request#body": ("[request.body, request.body, request.env['rack.input'].gets]", str(["b=1&c=2"] * 3)),
    "Request#content_length": ("request.content_length", "7"),
    "Request#range": ("request.range", '"bytes=0-1"'),
    "Request#header_only": ("request.header_only", "0"),
    "Request#content_type": (
        "[request.content_type, request.content_type = 'a/b', request.content_type]",
        '[nil, "a/b", "a/b"]',
    ),
    "Request#content_encoding": ("request.content_encoding", "nil"),
    "Request#status": ("[request.status, (Server.status_code = 201), request.status]", "[200, 201, 201]"),
    "Request#headers_in": ("request.headers_in['user-agent']", '"curl/7.88"'),
    "Request#headers_out": ("request.headers_out['X-A'] = 1; Server::Headers_out.new['x-a']", '"1"'),
    "Request#var": ("request.var.remote_port", '"54430"'),
    "Request#notes": ("request.notes['a'] = [1]; Server::Request.new.notes['a']", "[1]"),
    "Request#connection": ("request.connection.remote_ip", '"198.51.100.7"'),
    "Notes#[]": ("request.notes['nobody']", "nil"),
    "Notes#[]=": ("request.notes[:a] = 2; request.notes['a']", "2"),
    "Connection#env": ("connection.env['REMOTE_USER']", '"ann"'),
    "Connection#remote_ip": ("connection.remote_ip", '"198.51.100.7"'),
    "Connection#remote_addr": ("connection.remote_addr", '"198.51.100.7"'),
    "Connection#remote_port": ("connection.remote_port", '"54430"'),
    "Connection#remote_host": ("connection.remote_host", '"client.test"'),
    "Connection#remote_logname": ("connection.remote_logname", '"ident"'),
    "Connection#local_ip": ("connection.local_ip", '"192.0.2.1"'),
    "Connection#local_addr": ("connection.local_addr", '"192.0.2.1"'),
    "Connection#local_port": ("connection.local_port", '"8001"'),
    "Connection#local_host": ("connection.local_host", '"words.test"'),
    "Connection#var": ("connection.var.server_port", '"8001"'),
    "Headers_in#env": ("headers_in.env['HTTP_USER_AGENT']", '"curl/7.88"'),
    "Headers_in#[]": (
        "[headers_in['User-Agent'], headers_in['content-type'], headers_in['x']]",
        '["curl/7.88", "text/css", nil]',
    ),
    "Headers_in#[]=": ("headers_in['X-A'] = %w[a b]; request.env['HTTP_X_A']", '"a, b"'),
    "Headers_in#delete": (
        "[headers_in.delete('User-Agent'), request.env.key?('HTTP_USER_AGENT')]",
        '["curl/7.88", false]',
    ),
    "Headers_in#all": ("headers_in.all.values_at('User-Agent', 'Content-Length')", '["curl/7.88", "7"]'),
    "Headers_in#user_agent": ("headers_in.user_agent", '"curl/7.88"'),
    "Headers_in#referer": ("headers_in.referer", '"http://a.test/"'),
    "Headers_out#[]": ("[headers_out['x-a'], headers_out['X-A'] = '1', headers_out['x-a']]", '[nil, "1", "1"]'),
    "Headers_out#delete": ("headers_out['X-A'] = '1'; headers_out.delete('x-a'); headers_out.all", "{}"),
    "Headers_out#all": ("headers_out['X-A'] = '1'; headers_out.all", '{"x-a"=>"1"}'),
    "Var#method_missing": (
        "[var.remote_addr, var.http_user_agent, var.arg_b, var.cookie_theme, var.country, var.host, "
        "var.request_body, var.x]",
        '["198.51.100.7", "curl/7.88", "x%20y", "dark", "JP", "words.test", "b=1&c=2", nil]',
    ),
    "Var#set": ("var.set('backend', 'b1'); [var.backend, request.env['BACKEND']]", '["b1", "b1"]'),
    "Var#exist?": ("[var.exist?('remote_addr'), var.exist?('x')]", "[true, false]"),
    "Var#respond_to?": ("var.respond_to?(:x)", "true"),
    "Var#inspect": ("var.inspect", '"#<Cowherd::Server::Var>"'),
    "Userdata#respond_to?": ("Userdata.new.respond_to?(:x)", "true"),
    "Userdata#inspect": ("Userdata.new('inspected').inspect", '"#<Userdata []>"'),
}
SAYS.update(
    ("Request#%s" % name, ("request.%s" % name, "false"))
    for name in ("sub_request?", "main?", "prev?", "next?", "internal_redirect?", "external_redirect?")
)
SAYS = {name: (script, expected.replace("'", '"')) for name, (script, expected) in SAYS.items()}

# What a script answers: status, text, and some headers.
ANSWERS = {
    "Server.echo": ("Server.echo 'a'; Server.echo 12", (200, "a\n12\n", {"content-type": PLAIN})),
    "Server.rputs": ("Server.rputs 'a'; Server.rputs :b", (200, "ab", {"content-type": PLAIN})),
    "Server.return": (
        "begin\n  Server.return Server::HTTP_FORBIDDEN\nrescue => e\n  Server.echo e\nend\nServer.echo 'behind'",
        (403, "403 Forbidden\n", {"content-type": PLAIN}),
    ),
    "Server.send_header": ("Server.send_header 202; Server.rputs 'behind'", (202, "behind", {})),
    "Server.status_code=": ("Server.status_code = 404; Server.rputs 'behind'", (404, "behind", {})),
    "Server.redirect": (
        "Server.redirect 'http://b.test/', Server::HTTP_MOVED_PERMANENTLY",
        (301, "", {"location": "http://b.test/"}),
    ),
    "Request#content_type=": (
        "request.content_type = 'text/html'; Server.rputs 'a'",
        (200, "a", {"content-type": "text/html"}),
    ),
    "Request#content_encoding=": ("request.content_encoding = 'x'", (200, "", {"content-encoding": "x"})),
    "Request#status=": ("request.status = 410", (410, "410 Gone\n", {})),
    "Headers_out#[]=": ("headers_out['X-A'] = ['a', 'b']; Server.rputs 'x'", (200, "x", {"x-a": ["a", "b"]})),
}

# Lines in the log, with their levels.
LOGS = {
    "Server.log": ("Server.log Server::LOG_ERR, 'said by log'", " error ", "said by log"),
    "Server.errlogger": ("Server.errlogger Server::LOG_NOTICE, 'said by errlogger'", " info ", "said by errlogger"),
    "Server.syslogger": ("Server.syslogger 'warn', 'said by syslogger'", " warn ", "said by syslogger"),
    "Request#log": ("request.log Server::LOG_CRIT, 'said by its log'", " error ", "said by its log"),
    "Request#error_log": ("request.error_log Server::APLOG_INFO, 'said by error_log'", " info ", "said by error_log"),
}

BEFORE = """Server = get_server_class
request = Server::Request.new
connection = Server::Connection.new
headers_in = Server::Headers_in.new
headers_out = Server::Headers_out.new
var = Server::Var.new
"""

# Every method there is, as README has them.
METHODS = """
own = %w[enter leave clear headers_for]
names = (Server.singleton_methods(false).map(&:to_s) - own).map { |name| "Server.#{name}" }
%w[Server Request Notes Connection Headers_in Headers_out Var].each do |name|
  type = Server.const_get(name)
  methods = type.instance_methods(false)
  methods += Server::Part.instance_methods(false) if type.superclass == Server::Part && name != 'Notes'
  names += methods.map { |method| "#{name}##{method}" }
end
names += Userdata.instance_methods(false).map { |method| "Userdata##{method}" }
names += %w[get_server_class server_name].select { |name| Kernel.instance_methods(false).include?(name.to_sym) }
Server.rputs names.reject { |name| name.include?('__') || name.end_with?('initialize') }.uniq.sort.join("\\n")
"""

KEPT = """
if Userdata.new('kept').objects
  said = Userdata.new('kept').objects.map do |use|
    begin
      use.call
    rescue => e
      "#{e.class}: #{e.message}"
    end
  end
  Server.rputs said.uniq.join
else
  Userdata.new('kept').objects = [-> { request.uri }, -> { connection.remote_ip }, -> { headers_in['x'] },
                                  -> { headers_out['x'] }, -> { headers_out['x'] = 'y' }, -> { var.uri }]
  Server.rputs 'kept'
end
"""

COUNTS = "data = Userdata.new('counts')\ndata.count = data.count.to_i + 1\nServer.rputs data.count\n"
INJECTS = "headers_out['X-A'] = \"a\\r\\nSet-Cookie: b=c\"\n"


def scripts():
    tree = {}
    for table, last in ((SAYS, "Server.rputs((%s\n).inspect)"), (ANSWERS, "%s\n"), (LOGS, "%s\nnil\n")):
        for name, (script, *_) in table.items():
            tree[file_of(name)] = BEFORE + last % script
    for name, script in (("methods", METHODS), ("kept", KEPT), ("counts", COUNTS), ("injects", INJECTS)):
        tree[name + ".rb"] = BEFORE + script
    return tree


def file_of(name):
    return "".join(c if c.isalnum() or c == "." else "_%x_" % ord(c) for c in name) + ".rb"


@pytest.fixture(scope="module")
def herd(module_cowherd):
    module_cowherd.configure(workers=1)
    plant(module_cowherd, HOST, scripts(), cache=True)
    return module_cowherd.start()


def ask(herd, name):
    return herd.request("/%s/a%%20b?a=1&B=x%%20y" % file_of(name), **ASKS)


@pytest.mark.parametrize("name", SAYS)
def test_says(herd, name):
    response = ask(herd, name)
    assert response.text == SAYS[name][1]


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(herd, name):
    status, text, headers = ANSWERS[name][1]
    response = ask(herd, name)
    assert (response.status, response.text, response.complete) == (status, text, True)
    for header, value in headers.items():
        assert response.all(header) == (value if isinstance(value, list) else [value])


@pytest.mark.parametrize("name", LOGS)
def test_logs(herd, name):
    _, level, text = LOGS[name]
    assert ask(herd, name).status == 200
    herd.wait_log(level, HOST, "] " + text)


@pytest.mark.parametrize("name", ["Userdata#method_missing"])
def test_keeps(herd, name):
    assert [herd.request("/counts.rb", host=HOST).text for _ in range(3)] == ["1", "2", "3"]


def test_what_is_kept_of_a_request_raises_in_the_next(herd):
    assert herd.request("/kept.rb", host=HOST).text == "kept"
    assert herd.request("/kept.rb", host=HOST).text == "RuntimeError: the request that this belongs to is over"


def test_a_header_with_a_line_break_is_refused(herd):
    response = herd.request("/injects.rb", host=HOST)
    assert (response.status, response.all("set-cookie")) == (500, [])
    herd.wait_log("injects.rb", "has a control byte or a line break", "ArgumentError")


def test_every_method_is_proved_and_documented(herd):
    methods = set(herd.request("/methods.rb", host=HOST).text.split("\n"))
    readme = (REPOSITORY / "gems/mruby-server-api/README.md").read_text()
    table = [line.split("|")[1] for line in readme.split("\n") if re.match(r"\| `(?!Cowherd)", line)]
    documented = {re.sub(r"\(.*", "", name) for cell in table for name in re.findall(r"`([^`]+)`", cell)}
    assert documented == methods
    assert {*SAYS, *ANSWERS, *LOGS, "Userdata#method_missing"} == methods
