"""Who may come in: access hooks asked by FastCGI's AUTHORIZER role and by Debian's web servers.

The pair of hooks is the one of packaging/examples/geo: a table that each worker reads when it starts, and a check before
each request that answers 403 for the wrong country. 127.0.0.1 is in the right one, 127.0.0.66 in the wrong one.
"""

import shutil

import pytest

import fastcgi
import front_servers
from herd import REPOSITORY, free_port

GEO = REPOSITORY / "packaging/examples/geo"
GEO_HOOKS = [
    {"event": "preload", "file": "lib/geoip.rb"},
    {"event": "worker_start", "file": "hooks/geo_init.rb"},
    {"event": "access", "file": "hooks/geo_check.rb"},
]

# More than yes and no: a page to log in at, a challenge, an exception, and a yes that says something.
DOOR = """
Server = get_server_class
r = Server::Request.new
case r.uri
when "/door/login" then Server.redirect "http://login.test/?back=" + r.uri
when "/door/challenge"
  r.headers_out["WWW-Authenticate"] = 'Basic realm="door"'
  Server.return Server::HTTP_UNAUTHORIZED
when "/door/raise" then raise "no idea"
when "/door/said"
  r.headers_out["Variable-Door-Name"] = "front"
  Server.echo "nobody reads this"
when "/door/rack" then [403, { "x-by" => "rack" }, ["shut"]]
end
"""

ASKED = """
run ->(env) { [200, { "content-type" => "text/plain" }, ["app #{env["PATH_INFO"]} from #{env["COUNTRY"]}"]] }
"""


def geo_app(herd, pool="web", rack=None, **settings):
    """An app of the example's files; without `rack` of hooks alone."""
    root = herd.directory / "apps/geo"
    if not root.exists():
        shutil.copytree(GEO, root)
    herd.configure(pool)
    herd.pools[pool]["apps"].append({"root": root, "hooks": GEO_HOOKS, **({"rack": rack} if rack else {}), **settings})


@pytest.fixture(scope="module")
def herd(module_cowherd):
    herd = module_cowherd
    herd.port = free_port()
    herd.configure("web", listen=[herd.directory / "web.sock", "127.0.0.1:%d" % herd.port], workers=2)
    herd.configure("behind")
    for pool in ("web", "behind"):
        herd.configure(pool, socket={"mode": "0666"})
    geo_app(herd)
    door = herd.write("apps/door/door.rb", DOOR)
    herd.pools["web"]["apps"].append(
        {"path": "/door", "root": door.parent, "hooks": [{"event": "access", "file": "door.rb"}]}
    )
    herd.app(ASKED, path="/app", name="asked")
    geo_app(herd, path="/geo", rack="config.ru")
    herd.app(ASKED, pool="behind", name="behind")
    herd.write("files/guarded/index.html", "a file\n")
    herd.write("files/behind", "")
    herd.write("files/index.html", "open\n")
    return herd.start()


def authorize(herd, uri="/", address="127.0.0.1", **params):
    return herd.request(
        uri,
        role=fastcgi.AUTHORIZER,
        params={
            "REMOTE_ADDR": address,
            "PATH_INFO": None,
            "SCRIPT_NAME": None,
            "CONTENT_LENGTH": None,
            "CONTENT_TYPE": None,
            **params,
        },
    )


# -- the role itself


def test_who_passes_all_access_hooks_is_authorized_with_variables_and_without_a_body(herd):
    answer = authorize(herd)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Variable-COUNTRY") == "JP"
    assert "Variable-COUNTRY: JP\r\n" in answer.head_text + "\r\n"
    assert (answer.protocol_status, answer.app_status) == (fastcgi.REQUEST_COMPLETE, 0)


def test_who_is_refused_gets_the_hooks_answer(herd):
    answer = authorize(herd, address="127.0.0.66")
    assert (answer.status, answer.text) == (403, "403 Forbidden\n")
    login = authorize(herd, "/door/login")
    assert (login.status, login.header("location")) == (302, "http://login.test/?back=/door/login")
    challenge = authorize(herd, "/door/challenge")
    assert (challenge.status, challenge.header("www-authenticate")) == (401, 'Basic realm="door"')
    rack = authorize(herd, "/door/rack")
    assert (rack.status, rack.header("x-by"), rack.text) == (403, "rack", "shut")


def test_a_yes_has_no_body_even_where_a_hook_wrote_one(herd):
    answer = authorize(herd, "/door/said")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "0")
    assert "Variable-DOOR_NAME: front\r\n" in answer.head_text + "\r\n"


def test_an_exception_is_no_permission(herd):
    assert authorize(herd, "/door/raise").status == 500


def test_without_request_uri_other_parameters_or_none_say_the_path(herd):
    assert authorize(herd, REQUEST_URI=None).status == 200
    assert authorize(herd, REQUEST_URI=None, address="127.0.0.66").status == 403
    assert authorize(herd, REQUEST_URI=None, SCRIPT_NAME="/door/rack").status == 403
    assert authorize(herd, REQUEST_URI=None, PATH_INFO="/door/login").status == 302


def test_hooks_with_a_path_run_for_an_authorizer_that_is_told_no_path(cowherd):
    source = "[403, {}, []] unless File.exist?('open')\n"
    cowherd.app(ASKED, hooks=[{"event": "access", "file": "shut.rb", "path": "/shut"}])
    cowherd.write("apps/web0/shut.rb", source)
    cowherd.start()
    assert cowherd.request("/elsewhere").status == 200
    assert authorize(cowherd, "/elsewhere").status == 200
    assert authorize(cowherd, "/shut").status == 403
    assert authorize(cowherd, REQUEST_URI=None).status == 403
    assert cowherd.request("/", params={"REQUEST_URI": None, "PATH_INFO": None, "SCRIPT_NAME": None}).status == 400


def test_an_app_without_access_hooks_answers_authorizers_itself(herd):
    answer = authorize(herd, "/app/x")
    assert (answer.status, answer.text) == (200, "app /x from ")


def test_the_request_command_asks_as_a_front_end_asks_its_authorizer(herd):
    result = herd.command("request", "-A", herd.address(), "/door/login", file=False)
    assert result.returncode == 0
    assert result.stdout.startswith("Status: 302 Found\r\n") or result.stdout.startswith("Status: 302 Found\n")
    assert herd.command("request", "-A", herd.address(), "/door", file=False).stdout.startswith("Status: 200 OK")


# -- the servers


NGINX = """
        include /etc/nginx/fastcgi_params;
        location / { root %(files)s; }
        location /geo/ { fastcgi_pass unix:%(web)s; }
        location /guarded/ {
            auth_request /authorize;
            auth_request_set $country $upstream_http_x_country;
            add_header X-Seen-Country $country;
            root %(files)s;
        }
        location /door/ { auth_request /authorize; root %(files)s; }
        location = /authorize {
            internal;
            fastcgi_pass unix:%(web)s;
            include /etc/nginx/fastcgi_params;
            fastcgi_pass_request_body off;
            fastcgi_param CONTENT_LENGTH "";
        }
"""

LIGHTTPD = """
server.modules = ("mod_fastcgi")
server.document-root = "%(files)s"
index-file.names = ("index.html")
mimetype.assign = ("" => "text/plain")
fastcgi.server = (
  "/geo" => (("socket" => "%(web)s", "check-local" => "disable")),
  "/guarded" => (("socket" => "%(web)s", "mode" => "authorizer", "docroot" => "%(files)s", "check-local" => "disable")),
  "/door" => (("socket" => "%(web)s", "mode" => "authorizer", "docroot" => "%(files)s", "check-local" => "disable")),
  "/behind" => (
    ("socket" => "%(web)s", "mode" => "authorizer", "docroot" => "%(files)s", "check-local" => "disable"),
    ("socket" => "%(behind)s")
  )
)
"""

APACHE = """
DocumentRoot %(files)s
AuthnzFcgiDefineProvider authn door fcgi://127.0.0.1:%(port)d/
AuthnzFcgiDefineProvider authz geo fcgi://127.0.0.1:%(port)d/
<Directory %(files)s>
  Require all granted
</Directory>
<Location /guarded/>
  AuthnzFcgiCheckAuthnProvider door Authoritative On RequireBasicAuth Off UserExpr "%%{reqenv:VISITOR}" DefaultUser visitor
  Require valid-user
</Location>
<Location /door/>
  AuthnzFcgiCheckAuthnProvider door Authoritative On RequireBasicAuth Off UserExpr "%%{reqenv:VISITOR}" DefaultUser visitor
  Require valid-user
</Location>
<Location /geo/>
  ProxyPass unix:%(web)s|fcgi://web/
</Location>
<Location /behind>
  AuthnzFcgiCheckAuthnProvider door Authoritative On RequireBasicAuth Off UserExpr "%%{reqenv:VISITOR}" DefaultUser visitor
  Require valid-user
  ProxyPass unix:%(behind)s|fcgi://behind/
</Location>
"""
APACHE_MODULES = ("authn_core", "authz_core", "authz_user", "authnz_fcgi", "dir", "proxy", "proxy_fcgi")


def places(herd):
    return {
        "files": herd.directory / "files",
        "web": herd.address("web"),
        "behind": herd.address("behind"),
        "port": herd.port,
    }


def start_nginx(herd):
    return front_servers.nginx(herd, NGINX % places(herd))


def start_lighttpd(herd):
    return front_servers.lighttpd(herd, LIGHTTPD % places(herd))


def start_apache(herd):
    return front_servers.apache(herd, APACHE % places(herd), APACHE_MODULES)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(start, id=name, marks=pytest.mark.skipif(program is None, reason=name + " is not installed"))
        for name, start, program in (
            ("nginx", start_nginx, front_servers.NGINX),
            ("lighttpd", start_lighttpd, front_servers.LIGHTTPD),
            ("apache", start_apache, front_servers.APACHE),
        )
    ],
)
def front(request, herd):
    server = request.param(herd)
    yield server
    server.stop()


def test_the_pair_before_an_app(front):
    welcome = front.request("/geo/")
    assert (welcome.status, welcome.text) == (200, "Welcome from JP\n")
    assert welcome.getheader("X-Country") == "JP"
    assert front.request("/geo/", source="127.0.0.66").status == 403
    assert front.request("/").text == "open\n"


def test_the_pair_before_files_that_the_front_end_serves(front):
    passed = front.request("/guarded/index.html")
    assert (passed.status, passed.text) == (200, "a file\n")
    refused = front.request("/guarded/index.html", source="127.0.0.66")
    assert (refused.status, "a file" in refused.text) == (403, False)


def test_a_challenge_reaches_the_visitor(front):
    challenged = front.request("/door/challenge")
    assert (challenged.status, challenged.getheader("WWW-Authenticate")) == (401, 'Basic realm="door"')


def test_an_exception_opens_no_door(front):
    assert front.request("/door/raise").status == 500


def test_what_hooks_set_reaches_the_front_end_or_what_answers_behind_it(front):
    if front.name == "nginx":  # it has headers of the answer in place of variables
        assert front.request("/guarded/index.html").getheader("X-Seen-Country") == "JP"
        return
    passed = front.request("/behind")
    assert (passed.status, passed.text) == (200, "app /behind from JP")
    assert front.request("/behind", source="127.0.0.66").status == 403


def test_a_redirection_reaches_the_visitor_where_the_front_end_knows_other_refusals_than_401_and_403(front):
    login = front.request("/door/login")
    if front.name == "nginx":
        assert login.status == 500
    else:
        assert (login.status, login.getheader("Location")) == (302, "http://login.test/?back=/door/login")
