# What can be said in terms of the methods in src/.
class StringIO
  include Enumerable

  def self.open(*arguments)
    io = new(*arguments)
    return io unless block_given?
    begin
      yield io
    ensure
      io.close
    end
  end

  def each(*arguments, chomp: false)
    unless block_given?
      return Enumerator.new { |lines| each(*arguments, chomp: chomp) { |line| lines << line } }
    end
    raise ArgumentError, 'invalid limit: 0 for each_line' if arguments.last == 0
    while (line = gets(*arguments, chomp: chomp))
      yield line
    end
    self
  end
  alias each_line each

  def readlines(*arguments, chomp: false)
    raise ArgumentError, 'invalid limit: 0 for readlines' if arguments.last == 0
    lines = []
    while (line = gets(*arguments, chomp: chomp))
      lines << line
    end
    lines
  end

  def each_char
    return to_enum(:each_char) unless block_given?
    while (character = getc)
      yield character
    end
    self
  end

  def each_byte
    return to_enum(:each_byte) unless block_given?
    while (byte = getbyte)
      yield byte
    end
    self
  end

  def readchar
    getc || raise(EOFError, 'end of file reached')
  end

  def readbyte
    getbyte || raise(EOFError, 'end of file reached')
  end

  def sysread(*arguments)
    read(*arguments) || raise(EOFError, 'end of file reached')
  end
  alias readpartial sysread

  def read_nonblock(length, buffer = nil, exception: true)
    read(length, buffer) || (exception ? raise(EOFError, 'end of file reached') : nil)
  end

  def write_nonblock(text, exception: true)
    write(text)
  end

  def syswrite(text)
    write(text)
  end

  def print(*objects)
    write(*objects)
    nil
  end

  def printf(format, *arguments)
    write(sprintf(format, *arguments))
    nil
  end

  def puts(*objects)
    write("\n") if objects.empty?
    objects.each { |object| _puts(object, []) }
    nil
  end

  # A line each; of an Array in itself, only that.
  def _puts(object, outer)
    unless object.is_a?(Array)
      line = object.to_s
      return write(line.end_with?("\n") ? line : "#{line}\n")
    end
    return write("[...]\n") if outer.any? { |array| array.equal?(object) }
    outer.push(object)
    object.each { |element| _puts(element, outer) }
    outer.pop
  end

  def binmode
    self
  end

  def flush
    self
  end

  def sync
    true
  end

  def sync=(value)
    value
  end

  def fsync
    0
  end

  def fileno
    nil
  end

  def pid
    nil
  end

  def tty?
    false
  end
  alias isatty tty?

  def inspect
    to_s
  end
end
