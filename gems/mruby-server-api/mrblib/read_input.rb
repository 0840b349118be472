module Cowherd
  class Server
    # A rack.input whose text was read before.
    class ReadInput
      def initialize(text)
        @text = text
        @at = 0
      end

      def read(length = nil, buffer = nil)
        raise ArgumentError, "negative length #{length} given" if length && length < 0
        rest = @text.bytesize - @at
        length ||= rest
        part = length > 0 && rest == 0 ? nil : @text.byteslice(@at, length)
        @at += part.bytesize if part
        buffer.replace(part || '') if buffer
        part && buffer ? buffer : part
      end

      def gets
        return nil if @at == @text.bytesize
        break_at = @text.byteindex("\n", @at)
        read(break_at ? break_at + 1 - @at : nil)
      end

      def each
        while line = gets
          yield line
        end
        self
      end

      def rewind
        @at = 0
      end

      def close
        nil
      end
    end
  end
end
