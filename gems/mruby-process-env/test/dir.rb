def dir_test(name)
  assert("Dir: #{name}") do
    Dir.mktmpdir('cowherd-test') do |folder|
      %w[a b .hidden b/c b/c/d b/.dot].each { |path| Dir.mkdir("#{folder}/#{path}") }
      %w[one.rb two.rb three.txt .secret.rb a/four.rb b/c/d/six.rb b/c/five.rb b/.dot/seven.rb .hidden/x.rb].each do |path|
        File.write("#{folder}/#{path}", path)
      end
      yield folder
    end
  end
end

dir_test('entries and children') do |folder|
  assert_equal %w[. .. four.rb], Dir.entries("#{folder}/a").sort
  assert_equal %w[four.rb], Dir.children("#{folder}/a")
  names = []
  assert_nil Dir.each_child("#{folder}/b") { |name| names << name }
  assert_equal %w[.dot c], names.sort
  assert_equal %w[.dot c], Dir.open("#{folder}/b") { |dir| dir.children.sort }
  assert_equal %w[.dot c], Dir.each_child("#{folder}/b").to_a.sort
  assert_equal "#{folder}/b", Dir.open("#{folder}/b") { |dir| dir.path }
  assert_raise(Errno::ENOENT) { Dir.children("#{folder}/none") }
end

dir_test('glob') do |folder|
  Dir.chdir(folder) do
    assert_equal %w[one.rb two.rb], Dir.glob('*.rb')
    assert_equal %w[one.rb three.txt two.rb], Dir.glob('[ot]*')
    assert_equal %w[.secret.rb one.rb two.rb], Dir.glob('*.rb', File::FNM_DOTMATCH)
    assert_equal %w[a/four.rb], Dir.glob('*/*.rb')
    assert_equal %w[a/four.rb b/c/d/six.rb b/c/five.rb one.rb two.rb], Dir.glob('**/*.rb').sort
    assert_equal %w[b/c/d/six.rb b/c/five.rb], Dir.glob('b/**/*.rb').sort
    assert_equal %w[a/ b/], Dir.glob('*/')
    assert_equal %w[two.rb one.rb three.txt], Dir.glob('{two,one}.rb') + Dir.glob('th*.{rb,txt}')
    assert_equal %w[one.rb two.rb a/four.rb], Dir['*.rb', 'a/*']
    assert_equal [], Dir.glob('none/*')
    assert_equal [], Dir.glob('')
    assert_equal %w[b/.dot/seven.rb], Dir.glob('b/.dot/*')
  end
  assert_equal ["#{folder}/a/four.rb"], Dir.glob("#{folder}/a/*")
  assert_equal %w[a/four.rb], Dir.glob('a/*', base: folder)
  found = []
  assert_nil Dir.glob("#{folder}/*.txt") { |path| found << path }
  assert_equal ["#{folder}/three.txt"], found
end

dir_test('glob does not follow links around in circles') do |folder|
  File.symlink(folder, "#{folder}/a/again")
  assert_equal 5, Dir.glob('**/*.rb', base: folder).size
end

dir_test('chdir') do |folder|
  before = Dir.pwd
  assert_equal 7, Dir.chdir(folder) { |path| assert_equal folder, path; 7 }
  assert_equal before, Dir.pwd
  assert_raise(RuntimeError) { Dir.chdir(folder) { raise 'out' } }
  assert_equal before, Dir.getwd
  assert_raise(Errno::ENOENT) { Dir.chdir("#{folder}/none") }
end

assert('Dir: mktmpdir') do
  kept = nil
  assert_equal 'value', Dir.mktmpdir { |folder|
    kept = folder
    Dir.mkdir("#{folder}/in")
    File.symlink('/', "#{folder}/root")
    assert_equal 0700, File.stat(folder).mode & 0777
    'value'
  }
  assert_false File.exist?(kept)
  path = Dir.mktmpdir('named')
  assert_true File.basename(path).start_with?('named')
  assert_true Dir.empty?(path)
  Dir.rmdir(path)
  assert_raise(Errno::ENOENT) { Dir.mktmpdir('x', '/nowhere/at/all') }
  names = [['a', 'z'], ['a', '.d'], ['a'], ['a/../b', 'c/d']].map { |parts| Dir.mktmpdir(parts) { |folder| folder } }
  [['a', 'z'], ['a', '.d'], ['a', ''], ['a..b', 'cd']].each_with_index do |(start, ending), index|
    name = File.basename(names[index])
    assert_true name.start_with?(start) && name.end_with?(ending), name
    assert_equal Dir.tmpdir, File.dirname(names[index])
  end
  assert_raise_with_message(ArgumentError, 'unexpected suffix: 5') { Dir.mktmpdir(['a', 5]) }
  assert_raise_with_message(ArgumentError, 'unexpected prefix: 5') { Dir.mktmpdir(5) }
end
