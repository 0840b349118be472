module Rack
  module Multipart
    # A file to be sent as a part of a form: for tests.
    class UploadedFile
      attr_reader :original_filename, :content_type

      def initialize(filepath = nil, content_type = 'text/plain', _binary = false,
                     path: filepath, filename: nil, io: nil)
        raise ArgumentError, 'UploadedFile needs a path or an io' unless path || io
        @original_filename = filename || (path ? File.basename(path) : '')
        @content_type = content_type
        @content = io ? io.read : File.open(path) { |file| file.read }
      end

      def read
        @content
      end

      def size
        @content.bytesize
      end
    end

    class Generator
      def initialize(params, first = true)
        raise ArgumentError, 'value must be a Hash' if first && !params.is_a?(Hash)
        @params = params
        @first = first
      end

      # The body; nil when there is no file. Not `first`: the parts by their names.
      def dump
        parts = {}
        collect(@params, nil, parts)
        return parts unless @first
        return nil unless parts.values.any? { |part| part.is_a?(UploadedFile) }
        text = ''
        parts.each { |name, part| text << (part.is_a?(UploadedFile) ? file(name, part) : field(name, part)) }
        text << "--#{MULTIPART_BOUNDARY}--\r\n"
      end

      private

      def collect(value, name, parts)
        case value
        when Hash then value.each { |key, one| collect(one, name ? "#{name}[#{key}]" : key.to_s, parts) }
        when Array then value.each { |one| collect(one, "#{name}[]", parts) }
        else parts[name] = value
        end
      end

      def file(name, part)
        filename = Utils.escape_path(part.original_filename)
        "--#{MULTIPART_BOUNDARY}\r\n" \
          "content-disposition: form-data; name=\"#{name}\"; filename=\"#{filename}\"\r\n" \
          "content-type: #{part.content_type}\r\ncontent-length: #{part.size}\r\n\r\n#{part.read}\r\n"
      end

      def field(name, value)
        "--#{MULTIPART_BOUNDARY}\r\ncontent-disposition: form-data; name=\"#{name}\"\r\n\r\n#{value}\r\n"
      end
    end
  end
end
