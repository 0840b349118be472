module Rack
  # The parts of a Content-Type.
  module MediaType
    class << self
      # "text/plain" of "Text/Plain; charset=utf-8".
      def type(content_type)
        return nil unless content_type && !content_type.empty?
        first = _parts(content_type)[0]
        first && first.rstrip.downcase
      end

      # {"charset" => "utf-8"} of it.
      def params(content_type)
        return {} unless content_type && !content_type.empty?
        params = {}
        _parts(content_type).each_with_index do |part, index|
          next if index == 0
          name, value = part.strip.split('=', 2)
          params[name.downcase] = _unquoted(value) if name
        end
        params
      end

      private

      def _parts(content_type)
        content_type.tr(',', ';').split(';')
      end

      def _unquoted(value)
        return value || '' unless value && value.length > 1 && value.start_with?('"') && value.end_with?('"')
        value[1, value.length - 2]
      end
    end
  end
end
