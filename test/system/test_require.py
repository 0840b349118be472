"""Files that an app loads: when it is loaded itself, and at requests."""

import os
from pathlib import Path

APP = """
require_relative "lib/local"
$LOAD_PATH << File.expand_path("vendor")
require "thing"
require "thing.rb"

run ->(env) {
  case env["PATH_INFO"]
  when "/names" then [200, {}, [[Local::NAME, Thing::NAME, __dir__, LOADED.inspect].join("\\n")]]
  when "/features" then [200, {}, [$LOADED_FEATURES.join("\\n")]]
  when "/lazy" then [200, {}, [[require("lazy"), require_relative("vendor/lazy"), Lazy::NAME].inspect]]
  when "/edited" then load("edited.rb"); [200, {}, [edited]]
  when "/bad" then require_relative "lib/bad"
  when "/none" then require "none/such"
  else [200, {}, ["fine"]]
  end
}
"""


def write(root, **files):
    for name, text in files.items():
        path = Path(root) / name.replace("__", "/")
        path = path.with_name(path.name + ".rb")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def app(cowherd, source=APP, **settings):
    root = os.path.dirname(cowherd.app(source, **settings))
    write(
        root,
        lib__local='LOADED = [__FILE__]\nmodule Local; NAME = "local"; end\n',
        vendor__thing='LOADED << __FILE__\nmodule Thing; NAME = "thing"; end\n',
        vendor__lazy='module Lazy; NAME = "lazy"; end\n',
    )
    return os.path.realpath(root)


def test_an_app_requires_its_files_once(cowherd):
    cowherd.configure(workers=1)
    root = app(cowherd)
    cowherd.start()
    names = ["local", "thing", root, '["%s/lib/local.rb", "%s/vendor/thing.rb"]' % (root, root)]
    assert cowherd.request("/names").text.split("\n") == names
    assert cowherd.request("/features").text.split("\n") == [root + "/lib/local.rb", root + "/vendor/thing.rb"]


def test_require_at_a_request(cowherd):
    cowherd.configure(workers=1)
    root = app(cowherd)
    cowherd.start()
    assert cowherd.request("/lazy").text == '[true, false, "lazy"]'
    for _ in range(20):
        assert cowherd.request("/lazy").text == '[false, false, "lazy"]'
    assert cowherd.request("/features").text.split("\n")[-1] == root + "/vendor/lazy.rb"
    assert cowherd.request("/none").status == 500
    cowherd.wait_log("cannot load such file -- none/such (LoadError)")
    assert cowherd.request("/").text == "fine"


def test_a_file_loaded_at_each_request_shows_an_edit(cowherd):
    cowherd.configure(workers=1)
    root = app(cowherd)
    write(root, edited='def edited; "before"; end\n')
    cowherd.start()
    pid = cowherd.workers()[0]["pid"]
    assert cowherd.request("/edited").text == "before"
    write(root, edited='def edited\n  "after"\nend\n')
    for _ in range(20):
        assert cowherd.request("/edited").text == "after"
    write(root, edited="def edited; raise 'gone wrong'; end\n")
    assert cowherd.request("/edited").status == 500
    cowherd.wait_log("%s/edited.rb:1:in edited" % root)
    write(root, edited='def edited; "right again"; end\n')
    assert cowherd.request("/edited").text == "right again"
    assert cowherd.workers()[0]["pid"] == pid


def test_a_syntax_error_at_a_request(cowherd):
    cowherd.configure(workers=1)
    root = app(cowherd)
    write(root, lib__bad="x = 1\ny = )\n")
    cowherd.start()
    assert cowherd.request("/bad").status == 500
    cowherd.wait_log("%s/lib/bad.rb:2:5: syntax error, unexpected ')'" % root)
    cowherd.wait_log("%s/config.ru:" % root, "in require_relative")
    write(root, lib__bad="BAD = 1\n[200, {}, []]\n")
    cowherd.request("/bad")
    assert cowherd.request("/features").text.split("\n")[-1] == root + "/lib/bad.rb", "tried anew, and loaded"


def test_a_syntax_error_in_a_required_file_fails_the_generation(cowherd):
    cowherd.configure(workers=1)
    root = app(cowherd)
    cowherd.start()
    write(root, lib__local="module Local\n  NAME = ]\nend\n")
    reload = cowherd.reload()
    assert reload.returncode == 1
    assert "%s/lib/local.rb:2:8: syntax error, unexpected ']'" % root in reload.stderr
    assert "  %s/config.ru:2:in require_relative\n" % root in reload.stderr
    assert cowherd.request("/names").text.startswith("local\n"), "the old generation goes on"


def test_preloaded_files_are_features_of_every_app_and_worker(cowherd):
    common = cowherd.write("common.rb", "$loads = ($loads || 0) + 1\n")
    link = Path(common).with_name("link.rb")
    link.symlink_to(common)
    cowherd.configure(workers=2, preload=[str(common), str(link)])
    source = 'require "%s"\nrequire "%s"\nrun ->(env) { [200, {}, [[require("%s"), $loads].inspect]] }\n'
    source %= (common, link, str(common)[: -len(".rb")])
    cowherd.app(source, host="one.test")
    cowherd.app(source, host="two.test", interpreter="shared")
    cowherd.app(source, host="three.test", interpreter="shared")
    cowherd.start()
    for host in ("one.test", "two.test", "three.test") * 4:
        assert cowherd.request("/", host=host).text == "[false, 1]"


def test_apps_of_one_interpreter_share_features(cowherd):
    once = cowherd.write("once.rb", "$once = ($once || 0) + 1\n")
    source = 'FIRST ||= []\nFIRST << require("%s")\nrun ->(env) { [200, {}, [[FIRST, $once].inspect]] }\n' % once
    source = source.replace("FIRST ||= []", "FIRST = [] unless Object.const_defined?(:FIRST)")
    cowherd.configure(workers=1)
    cowherd.app(source, host="one.test", interpreter="shared")
    cowherd.app(source, host="two.test", interpreter="shared")
    cowherd.app(source, host="alone.test")
    cowherd.start()
    assert cowherd.request("/", host="one.test").text == "[[true, false], 1]"
    assert cowherd.request("/", host="two.test").text == "[[true, false], 1]"
    assert cowherd.request("/", host="alone.test").text == "[[true], 1]"
