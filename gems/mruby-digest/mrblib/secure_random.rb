module SecureRandom
  ALPHANUMERIC = [*'A'..'Z', *'a'..'z', *'0'..'9'].freeze

  class << self
    def hex(count = nil) = Digest.hexencode(random_bytes(count))
    def base64(count = nil) = Base64.strict_encode64(random_bytes(count))
    def urlsafe_base64(count = nil, padding = false) = Base64.urlsafe_encode64(random_bytes(count), padding: padding)

    def uuid
      bytes = random_bytes(16)
      bytes.setbyte(6, bytes.getbyte(6) & 0x0f | 0x40)
      bytes.setbyte(8, bytes.getbyte(8) & 0x3f | 0x80)
      hex = Digest.hexencode(bytes)
      "#{hex[0, 8]}-#{hex[8, 4]}-#{hex[12, 4]}-#{hex[16, 4]}-#{hex[20, 12]}"
    end

    def alphanumeric(count = nil, chars: ALPHANUMERIC)
      result = ''
      (count || 16).times { result << chars[__below(chars.size)] }
      result
    end

    def random_number(limit = 0)
      case limit
      when nil then __float
      when Range then number_in(limit)
      when Float then limit > 0 ? __float * limit : __float
      else limit > 0 ? integer_below(limit) : __float
      end
    end

    def rand(limit = 0)
      random_number(limit)
    end

    private

    def number_in(range)
      first = range.begin
      last = range.end
      if first.is_a?(Float) || last.is_a?(Float)
        raise ArgumentError, "invalid argument - #{range}" if last < first

        return first + __float * (last - first)
      end
      size = last - first + (range.exclude_end? ? 0 : 1)
      raise ArgumentError, "invalid argument - #{range}" if size <= 0

      first + integer_below(size)
    end

    # The bits of 8 bytes are enough for all but the largest.
    def integer_below(limit)
      return __below(limit) if limit < 0x4000_0000_0000_0000

      bits = limit.to_s(2).size
      loop do
        number = Digest.hexencode(random_bytes((bits + 7) / 8)).to_i(16) >> (-bits % 8)
        return number if number - limit < 0 # (5 < 2**70 is an error in mruby 3.3)
      end
    end
  end
end
