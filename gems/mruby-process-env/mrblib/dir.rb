class Dir
  class << self
    def children(path)
      entries(path).reject { |name| name == '.' || name == '..' }
    end

    def each_child(path, &block)
      return to_enum(:each_child, path) unless block
      children(path).each(&block)
      nil
    end

    def home
      File.expand_path('~')
    end

    def tmpdir
      folder = ENV['TMPDIR']
      folder && File.directory?(folder) && File.writable?(folder) ? folder : '/tmp'
    end

    # With a block the folder goes, with all that is in it, when the block has ended.
    def mktmpdir(prefix = 'd', directory = nil)
      prefix, suffix = prefix if prefix.is_a?(Array)
      prefix, suffix = [[prefix || 'd', 'prefix'], [suffix || '', 'suffix']].map do |part, name|
        raise ArgumentError, "unexpected #{name}: #{part.inspect}" unless part.is_a?(String)
        part.split('/').join
      end
      path = _make_temporary(File.join(directory || tmpdir, prefix), suffix)
      return path unless block_given?
      begin
        yield path
      ensure
        _remove(path) if File.directory?(path)
      end
    end

    def glob(patterns, flags = 0, base: nil, sort: true, &block)
      found = []
      [patterns].flatten.each do |pattern|
        raise ArgumentError, 'nul-separated glob pattern is deprecated' if pattern.include?("\0")
        _alternatives(pattern, true).each { |one| _glob_one(one, flags, base, found) }
      end
      return found unless block
      found.each(&block)
      nil
    end

    def [](*patterns, **options)
      glob(patterns, 0, **options)
    end

    # a{b,c{d,e}} is ab, acd, ace.
    def _alternatives(pattern, expand)
      open = expand ? _find_open(pattern) : nil
      return [pattern] unless open
      parts = _alternative_parts(pattern, open)
      return [pattern] unless parts
      rest = parts.pop
      parts.map { |part| _alternatives(pattern.byteslice(0, open) + part + rest, true) }.flatten
    end

    def _find_open(pattern)
      at = 0
      while at < pattern.bytesize
        case pattern.getbyte(at)
        when 0x5c then at += 1 # a backslash
        when 0x7b then return at
        end
        at += 1
      end
      nil
    end

    # What stands between the braces, and last what follows them. nil: they aren't closed.
    def _alternative_parts(pattern, open)
      parts = []
      depth = 0
      start = at = open + 1
      while at < pattern.bytesize
        case pattern.getbyte(at)
        when 0x5c then at += 1
        when 0x7b then depth += 1
        when 0x2c
          if depth == 0
            parts << pattern.byteslice(start, at - start)
            start = at + 1
          end
        when 0x7d
          if depth == 0
            parts << pattern.byteslice(start, at - start)
            return parts << pattern.byteslice(at + 1, pattern.bytesize)
          end
          depth -= 1
        end
        at += 1
      end
      nil
    end

    def _match_parts(pattern, path, flags)
      return path.empty? if pattern.empty?
      if pattern[0] == '**' && pattern.size > 1
        return true if _match_parts(pattern[1..-1], path, flags)
        return false if path.empty? || (path[0].start_with?('.') && flags & File::FNM_DOTMATCH == 0)
        return _match_parts(pattern, path[1..-1], flags)
      end
      !path.empty? && File._match_name(pattern[0], path[0], File._system_flags(flags)) &&
        _match_parts(pattern[1..-1], path[1..-1], flags)
    end

    def _glob_one(pattern, flags, base, found)
      return if pattern.empty?
      only_directories = pattern.end_with?('/')
      parts = pattern.split('/').reject { |part| part.empty? }
      before = pattern.start_with?('/') ? '/' : ''
      return found << before if parts.empty?
      _glob_parts(parts, before, flags, base, only_directories, found)
    end

    def _at(base, path)
      return path.empty? ? '.' : path if base.nil? || path.start_with?('/')
      path.empty? ? base : File.join(base, path)
    end

    def _glob_parts(parts, before, flags, base, only_directories, found)
      part = parts[0]
      if part == '**' && parts.size > 1
        rest = parts[1..-1]
        rest = rest[1..-1] while rest[0] == '**' && rest.size > 1
        return _glob_below(rest, before, flags, base, only_directories, found)
      end
      _names(part, _at(base, before), flags).each do |name|
        path = before + name
        if parts.size > 1
          next unless File.directory?(_at(base, path))
          _glob_parts(parts[1..-1], path + '/', flags, base, only_directories, found)
        elsif !only_directories
          found << path
        elsif File.directory?(_at(base, path))
          found << path + '/'
        end
      end
    end

    # Links to folders are not followed, so that circles end.
    def _glob_below(rest, before, flags, base, only_directories, found)
      _glob_parts(rest, before, flags, base, only_directories, found)
      _names('*', _at(base, before), flags).each do |name|
        next if name == '.'
        path = _at(base, before + name)
        next if File.symlink?(path) || !File.directory?(path)
        _glob_below(rest, before + name + '/', flags, base, only_directories, found)
      end
    end

    # Of the folder, those that match. A part without wildcards is looked up, in a folder that can't be read, too.
    def _names(part, folder, flags)
      unless ['*', '?', '[', '\\'].any? { |special| part.include?(special) }
        path = File.join(folder, part)
        return File.exist?(path) || File.symlink?(path) ? [part] : []
      end
      entries(folder).select do |name|
        next false if name == '..' || (name == '.' && (flags & File::FNM_DOTMATCH == 0 || part != '*'))
        File._match_name(part, name, File._system_flags(flags))
      end.sort
    rescue SystemCallError
      []
    end

    def _remove(path)
      unless File.symlink?(path) || !File.directory?(path)
        children(path).each { |name| _remove(File.join(path, name)) }
        return delete(path)
      end
      File.unlink(path)
    end
  end

  attr_reader :path
  alias to_path path
  alias _core_initialize initialize

  def initialize(path)
    _core_initialize(path)
    @path = path
  end

  def children
    rewind
    names = []
    each { |name| names << name unless name == '.' || name == '..' }
    names
  end

  def each_child(&block)
    return to_enum(:each_child) unless block
    children.each(&block)
    self
  end

  def inspect
    "#<#{self.class}:#{@path}>"
  end
end
