class IO
  class << self
    def write(path, string, offset = nil, mode: nil, perm: 0666)
      mode ||= offset ? File::WRONLY | File::CREAT : 'w'
      File.open(path, mode, perm) do |file|
        file.seek(offset) if offset
        file.write(string)
      end
    end

    def readlines(path, chomp: false)
      lines = []
      File.open(path) { |file| file.each { |line| lines << (chomp ? line.chomp : line) } }
      lines
    end

    alias binwrite write
    alias binread read
  end
end

class File
  class Stat
    include Comparable

    def <=>(other)
      other.is_a?(Stat) ? mtime <=> other.mtime : nil
    end

    def grpowned?
      gid == Process.egid
    end

    def inspect
      "#<File::Stat size=#{size}, mode=0#{mode.to_s(8)}, mtime=#{mtime.inspect}>"
    end
  end

  class << self
    alias empty? zero?
    alias _basename basename

    def atime(path)
      stat(path).atime
    end

    def mtime(path)
      stat(path).mtime
    end

    def ctime(path)
      stat(path).ctime
    end

    def ftype(path)
      lstat(path).ftype
    end

    # A question about a file that isn't there has the answer nil.
    def _ask(path, default = false)
      yield stat(path)
    rescue SystemCallError
      default
    end

    def owned?(path)
      _ask(path) { |status| status.owned? }
    end

    def grpowned?(path)
      _ask(path) { |status| status.grpowned? }
    end

    def chardev?(path)
      _ask(path) { |status| status.chardev? }
    end

    def blockdev?(path)
      _ask(path) { |status| status.blockdev? }
    end

    def setuid?(path)
      _ask(path) { |status| status.setuid? }
    end

    def setgid?(path)
      _ask(path) { |status| status.setgid? }
    end

    def sticky?(path)
      _ask(path) { |status| status.sticky? }
    end

    def world_readable?(path)
      _ask(path, nil) { |status| status.world_readable? }
    end

    def world_writable?(path)
      _ask(path, nil) { |status| status.world_writable? }
    end

    def identical?(one, other)
      _ask(one) { |first| _ask(other) { |second| first.ino == second.ino && first.dev == second.dev } }
    end

    def basename(path, suffix = '')
      name = _basename(path)
      if suffix == '.*'
        dot = name.rindex('.')
        dot && !name[0, dot].delete('.').empty? ? name[0, dot] : name
      elsif suffix.empty? || name == suffix || !name.end_with?(suffix)
        name
      else
        name.byteslice(0, name.bytesize - suffix.bytesize)
      end
    end

    def split(path)
      [dirname(path), basename(path)]
    end

    def absolute_path?(path)
      path.start_with?('/')
    end

    # As expand_path, with a leading ~ left alone.
    def absolute_path(path, directory = Dir.getwd)
      path.start_with?('~') ? expand_path("./#{path}", directory) : expand_path(path, directory)
    end

    def fnmatch(pattern, path, flags = 0)
      Dir._alternatives(pattern, flags & FNM_EXTGLOB != 0).any? do |one|
        if flags & FNM_PATHNAME != 0
          Dir._match_parts(one.split('/', -1), path.split('/', -1), flags)
        else
          _match_name(one, path, _system_flags(flags))
        end
      end
    end
    alias fnmatch? fnmatch

    # FNM_DOTMATCH is libc's FNM_PERIOD, the other way round.
    def _system_flags(flags)
      (flags ^ FNM_DOTMATCH) & (FNM_NOESCAPE | FNM_PATHNAME | FNM_DOTMATCH | FNM_CASEFOLD)
    end
  end

  module Constants
    FNM_EXTGLOB = 0x10000
  end
  FNM_EXTGLOB = Constants::FNM_EXTGLOB

  def lstat
    File.lstat(path)
  end
end
