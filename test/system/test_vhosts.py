"""Which app answers, and what the apps of a pool have in common."""

import pytest

import fastcgi

NAMED = 'run ->(env) { [200, {}, ["%s|#{env["SCRIPT_NAME"]}|#{env["PATH_INFO"]}"]] }'


@pytest.fixture(scope="module")
def herd(module_cowherd):
    apps = [
        ("exact", "blog.example.org", "/"),
        ("suffix", "*.example.org", "/"),
        ("longer", "*.deep.example.org", "/"),
        ("prefix", "blog.example.org", "/admin"),
        ("longprefix", "blog.example.org", "/admin/deep"),
        ("pathonly", "only.test", "/here"),
    ]
    for name, host, path in apps:
        module_cowherd.app(NAMED % name, host=host, path=path, name=name)
    module_cowherd.app(NAMED % "other", host="other.test", pool="second", name="other")
    module_cowherd.app(NAMED % "any", host="*", pool="second", name="any")
    return module_cowherd.start()


@pytest.mark.parametrize(
    "host, name",
    [
        ("blog.example.org", "exact"),
        ("BLOG.Example.ORG", "exact"),
        ("blog.example.org:8080", "exact"),
        ("blog.example.org.", "exact"),
        ("www.example.org", "suffix"),
        ("a.b.example.org:1", "suffix"),
        ("a.deep.example.org", "longer"),
    ],
)
def test_the_host_chooses_the_app(herd, host, name):
    assert herd.request("/x", host=host).text == name + "||/x"


@pytest.mark.parametrize("host", ["example.org", "badexample.org", "unknown.test", "", "[::1]:80", None, "only.test"])
def test_an_unknown_host_gets_a_plain_404_page(herd, host):
    response = herd.request("/", host=host)
    assert response.status == 404
    assert response.header("content-type").startswith("text/plain")
    assert "404 Not Found" in response.text
    assert response.complete


def test_the_page_for_an_unknown_host_repeats_nothing_of_the_request(herd):
    response = herd.request("/<script>", host="<script>.test")
    assert response.status == 404 and b"script" not in response.body


@pytest.mark.parametrize("host", ["unknown.test", "", None])
def test_a_star_takes_every_host(herd, host):
    assert herd.request("/x", pool="second", host=host).text == "any||/x"
    assert herd.request("/x", pool="second", host="other.test").text == "other||/x"


@pytest.mark.parametrize(
    "uri, answer",
    [
        ("/", "exact||/"),
        ("/admin", "prefix|/admin|"),
        ("/admin/", "prefix|/admin|/"),
        ("/admin/x/y?q", "prefix|/admin|/x/y"),
        ("/administrator", "exact||/administrator"),
        ("/admin/deep/er", "longprefix|/admin/deep|/er"),
        ("/admin/deeper", "prefix|/admin|/deeper"),
        ("/%61dmin/x", "prefix|/admin|/x"),
    ],
)
def test_the_longest_path_prefix_becomes_the_script_name(herd, uri, answer):
    assert herd.request(uri, host="blog.example.org").text == answer


def test_a_path_that_no_app_has_is_404(herd):
    assert herd.request("/here", host="only.test").text == "pathonly|/here|"
    assert herd.request("/there", host="only.test").status == 404


@pytest.mark.parametrize("uri", ["/%00", "/%zz", "/%2", "nothing"])
def test_a_uri_that_is_none_is_refused_and_reaches_no_app(herd, uri):
    with herd.connect() as connection:
        try:
            response = connection.request(uri="/", host="blog.example.org", params={"REQUEST_URI": uri})
        except fastcgi.ConnectionClosed:
            return
    assert response.status in (400, 404)


GLOBALS = """
$shared = ($shared || 0) + 1
SECRET_%s = 1
class String
  def added_by_%s; end
end
run ->(env) {
  $counter = ($counter || 0) + 1
  constants = [:SECRET_a, :SECRET_b].map { |name| Object.const_defined?(name) }
  methods = [:added_by_a, :added_by_b].map { |name| "".respond_to?(name) }
  [200, {}, [([$shared, $counter] + constants + methods).join(" ")]]
}
"""


def test_apps_with_interpreters_of_their_own_see_nothing_of_each_other(cowherd):
    cowherd.configure(workers=1)
    for name in "ab":
        cowherd.app(GLOBALS % (name, name), host=name + ".test")
    cowherd.start()
    assert cowherd.request(host="a.test").text == "1 1 true false true false"
    assert cowherd.request(host="a.test").text == "1 2 true false true false"
    assert cowherd.request(host="b.test").text == "1 1 false true false true"


def test_apps_that_name_an_interpreter_share_it(cowherd):
    cowherd.configure(workers=1)
    for name in "ab":
        cowherd.app(GLOBALS % (name, name), host=name + ".test", interpreter="common")
    cowherd.start()
    assert cowherd.request(host="a.test").text == "2 1 true true true true"
    assert cowherd.request(host="b.test").text == "2 2 true true true true"


def test_a_preloaded_library_is_there_in_every_app_and_loaded_before_it(cowherd):
    library = "module Library\n  VERSION = 7\n  def self.answer; 6 * VERSION; end\nend\n$loads = ($loads || 0) + 1\n"
    cowherd.write("lib.rb", library)
    cowherd.configure(preload=[cowherd.directory / "lib.rb"])
    for name, extra in (("own", {}), ("one", {"interpreter": "common"}), ("two", {"interpreter": "common"})):
        # The second app of the shared interpreter finds what the first has defined.
        load = "AT_LOAD = Library.answer\n" if name != "two" else ""
        cowherd.app(load + 'run ->(env) { [200, {}, ["#{AT_LOAD} #{$loads}"]] }', host=name + ".test", **extra)
    cowherd.start()
    for name in ("own", "one", "two"):
        assert cowherd.request(host=name + ".test").text == "42 1", name


CWD = """
AT_LOAD = File.open("data.txt") { |f| f.read }
run ->(env) { [200, {}, ["#{AT_LOAD} #{File.open("data.txt") { |f| f.read }}"]] }
"""


def test_the_working_directory_is_the_apps_root_at_load_and_at_each_request(cowherd):
    cowherd.configure(workers=1)
    for name in "ab":
        path = cowherd.app(CWD, host=name + ".test")
        (path.parent / "data.txt").write_text(name)
    cowherd.start()
    for name in "abab":
        assert cowherd.request(host=name + ".test").text == "%s %s" % (name, name)


def test_the_environment_of_the_pool_reaches_its_processes(cowherd):
    cowherd.configure(env={"COWHERD_TEST_A": "one", "TZ": "Asia/Tokyo"})
    cowherd.app('run ->(env) { [200, {}, [Time.at(0).to_s]] }')
    cowherd.start()
    assert "09:00:00" in cowherd.request().text


def test_use_and_map_build_an_app(cowherd):
    cowherd.app(
        """
        class Stamp
          def initialize(app, text)
            @app = app
            @text = text
          end

          def call(env)
            status, headers, body = @app.call(env)
            [status, headers.merge("x-stamp" => @text), body]
          end
        end

        use Stamp, "outer"
        map "/inner" do
          run ->(env) { [200, {}, ["inner #{env["SCRIPT_NAME"]} #{env["PATH_INFO"]}"]] }
        end
        run ->(env) { [200, {}, ["root #{env["PATH_INFO"]}"]] }
        """,
        path="/app",
    )
    cowherd.start()
    response = cowherd.request("/app/inner/x")
    assert (response.text, response.header("x-stamp")) == ("inner /app/inner /x", "outer")
    assert cowherd.request("/app/x").text == "root /x"


@pytest.mark.parametrize(
    "source",
    [
        "->(env) { [200, {}, ['callable']] }",
        "class App\n  def call(env)\n    [200, {}, ['callable']]\n  end\nend\nApp.new",
        "run do |env|\n  [200, {}, ['callable']]\nend",
    ],
    ids=["last-expression-lambda", "last-expression-object", "run-with-a-block"],
)
def test_other_ways_to_write_an_app(cowherd, source):
    cowherd.app(source)
    cowherd.start()
    assert cowherd.request().text == "callable"
