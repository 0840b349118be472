"""A gem from outside this tree, in a build configuration of one's own and with an mruby tree of one's own: cowherd is
built with them into a folder of its own, and the gem answers requests."""

import shutil
import subprocess

from herd import BUILD, REPOSITORY, Herd

RAKE = """
MRuby::Gem::Specification.new('mruby-toy') do |spec|
  spec.license = 'MIT'
  spec.author = 'somebody else'
end
"""

IN_RUBY = """
module Toy
  def self.shout(text)
    "#{text.upcase}!"
  end
end
"""

IN_C = """
#include <mruby.h>

static mrb_value toy_twice(mrb_state *mrb, mrb_value self)
{
    mrb_int number;
    mrb_get_args(mrb, "i", &number);
    return mrb_fixnum_value(2 * number);
}

void mrb_mruby_toy_gem_init(mrb_state *mrb)
{
    struct RClass *toy = mrb_define_module(mrb, "Toy");
    mrb_define_module_function(mrb, toy, "twice", toy_twice, MRB_ARGS_REQ(1));
}

void mrb_mruby_toy_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
"""

APP = "run ->(env) { [200, {}, [Toy.shout(env['PATH_INFO']), ' ', Toy.twice(21).to_s]] }\n"


def manual_configuration():
    """The configuration that cowherd-rack(7) shows, which names its gem ../mruby-toy."""
    lines = (REPOSITORY / "packaging/man/cowherd-rack.7.in").read_text().split("\n")
    first = next(at for at, line in enumerate(lines) if line.startswith("load File.join(ENV.fetch('COWHERD_GEMS')"))
    return "\n".join(lines[first : lines.index(".Ed", first)]) + "\n"


def trimmed_configuration():
    """A copy of the project's own, without some gems and with the line for ../mruby-toy."""
    text = (REPOSITORY / "gems/build_config.rb").read_text()
    for gem in ("mruby-logger", "mruby-regexp"):
        assert text.count("    %s\n" % gem) == 1
        text = text.replace("    %s\n" % gem, "")
    last = "    OWN_GEMS.each"
    assert last in text
    return text.replace(last, "    conf.gem File.expand_path('../mruby-toy', __dir__)\n" + last)


HOME = BUILD / "third-party"  # kept: what is there already isn't built again


def write(name, text):
    path = HOME / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def make(configuration):
    """The program that is built with `configuration`."""
    write("mruby-toy/mrbgem.rake", RAKE)
    write("mruby-toy/mrblib/toy.rb", IN_RUBY)
    write("mruby-toy/src/toy.c", IN_C)
    if not (HOME / "mruby/Rakefile").exists():
        shutil.copytree(REPOSITORY / "build/mruby/src", HOME / "mruby", symlinks=True)
    path = write("mine/my_config.rb", configuration)
    names = ["B=%s" % (HOME / "build"), "MRUBY_SRC=%s" % (HOME / "mruby"), "MRUBY_CONFIG=%s" % path]
    subprocess.run(["make", "-C", REPOSITORY, "-j2", "all", *names], check=True, timeout=1200)
    return HOME / "build/cowherd"


def answer(app, program=None):
    herd = Herd()
    try:
        herd.program = program or herd.program
        herd.app(app)
        herd.start()
        return herd.request("/quiet").body
    finally:
        herd.finish()


def test_a_gem_from_outside_answers_requests():
    assert answer(APP, make(manual_configuration())) == b"/QUIET! 42"


def test_a_configuration_that_was_copied_and_trimmed_has_the_gem_and_not_the_others():
    app = APP.replace("to_s]]", "to_s, ' ', Object.const_defined?(:Regexp).to_s]]")
    assert answer(app, make(trimmed_configuration())) == b"/QUIET! 42 false"


def test_the_ordinary_build_has_no_such_gem():
    assert answer("run ->(env) { [200, {}, [Object.const_defined?(:Toy).to_s]] }\n") == b"false"
