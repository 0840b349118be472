module RequireTest
  # Runs the block in an empty directory that is given to it and gone afterwards.
  def self.directory
    before = File.expand_path('.')
    directory = mktmpdir
    features = $LOADED_FEATURES.dup
    chdir(directory)
    yield directory
  ensure
    chdir(before)
    rm_r(directory)
    $LOAD_PATH.clear
    $LOADED_FEATURES.replace(features)
    $seen = nil
  end

  def self.write(path, text)
    File.open(path, 'w') { |file| file.write(text) }
  end

  def self.raised
    yield
    nil
  rescue Exception => error
    error
  end
end

assert('require finds a file in $LOAD_PATH, once') do
  RequireTest.directory do |dir|
    RequireTest.mkdir('first')
    RequireTest.mkdir('second')
    RequireTest.write('second/thing.rb', '($seen ||= []) << __FILE__')
    $LOAD_PATH << "#{dir}/first" << 'second'
    assert_true require('thing')
    assert_false require('thing')
    assert_false require('thing.rb')
    assert_false require("#{dir}/second/thing")
    assert_false require('./second/thing')
    assert_false require('./first/../second/thing.rb')
    assert_equal ["#{dir}/second/thing.rb"], $seen
    assert_equal "#{dir}/second/thing.rb", $LOADED_FEATURES.last

    RequireTest.write('first/thing.rb', '$seen << :first')
    assert_true require('thing')
    assert_equal :first, $seen.last
  end
end

assert('require takes only .rb for a suffix') do
  RequireTest.directory do
    RequireTest.write('a.b.rb', '$seen = 1')
    RequireTest.write('plain', '')
    assert_true require('./a.b')
    assert_raise(LoadError) { require './plain' }
    assert_raise(LoadError) { require 'a.b' }
  end
end

assert('require runs one file once, whatever name it has') do
  RequireTest.directory do |dir|
    RequireTest.mkdir('real')
    RequireTest.write('real/x.rb', '($seen ||= []) << [__FILE__, __dir__]')
    File.symlink('real', 'link')
    File.symlink('real/x.rb', 'y.rb')
    assert_true require('./link/x')
    assert_false require('./real/x')
    assert_false require('./y')
    assert_equal [["#{dir}/real/x.rb", "#{dir}/real"]], $seen
  end
end

assert('what a link meant when it was loaded goes on') do
  RequireTest.directory do |dir|
    %w[one two].each do |name|
      RequireTest.mkdir(name)
      RequireTest.write("#{name}/main.rb", "def later; require_relative 'part'; [__dir__, $seen]; end")
      RequireTest.write("#{name}/part.rb", "$seen = :#{name}")
    end
    File.symlink('one', 'current')
    require './current/main'
    File.unlink('current')
    File.symlink('two', 'current')
    assert_equal ["#{dir}/one", :one], later
  end
end

assert('a feature counts when its file is gone') do
  RequireTest.directory do |dir|
    RequireTest.write('a.rb', '')
    $LOAD_PATH << '.'
    require 'a'
    File.unlink('a.rb')
    assert_false require('a')
    assert_false require('./a')
    $LOADED_FEATURES.delete("#{dir}/a.rb")
    assert_raise(LoadError) { require 'a' }
  end
end

assert('a feature that was taken from $LOADED_FEATURES is loaded anew') do
  RequireTest.directory do
    RequireTest.write('a.rb', '$seen = ($seen || 0) + 1')
    require './a'
    $".pop
    assert_true require('./a')
    assert_equal 2, $seen
  end
end

assert('a feature by name alone') do
  $LOADED_FEATURES << 'made_up.rb'
  assert_false require('made_up')
  assert_false require('made_up.rb')
  $LOADED_FEATURES.pop
  assert_raise(LoadError) { require 'made_up' }
end

assert('the standard library that is built in') do
  assert_false require('fiber')
  assert_raise(LoadError) { require 'json' }
  { 'base64' => :Base64, 'openssl' => :OpenSSL, 'digest/sha2' => :Digest }.each do |name, made|
    assert_raise(LoadError, name) { require name }
    Object.const_set(made, Module.new)
    assert_false require(name), name
    Object.__send__(:remove_const, made)
  end
  RequireTest.directory do
    RequireTest.write('fiber.rb', '$seen = 1')
    $LOAD_PATH << '.'
    assert_true require('fiber')
  end
end

assert('a circle of requires ends') do
  RequireTest.directory do
    RequireTest.write('a.rb', '$seen = [:a]; $seen << require("./b"); $seen << :a_ends')
    RequireTest.write('b.rb', '$seen << :b; $seen << require("./a"); $seen << :b_ends')
    assert_true require('./a')
    assert_equal [:a, :b, false, :b_ends, true, :a_ends], $seen
  end
end

assert('what raises is forgotten and tried anew') do
  RequireTest.directory do |dir|
    RequireTest.write('good.rb', '')
    RequireTest.write('a.rb', 'require "./good"; $seen = ($seen || 0) + 1; raise "no" if $seen < 3; exit if $seen < 4')
    assert_equal 'no', RequireTest.raised { require './a' }.message
    assert_equal 'no', RequireTest.raised { require './a' }.message
    assert_equal SystemExit, RequireTest.raised { require './a' }.class
    assert_equal ["#{dir}/good.rb"], $LOADED_FEATURES[-1, 1]
    assert_true require('./a')
    assert_false require('./a')
  end
end

assert('require_relative goes by the file that calls it') do
  RequireTest.directory do |dir|
    RequireTest.mkdir('lib')
    RequireTest.mkdir('lib/part')
    RequireTest.write('lib/main.rb', <<~'RUBY')
      $seen = [__dir__]
      require_relative 'part/one'
      def relative(name) = require_relative(name)
      %w[part/two ./three ../four].each { |name| relative(name) }
      $seen << require_relative('part/one.rb')
      send(:require_relative, 'five')
    RUBY
    %w[lib/part/one lib/part/two lib/three four lib/five].each do |name|
      RequireTest.write("#{name}.rb", "$seen << __FILE__")
    end
    require './lib/main'
    assert_equal %w[lib lib/part/one.rb lib/part/two.rb lib/three.rb four.rb].map { |name| "#{dir}/#{name}" } +
                 [false, "#{dir}/lib/five.rb"], $seen
  end
end

assert('LoadError and its path') do
  RequireTest.directory do |dir|
    error = RequireTest.raised { require 'no/such' }
    assert_equal [LoadError, 'cannot load such file -- no/such', 'no/such'], [error.class, error.message, error.path]
    assert_true LoadError.ancestors.include?(ScriptError)
    assert_false LoadError.ancestors.include?(StandardError)
    error = RequireTest.raised { load './no' }
    assert_equal ['cannot load such file -- ./no', './no'], [error.message, error.path]
    RequireTest.write('r.rb', "require_relative '../x/../y'")
    error = RequireTest.raised { load 'r.rb' }
    parent = dir[0, dir.rindex('/')]
    assert_equal ["cannot load such file -- #{parent}/y", "#{parent}/y"], [error.message, error.path]
    error = RequireTest.raised { load dir }
    assert_equal "cannot load such file -- #{dir} (Is a directory)", error.message
    RequireTest.write('secret.rb', '')
    RequireTest.chmod('secret.rb', 0)
    error = RequireTest.raised { require './secret' }
    assert_equal 'cannot load such file -- ./secret (Permission denied)', error.message unless RequireTest.root?
  end
end

assert('arguments of require and load') do
  assert_raise(TypeError) { require 1 }
  assert_raise(TypeError) { load nil }
  assert_raise(ArgumentError) { require "a\0b" }
  assert_raise(ArgumentError) { require }
  assert_raise(LoadError) { require '' }
  RequireTest.directory do
    path = Object.new
    def path.to_path = './a'
    RequireTest.write('a.rb', '')
    assert_true require(path)
    $LOAD_PATH << 1
    assert_raise(TypeError) { require 'b' }
    $LOAD_PATH[0] = "a\0"
    assert_raise(ArgumentError) { require 'b' }
  end
end

assert('$LOAD_PATH and $LOADED_FEATURES have two names and are read-only') do
  assert_same $LOAD_PATH, $:
  assert_same $LOADED_FEATURES, $"
  before = $LOAD_PATH
  $LOAD_PATH = ['lib']
  error = RequireTest.raised { require 'a' }
  $LOAD_PATH = before
  assert_equal [NameError, '$LOAD_PATH is a read-only variable: change the array that it holds'],
               [error.class, error.message]
  assert_raise(LoadError) { require 'a' }
  assert_equal [], Kernel.instance_variables
end

assert('SyntaxError names every error of the file') do
  RequireTest.directory do |dir|
    RequireTest.write('bad.rb', "x = 1\ny = )\nz = 2\nclass foo\nend\n")
    [-> { require './bad' }, -> { load 'bad.rb' }, -> { RequireTest.check_file("#{dir}/bad.rb") }].each do |try|
      error = RequireTest.raised(&try)
      assert_equal SyntaxError, error.class
      lines = error.message.split("\n")
      assert_equal "#{dir}/bad.rb:2:5: syntax error, unexpected ')'", lines[0]
      assert_equal "#{dir}/bad.rb:3:0: class/module name must be CONSTANT", lines[1]
      assert_equal "#{dir}/bad.rb", error.path
    end
    RequireTest.write('bad.rb', '$seen = 1')
    RequireTest.check_file('bad.rb')
    assert_nil $seen
    assert_true require('./bad')
  end
end

assert('the top level of a file') do
  RequireTest.directory do |dir|
    RequireTest.write('a.rb', <<~'RUBY')
      leak = 1 if false
      $seen = [leak, self.to_s, __FILE__, __LINE__, __method__]
      leak = 2
      RequireTestConstant = 5
      def require_test_method = RequireTestConstant
      return
      raise 'unreached'
    RUBY
    caller_local = 7
    assert_true load('a.rb')
    assert_equal [nil, 'main', "#{dir}/a.rb", 2, nil], $seen
    assert_raise(NameError) { leak }
    assert_equal [5, 5, 7], [Object::RequireTestConstant, 1.require_test_method, caller_local]
    Object.remove_const(:RequireTestConstant)
    Object.undef_method(:require_test_method)
    RequireTest.write('b.rb', "\xef\xbb\xbf$seen = caller_local rescue $seen = :none")
    load 'b.rb'
    assert_equal :none, $seen
    RequireTest.write('b.rb', '')
    assert_true load('b.rb')
  end
end

assert('load runs the file each time and looks in $LOAD_PATH first') do
  RequireTest.directory do
    RequireTest.mkdir('lib')
    RequireTest.write('a.ru', '$seen = :here')
    assert_true load('a.ru')
    assert_equal :here, $seen
    RequireTest.write('lib/a.ru', '$seen = :lib')
    $LOAD_PATH << 'lib'
    load 'a.ru'
    assert_equal :lib, $seen
    load './a.ru'
    assert_equal :here, $seen
    RequireTest.write('a.ru', '$seen = :edited')
    Kernel.load './a.ru'
    assert_equal :edited, $seen
  end
end

assert('load with a module around it') do
  RequireTest.directory do
    RequireTest.write('w.rb', 'WRAPPED = 5; def wrapped = WRAPPED + 1; $seen = [wrapped, to_s]')
    assert_true load('w.rb', true)
    assert_equal [6, 'main'], $seen
    assert_false Object.const_defined?(:WRAPPED)
    assert_raise(NoMethodError) { wrapped }
    around = Module.new
    load('w.rb', around)
    assert_equal 5, around::WRAPPED
    assert_equal [:wrapped], around.instance_methods(false)
  end
end

assert('backtraces through required files') do
  RequireTest.directory do |dir|
    RequireTest.write('a.rb', "def require_test_boom\n  raise 'boom'\nend\nrequire_test_boom\n")
    RequireTest.write('b.rb', "\nrequire_relative 'a'\n")
    lines = RequireTest.raised { load 'b.rb' }.backtrace
    assert_equal ["#{dir}/a.rb:2:in require_test_boom", "#{dir}/a.rb:4", "#{dir}/b.rb:2:in require_relative",
                  "#{dir}/b.rb:2"], lines[0, 4]
  end
end

assert('a file that loads itself without end') do
  RequireTest.directory do
    RequireTest.write('a.rb', 'load "./a.rb"')
    assert_equal SystemStackError, RequireTest.raised { load 'a.rb' }.class
    RequireTest.write('a.rb', '$seen = 1')
    assert_true load('a.rb')
  end
end

assert('require within a fiber') do
  RequireTest.directory do
    RequireTest.write('a.rb', 'Fiber.new { raise "inner" }.resume')
    RequireTest.write('b.rb', '$seen = Fiber.new { Fiber.yield 3; 4 }; $seen = [$seen.resume, $seen.resume]')
    fiber = Fiber.new do
      Fiber.yield RequireTest.raised { require './a' }.message
      require './b'
    end
    assert_equal ['inner', true], [fiber.resume, fiber.resume]
    assert_equal [3, 4], $seen
  end
end

assert('mrb_require_load and mrb_require_file') do
  RequireTest.directory do |dir|
    RequireTest.write('a', '$seen = ($seen || 0) + 1; [to_s, to_s.size]')
    assert_equal ['it', 2], RequireTest.load_with_self('a', 'it')
    assert_true RequireTest.require_file('a')
    assert_false RequireTest.require_file("#{dir}/a")
    assert_equal 2, $seen
    assert_raise(LoadError) { RequireTest.require_file('b') }
    assert_raise(LoadError) { RequireTest.load_with_self('.', nil) }
    assert_raise(LoadError) { RequireTest.check_file('b') }
  end
end

REQUIRE_TEST_OFTEN = <<~'RUBY'
  class RequireTestOften
    def words(x) = [x, 'a text that is long enough to be allocated', :sym].map { |y| y.to_s }
    def fail = [1].each { raise 'often' }
  end
  often = RequireTestOften.new
  often.words(5)
  $seen = -> { often }
  often.fail
RUBY

assert('loading a file without end takes no memory') do
  RequireTest.directory do
    RequireTest.write('a.rb', REQUIRE_TEST_OFTEN)
    kept = []
    run = lambda do |count|
      count.times do |i|
        error = RequireTest.raised { load 'a.rb' }
        kept[i % 20] = error if i % 7 == 0
      end
      kept.clear
      GC.start
      RequireTest.allocated
    end
    before = run.call(2000)
    assert_true run.call(20_000) < before + 20_000
  end
end

assert('a backtrace outlives the code that it goes through') do
  RequireTest.directory do |dir|
    RequireTest.write('a.rb', REQUIRE_TEST_OFTEN)
    errors = Array.new(50) { RequireTest.raised { load 'a.rb' } }
    RequireTest.write('a.rb', 'class RequireTestOften; def words; end; def fail; end; end; $seen = nil')
    load 'a.rb'
    GC.start
    copies = errors.map(&:dup) + [errors[0].exception('other')]
    errors[10, 30] = nil
    GC.start
    RequireTest.write('b.rb', 'x = [' + '"some other text", ' * 500 + ']')
    load 'b.rb'
    (errors.reject(&:nil?) + copies).each do |error|
      lines = error.backtrace
      next if lines.nil? || lines.empty?
      assert_true lines.include?("#{dir}/a.rb:3:in fail")
      assert_equal "#{dir}/a.rb:8", lines[lines.index("#{dir}/a.rb:8")]
    end
    assert_false errors[0].backtrace.empty?
  end
end

assert('one piece of code in more backtraces than its references can be counted') do
  RequireTest.directory do
    RequireTest.write('a.rb', 'def require_test_raise = raise(IndexError)')
    load 'a.rb'
    errors = []
    70_000.times { begin; require_test_raise; rescue IndexError => error; errors << error; end }
    RequireTest.write('a.rb', 'def require_test_raise = nil')
    load 'a.rb'
    GC.start
    assert_equal [errors[0].backtrace[0]], [errors[69_999].backtrace[0]]
    assert_true errors[50_000].backtrace[0].end_with?('a.rb:1:in require_test_raise')
    errors = nil
    GC.start
  end
end
