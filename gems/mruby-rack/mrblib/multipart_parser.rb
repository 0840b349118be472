module Rack
  module Multipart
    # Reads a body and makes parameters of its parts. What tells the parts apart is the Scanner, in C.
    class Parser
      BUFSIZE = 65_536
      TEXT_PLAIN = 'text/plain'
      PARSER_BYTESIZE_LIMIT = 10 * 1024 * 1024 * 1024
      BUFFERED_UPLOAD_BYTESIZE_LIMIT = 16 * 1024 * 1024

      Part = Struct.new(:name, :filename, :content_type, :head, :body)

      # Of a Content-Type; nil: there is none.
      def self.parse_boundary(content_type)
        return nil unless content_type && MediaType.type(content_type).to_s.start_with?('multipart/')
        found = nil
        content_type.tr(',', ';').split(';').each do |part|
          name, value = part.split('=', 2)
          next unless value && name.strip.downcase == 'boundary'
          raise Error, 'multiple boundary parameters found in multipart content type' if found
          raise Error, 'whitespace between boundary parameter name and equal sign' if name.rstrip != name
          found = value.strip
          found = found[1, found.length] if found.start_with?('"')
          found = found[0, found.length - 1] if found.end_with?('"')
        end
        return nil if found.nil? || found.empty?
        if found.bytesize > 70
          raise BoundaryTooLongError, "multipart boundary size too large (#{found.bytesize} characters)"
        end
        found
      end

      # What is made for files goes to `files`, too.
      def initialize(boundary, files, query_parser, factory = nil)
        @scanner = Scanner.new(boundary)
        @files = files
        @query_parser = query_parser
        @factory = factory
        @parts = []
        @file_count = 0
        @retained = 0
        @done = false
      end

      # All of it, and no more than `length` bytes, when that is known.
      def read(input, length, size)
        if length && length > PARSER_BYTESIZE_LIMIT
          raise Error, "multipart Content-Length #{length} exceeds limit of #{PARSER_BYTESIZE_LIMIT} bytes"
        end
        total = 0
        until @done
          wanted = length && length - total < size ? length - total : size
          chunk = wanted > 0 ? input.read(wanted) : nil
          raise EmptyContentError, total == 0 ? 'EOF' : 'bad content body' if chunk.nil? || chunk.empty?
          total += chunk.bytesize
          if total > PARSER_BYTESIZE_LIMIT
            raise Error, "multipart upload exceeds limit of #{PARSER_BYTESIZE_LIMIT} bytes"
          end
          @scanner << chunk
          scan
        end
      end

      def params
        params = @query_parser.make_params
        @parts.each do |part|
          next if part.filename == ''
          @query_parser.normalize_params(params, part.name, value_of(part))
        end
        params
      end

      private

      def scan
        while (event, text = @scanner.next)
          case event
          when :head then begin_part(text)
          when :data then add(text)
          when :done then return @done = true
          when :no_boundary then raise Error, 'multipart boundary not found within limit'
          when :head_too_long then raise Error, 'multipart mime part header too large'
          end
        end
      end

      def begin_part(head)
        content_type, content_id, name, filename, extended = Scanner.read_head(head)
        retain(head.bytesize)
        filename = extended ? extended_name(extended) : filename && plain_name(filename)
        name ||= content_id
        name = filename || "#{content_type || TEXT_PLAIN}[]" if name.nil? || name.empty?
        @parts << Part.new(name, filename, content_type, head, filename ? open_file(filename, content_type) : '')
        limit = Utils.multipart_total_part_limit
        return unless limit && limit > 0 && @parts.size >= limit
        raise MultipartTotalPartLimitError, 'Maximum total multiparts in content reached'
      end

      def add(text)
        part = @parts.last
        retain(text.bytesize) unless part.filename
        part.body << text
      end

      def open_file(filename, content_type)
        @file_count += 1
        limit = Utils.multipart_file_limit
        if limit && limit > 0 && @file_count >= limit
          raise MultipartPartLimitError, 'Maximum file multiparts in content reached'
        end
        file = @factory ? @factory.call(filename, content_type) : Tempfile.new
        file.binmode if file.respond_to?(:binmode)
        @files << file
        file
      end

      # Memory that the request holds until its end.
      def retain(size)
        @retained += size
        raise Error, 'multipart data over retained size limit' if @retained > BUFFERED_UPLOAD_BYTESIZE_LIMIT
      end

      def value_of(part)
        return part.body unless part.filename
        part.body.rewind
        { filename: part.filename, type: part.content_type, name: part.name, tempfile: part.body, head: part.head }
      end

      # RFC 5987: charset'language'text. Latin-1 and UTF-8 are known.
      def extended_name(text)
        charset, _, name = text.split("'", 3)
        name = Utils.unescape_path(name.to_s)
        if %w[iso-8859-1 latin1].include?(charset.to_s.downcase)
          name = name.bytes.map { |byte| byte < 128 ? byte.chr : (192 | byte >> 6).chr + (128 | byte & 63).chr }.join
        end
        last_component(Scanner.scrub(name))
      end

      # Browsers encode a quote in a name, and nothing else that has a percent sign.
      def plain_name(text)
        decoded = text.include?('%') && encoded?(text) ? Utils.unescape_path(text) : text
        last_component(Scanner.scrub(decoded))
      end

      def encoded?(text)
        URI.decode_uri_component(text)
        true
      rescue ArgumentError
        false
      end

      # Some browsers sent whole paths.
      def last_component(name)
        name.tr("\\", '/').split('/').last || ''
      end
    end
  end
end
