def file_test(name)
  assert("File: #{name}") do
    Dir.mktmpdir('cowherd-test') { |folder| yield folder }
  end
end

file_test('stat') do |folder|
  path = "#{folder}/a"
  File.write(path, 'twelve bytes')
  File.chmod(0640, path)
  status = File.stat(path)
  assert_equal 12, status.size
  assert_equal 12, status.size?
  assert_equal 0100640, status.mode
  assert_true status.file?
  assert_false status.directory?
  assert_false status.symlink?
  assert_false status.zero?
  assert_equal 'file', status.ftype
  assert_equal 1, status.nlink
  assert_equal Process.euid, status.uid
  assert_true status.owned?
  assert_true status.readable?
  assert_nil status.world_readable?
  assert_equal Time, status.mtime.class
  assert_equal status.ino, status.dup.ino
  assert_equal status.ino, File.open(path) { |file| file.stat.ino }
  assert_true File::Stat.new(folder).directory?
  assert_equal 'directory', File.ftype(folder)
  assert_raise(TypeError) { File::Stat.allocate.size } if File::Stat.respond_to?(:allocate)
end

file_test('errors say which file') do |folder|
  error = assert_raise(Errno::ENOENT) { File.stat("#{folder}/none") }
  assert_equal "No such file or directory - #{folder}/none", error.message
  assert_equal Errno::ENOENT::Errno, error.errno
  File.write("#{folder}/a", '')
  assert_raise(Errno::ENOTDIR) { File.stat("#{folder}/a/b") }
  assert_raise(Errno::ENOENT) { File.mtime("#{folder}/none") }
  assert_raise(Errno::EEXIST) { Dir.mkdir(folder) }
  assert_raise(ArgumentError) { File.stat("a\0b") }
  assert_raise(TypeError) { File.stat(1) }
  assert_raise(Errno::ENOTEMPTY) { Dir.rmdir(folder) }
end

file_test('times') do |folder|
  path = "#{folder}/a"
  File.write(path, '')
  assert_equal 1, File.utime(Time.at(1000), Time.at(2000.5), path)
  assert_equal 1000, File.atime(path).to_i
  assert_equal 2000, File.mtime(path).to_i
  assert_equal 500_000, File.mtime(path).usec
  File.write("#{folder}/b", '')
  assert_true File.stat(path) < File.stat("#{folder}/b")
end

file_test('links') do |folder|
  File.write("#{folder}/a", 'a')
  File.symlink('a', "#{folder}/soft")
  File.link("#{folder}/a", "#{folder}/hard")
  assert_true File.lstat("#{folder}/soft").symlink?
  assert_true File.stat("#{folder}/soft").file?
  assert_true File.symlink?("#{folder}/soft")
  assert_equal 'link', File.ftype("#{folder}/soft")
  assert_equal 'a', File.readlink("#{folder}/soft")
  assert_equal 2, File.stat("#{folder}/a").nlink
  assert_true File.identical?("#{folder}/a", "#{folder}/hard")
  assert_false File.identical?("#{folder}/a", folder)
  assert_raise(Errno::EEXIST) { File.link("#{folder}/a", "#{folder}/hard") }
end

file_test('questions') do |folder|
  path = "#{folder}/a"
  assert_false File.exist?(path)
  assert_false File.readable?(path)
  assert_false File.owned?(path)
  assert_nil File.world_readable?(path)
  File.write(path, '')
  File.chmod(0604, path)
  assert_true File.readable?(path)
  assert_true File.writable?(path)
  assert_false File.executable?(path)
  assert_true File.executable?(folder)
  assert_equal 0604, File.world_readable?(path)
  assert_nil File.world_writable?(path)
  assert_true File.owned?(path)
  assert_true File.empty?(path)
  assert_true File.chardev?('/dev/null')
  File.mkfifo("#{folder}/fifo")
  assert_true File.stat("#{folder}/fifo").pipe?
end

file_test('write, readlines, truncate, rename') do |folder|
  path = "#{folder}/a"
  assert_equal 8, File.write(path, "one\ntwo\n")
  assert_equal %W[one\n two\n], File.readlines(path)
  assert_equal %w[one two], IO.readlines(path, chomp: true)
  File.write(path, 'ONE', 0)
  assert_equal "ONE\ntwo\n", File.read(path)
  File.write(path, 'three', mode: 'a')
  assert_equal "ONE\ntwo\nthree", File.read(path)
  File.truncate(path, 3)
  assert_equal 'ONE', File.read(path)
  File.rename(path, "#{folder}/b")
  assert_false File.exist?(path)
  assert_equal 1, File.unlink("#{folder}/b")
  assert_raise(Errno::ENOENT) { File.unlink("#{folder}/b") }
end

assert('File: names') do
  assert_equal ['/a/b', 'c'], File.split('/a/b/c')
  assert_equal ['b.rb', 'b', 'b', 'a.tar', 'b.rb', '日本'],
               [File.basename('/a/b.rb'), File.basename('/a/b.rb', '.rb'), File.basename('/a/b.rb/', '.*'),
                File.basename('a.tar.gz', '.*'), File.basename('b.rb', '.txt'), File.basename('日本.md', '.md')]
  assert_equal ['.bashrc', '..a', 'b.rb', 'a.'],
               [File.basename('.bashrc', '.*'), File.basename('..a', '.*'), File.basename('b.rb', 'b.rb'), File.basename('a.rb', 'rb')]
  assert_true File.absolute_path?('/a')
  assert_false File.absolute_path?('~/a')
  assert_equal '/x/~a', File.absolute_path('~a', '/x')
  assert_true File.fnmatch('*.rb', 'a.rb')
  assert_true File.fnmatch('*', 'a/b')
  assert_false File.fnmatch('*', 'a/b', File::FNM_PATHNAME)
  assert_false File.fnmatch('*', '.a')
  assert_true File.fnmatch('*', '.a', File::FNM_DOTMATCH)
  assert_true File.fnmatch?('**/c', 'a/b/c', File::FNM_PATHNAME)
  assert_false File.fnmatch?('**/c', 'a/.b/c', File::FNM_PATHNAME)
  assert_true File.fnmatch('A.RB', 'a.rb', File::FNM_CASEFOLD)
  assert_false File.fnmatch('{a,b}', 'a')
  assert_true File.fnmatch('{a,b}', 'a', File::FNM_EXTGLOB)
end
