class String
  alias __plain_partition partition
  alias __plain_rpartition rpartition
  alias __plain_slice! slice!

  def =~(pattern)
    raise TypeError, "type mismatch: String given" if pattern.is_a?(String)

    pattern =~ self
  end

  def match(pattern, *position, &block)
    (pattern.is_a?(Regexp) ? pattern : Regexp.new(pattern)).match(self, *position, &block)
  end

  def match?(pattern, *position)
    (pattern.is_a?(Regexp) ? pattern : Regexp.new(pattern)).match?(self, *position)
  end

  def scan(pattern, &block)
    return __scan(pattern) unless block

    at = 0
    last = nil
    string = frozen? ? self : dup.freeze
    while at && (match = string.__match_from(pattern, at))
      last = match
      at = match.__next_start
      block.call(match.size > 1 ? match.captures : match[0])
    end
    $~ = last
    self
  end

  def gsub(*args, &block)
    case args.size
    when 1
      return to_enum(:gsub, args[0]) unless block

      __replace_by(args[0], true, block) || dup
    when 2 then __replace(args[0], args[1], true) || dup
    else raise ArgumentError, "wrong number of arguments (given #{args.size}, expected 1..2)"
    end
  end

  def gsub!(*args, &block)
    raise FrozenError, "can't modify frozen String: #{inspect}" if frozen?
    return to_enum(:gsub!, args[0]) if args.size == 1 && !block

    __change(args, true, block)
  end

  def sub(*args, &block)
    case args.size
    when 1
      raise ArgumentError, 'wrong number of arguments (given 1, expected 2)' unless block

      __replace_by(args[0], false, block) || dup
    when 2 then __replace(args[0], args[1], false) || dup
    else raise ArgumentError, "wrong number of arguments (given #{args.size}, expected 1..2)"
    end
  end

  def sub!(*args, &block)
    raise FrozenError, "can't modify frozen String: #{inspect}" if frozen?
    raise ArgumentError, 'wrong number of arguments (given 1, expected 2)' if args.size == 1 && !block

    __change(args, false, block)
  end

  def partition(pattern)
    return __plain_partition(pattern) unless pattern.is_a?(Regexp)

    match = pattern.match(self)
    match ? [match.pre_match, match[0], match.post_match] : [dup, '', '']
  end

  def rpartition(pattern)
    return __plain_rpartition(pattern) unless pattern.is_a?(Regexp)

    return ['', '', dup] unless rindex(pattern)

    match = $~
    [match.pre_match, match[0], match.post_match]
  end

  def slice!(*args)
    return __plain_slice!(*args) unless args[0].is_a?(Regexp)

    raise FrozenError, "can't modify frozen String: #{inspect}" if frozen?

    part = self[*args]
    self[*args] = '' if part
    part
  end

  def __change(args, all, block)
    unless args.size == 1 || args.size == 2
      raise ArgumentError, "wrong number of arguments (given #{args.size}, expected 1..2)"
    end

    changed = args.size == 2 ? __replace(args[0], args[1], all) : __replace_by(args[0], all, block)
    changed && replace(changed)
  end

  # nil when nothing was found.
  def __replace_by(pattern, all, block)
    at = copied = 0
    last = nil
    result = ''
    string = frozen? ? self : dup.freeze
    while at && (match = string.__match_from(pattern, at))
      last = match
      from, to = match.byteoffset(0)
      to = from if to < from
      result << string.byteslice(copied, from - copied) << block.call(match[0]).to_s
      copied = to
      at = all ? match.__next_start : nil
    end
    $~ = last
    last && result << string.byteslice(copied, string.bytesize - copied)
  end
end

class Symbol
  def =~(pattern)
    to_s =~ pattern
  end

  def match(pattern, *position, &block)
    to_s.match(pattern, *position, &block)
  end

  def match?(pattern, *position)
    to_s.match?(pattern, *position)
  end
end

class NilClass
  def =~(_pattern)
    nil
  end
end
