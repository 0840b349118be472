assert('StringIO: read') do
  io = StringIO.new('hello')
  assert_equal 'he', io.read(2)
  assert_equal 'llo', io.read
  assert_equal '', io.read
  assert_nil io.read(1)
  assert_equal '', io.read(0)
  io.rewind
  buffer = 'xxxxxx'
  assert_same buffer, io.read(3, buffer)
  assert_equal 'hel', buffer
  assert_equal 'lo', io.read(9, buffer)
  assert_nil io.read(9, buffer)
  assert_equal '', buffer
  assert_equal 'ell', io.pread(3, 1)
  assert_raise(EOFError) { io.pread(1, 5) }
  assert_raise(EOFError) { io.sysread(1) }
  assert_raise_with_message(ArgumentError, 'negative length -1 given') { io.read(-1) }
  assert_raise(TypeError) { io.read('x') }
end

assert('StringIO: bytes and characters') do
  io = StringIO.new("a\u3042\xffz")
  assert_equal "a\u3042", io.getc + io.getc
  assert_equal "\xff", io.getc
  assert_equal 'z', io.readchar
  assert_nil io.getc
  assert_raise_with_message(EOFError, 'end of file reached') { io.readchar }
  io.rewind
  assert_equal [0x61, 0xe3, 0x81, 0x82, 0xff, 0x7a], io.each_byte.to_a
  assert_nil io.getbyte
  assert_raise(EOFError) { io.readbyte }
  assert_equal ['a', "\u3042", "\xff", 'z'], StringIO.new(io.string).each_char.to_a
  assert_equal ["\xe3", "\x81"], StringIO.new("\xe3\x81").each_char.to_a
end

assert('StringIO: ungetc and ungetbyte') do
  io = StringIO.new("h\u00e9llo")
  assert_equal 'h', io.getc
  io.ungetc('zz')
  assert_equal "zz\u00e9llo", io.string
  assert_equal 0, io.pos
  io.ungetc(0x3042)
  assert_equal "\u3042zz", io.read(5)
  io = StringIO.new('abc')
  io.read(2)
  io.ungetbyte(0x158)
  assert_equal 'aXc', io.string
  assert_equal 'Xc', io.read
  io.ungetbyte('!')
  assert_equal 'aX!', io.string
  assert_nil io.ungetc(nil)
  io = StringIO.new('')
  io.pos = 2
  io.ungetc('x')
  assert_equal "\0x", io.string
end

assert('StringIO: gets') do
  io = StringIO.new("one\ntwo\r\nthree")
  assert_equal "one\n", io.gets
  assert_equal 1, io.lineno
  assert_equal 'two', io.gets(chomp: true)
  assert_equal 'three', io.gets
  assert_nil io.gets
  assert_equal 3, io.lineno
  assert_raise(EOFError) { io.readline }
  io.rewind
  assert_equal 0, io.lineno
  assert_equal 'one', io.gets('e')
  assert_equal "\ntw", io.gets('w', chomp: false)
  assert_equal "o\r\nth", io.gets('ree', chomp: true)
  io.rewind
  assert_equal "one\ntwo\r\nthree", io.gets(nil)
  assert_nil io.gets(nil)
end

assert('StringIO: gets with a limit cuts no character') do
  io = StringIO.new("h\u00e9llo")
  assert_equal "h\u00e9", io.gets(2)
  assert_equal '', io.gets(0)
  assert_equal 'l', io.gets('l', 3)
  assert_equal 'l', io.gets(nil, 1)
  assert_equal 'o', io.gets("\n", 9)
  assert_equal '', io.gets(0)
  assert_nil io.gets(1)
end

assert('StringIO: paragraphs') do
  io = StringIO.new("\n\none\ntwo\n\n\n\nthree\n")
  assert_equal "one\ntwo\n\n", io.gets('')
  assert_equal "three\n", io.gets('')
  assert_nil io.gets('')
  assert_equal ["a\n", "b\n"], StringIO.new("a\n\n\n\nb\n\n").each_line('', chomp: true).to_a
end

assert('StringIO: lines') do
  assert_equal %W[a\n b], StringIO.new("a\nb").readlines
  assert_equal %w[a b], StringIO.new("a\nb\n").each_line(chomp: true).to_a
  assert_equal %w[a, b, c], StringIO.new('a,b,c').each(',').to_a
  lines = []
  io = StringIO.new("a\nb\n")
  assert_same io, io.each_line { |line| lines << line }
  assert_equal %W[a\n b\n], lines
  assert_equal %W[A\n B], StringIO.new("a\nb").map { |line| line.upcase }
  assert_raise(ArgumentError) { StringIO.new('a').each_line(0) {} }
  assert_raise(ArgumentError) { StringIO.new('a').readlines(0) }
end

assert('StringIO: write') do
  io = StringIO.new
  assert_equal 4, io.write('a', 1, :b, nil, 'c')
  assert_same io, io << 'd' << 2
  assert_equal 'a1bcd2', io.string
  assert_nil io.print('e', 3)
  assert_nil io.printf('%03d', 7)
  assert_equal 65, io.putc(65)
  assert_equal "\u3042b", io.putc("\u3042b")
  assert_equal "a1bcd2e3007A\u3042", io.string
  io.pos = 1
  io.write('XY')
  assert_equal "aXYcd2e3007A\u3042", io.string
  io.pos = io.size + 2
  io.write('!')
  assert_equal "aXYcd2e3007A\u3042\0\0!", io.string
  io.string = 'self'
  io.write(io.string)
  io.write(io.string)
  assert_equal 'selfself', io.string
end

assert('StringIO: puts') do
  io = StringIO.new
  assert_nil io.puts
  io.puts('a', "b\n", nil, [1, [2, []]], [])
  assert_equal "\na\nb\n\n1\n2\n", io.string
  round = ['x']
  round << round
  io.reopen('')
  io.puts(round)
  assert_equal "x\n[...]\n", io.string
end

assert('StringIO: many small writes') do
  io = StringIO.new
  20_000.times { io << 'abcde' }
  assert_equal 100_000, io.size
  assert_equal 'abcde' * 20_000, io.string
end

assert('StringIO: modes') do
  text = 'abc'
  io = StringIO.new(text, 'a')
  io.write('d')
  io.rewind
  io.write('e')
  assert_equal 'abcde', text
  assert_raise_with_message(IOError, 'not opened for reading') { io.read }
  assert_equal '', StringIO.new('abc'.dup, 'w').string
  assert_equal '', StringIO.new('abc'.dup, File::RDWR | File::TRUNC).string
  assert_raise_with_message(IOError, 'not opened for writing') { StringIO.new('abc', 'r').write('x') }
  assert_raise_with_message(IOError, 'not opened for writing') { StringIO.new('abc'.freeze) << 'x' }
  assert_raise(Errno::EACCES) { StringIO.new('abc'.freeze, 'w') }
  assert_equal 'abc', StringIO.new('abc'.freeze, 'rb:utf-8').read
  assert_raise_with_message(ArgumentError, 'invalid access mode q') { StringIO.new('', 'q') }
  assert_raise(TypeError) { StringIO.new(1) }
  later = 'abc'
  io = StringIO.new(later)
  later.freeze
  assert_raise_with_message(IOError, 'not modifiable string') { io.write('x') }
end

assert('StringIO: positions') do
  io = StringIO.new('abcdef')
  assert_equal 0, io.seek(2)
  assert_equal 'c', io.getc
  io.seek(1, IO::SEEK_CUR)
  assert_equal 'e', io.getc
  io.seek(-1, IO::SEEK_END)
  assert_equal 'f', io.getc
  assert_true io.eof?
  io.seek(10)
  assert_true io.eof?
  assert_equal '', io.read
  assert_equal 10, io.tell
  assert_raise(Errno::EINVAL) { io.seek(-1) }
  assert_raise(Errno::EINVAL) { io.pos = -1 }
  assert_raise(Errno::EINVAL) { io.seek(0, 7) }
  assert_equal 10, io.pos
end

assert('StringIO: truncate') do
  io = StringIO.new('abcdef')
  assert_equal 0, io.truncate(2)
  assert_equal 'ab', io.string
  io.truncate(4)
  assert_equal "ab\0\0", io.string
  assert_raise(Errno::EINVAL) { io.truncate(-1) }
end

assert('StringIO: close') do
  io = StringIO.new('abc')
  assert_false io.closed?
  io.close_write
  assert_true io.closed_write?
  assert_equal 'abc', io.read
  assert_raise(IOError) { io.write('x') }
  assert_nil io.close_write
  assert_nil io.close_read
  assert_nil io.close_read
  assert_nil io.close_write
  assert_true io.closed?
  assert_nil io.close
  assert_raise_with_message(IOError, 'closing non-duplex IO for writing') { StringIO.new('abc', 'r').close_write }
  assert_raise_with_message(IOError, 'closing non-duplex IO for reading') { StringIO.new(+'abc', 'w').close_read }
  [:read, :getc, :gets, :readline, :each_line, :eof?].each do |name|
    assert_raise(IOError) { io.__send__(name) {} }
  end
  assert_raise(IOError) { io.seek(0) }
  assert_equal 'abc', io.string
  assert_equal 3, StringIO.open('abc') { |opened| io = opened; opened.read.size }
  assert_true io.closed?
end

assert('StringIO: reopen and string=') do
  io = StringIO.new("one\n")
  io.gets
  assert_same io, io.reopen('two', 'r')
  assert_equal 'two', io.read
  assert_equal 0, io.lineno
  assert_raise(IOError) { io.write('x') }
  io.string = 'three'
  assert_equal 'three', io.read
  io.write('!')
  assert_equal 'three!', io.string
  other = StringIO.new('four')
  other.getc
  assert_equal 'our', io.reopen(other).read
end

assert('StringIO: copies have a position of their own') do
  io = StringIO.new('abc')
  io.getc
  copy = io.dup
  assert_equal 'bc', copy.read
  assert_equal 'bc', io.read
end

assert('StringIO: what it has of an IO') do
  io = StringIO.new
  assert_same io, io.binmode
  assert_same io, io.flush
  assert_true io.sync
  assert_false (io.sync = false)
  assert_equal 0, io.fsync
  assert_nil io.fileno
  assert_false io.tty?
  $stdout, before = io, $stdout
  begin
    $stdout.puts 'caught'
  ensure
    $stdout = before
  end
  assert_equal "caught\n", io.string
end

assert('StringIO: an object that is half made') do
  broken = Class.new(StringIO) { def initialize; end }.new
  assert_raise(IOError) { broken.read }
  assert_raise(IOError) { broken << 'x' }
  assert_raise(IOError) { broken.dup }
end
