module Rack
  # Serves the files below a directory, `root`. Whole files go as bodies with `to_path`, for the server to send.
  class Files
    ALLOWED_VERBS = %w[GET HEAD OPTIONS].freeze
    ALLOW_HEADER = ALLOWED_VERBS.join(', ').freeze

    attr_reader :root

    def initialize(root, headers = {}, default_mime = 'text/plain')
      @root = File.expand_path(root)
      @headers = headers
      @default_mime = default_mime
      @head = Head.new(->(env) { get(env) })
    end

    def call(env)
      @head.call(env)
    end

    def get(env)
      unless ALLOWED_VERBS.include?(env['REQUEST_METHOD'])
        return failure(405, 'Method Not Allowed', 'allow' => ALLOW_HEADER)
      end
      # Decoded already: decoded once more, a file named "%41" could not be reached.
      path_info = env['PATH_INFO']
      return failure(400, 'Bad Request') unless Utils.valid_path?(path_info)
      path = File.join(@root, Utils.clean_path_info(path_info))
      stat = stat_of(path)
      stat ? serving(env, path, stat) : failure(404, "File not found: #{path_info}")
    end

    private

    def stat_of(path)
      stat = File.stat(path)
      stat if stat.file? && stat.readable?
    rescue SystemCallError
      nil
    end

    def serving(env, path, stat)
      return [200, { 'allow' => ALLOW_HEADER, 'content-length' => '0' }, []] if env['REQUEST_METHOD'] == 'OPTIONS'
      headers = { 'last-modified' => stat.mtime.httpdate }
      return [304, {}, []] if ConditionalGet.fresh?(env, headers)
      mime_type = Mime.mime_type(File.extname(path), @default_mime)
      headers['content-type'] = mime_type if mime_type
      headers.merge!(@headers) if @headers
      body = Iterator.new(path, [0..stat.size - 1], mime_type: mime_type, size: stat.size)
      ranges = ranges_of(env, headers, stat.size)
      return whole(headers, body) if ranges.nil?
      return unsatisfiable(stat.size) if ranges.empty?
      partial(headers, BaseIterator.new(path, ranges, mime_type: mime_type, size: stat.size))
    end

    # nil: all of the file. If-Range asks for that when the file is not the one that the client has a part of.
    def ranges_of(env, headers, size)
      range = env['HTTP_RANGE']
      known = env['HTTP_IF_RANGE']
      return if range.nil? || (known && known != headers['last-modified'])
      Utils.get_byte_ranges(range, size)
    end

    def whole(headers, body)
      headers['content-length'] = body.bytesize.to_s
      [200, headers, body]
    end

    def partial(headers, body)
      headers['content-length'] = body.bytesize.to_s
      if body.multipart?
        headers['content-type'] = "multipart/byteranges; boundary=#{body.boundary}"
      else
        headers['content-range'] = body.content_range
      end
      [206, headers, body]
    end

    def unsatisfiable(size)
      failure(416, 'Byte range unsatisfiable', 'content-range' => "bytes */#{size}")
    end

    def failure(status, text, headers = {})
      text += "\n"
      headers = { 'content-type' => 'text/plain', 'content-length' => text.bytesize.to_s,
                  'x-cascade' => 'pass' }.merge(headers)
      [status, headers, [text]]
    end

    # Parts of a file: of one range as they are, of several as multipart/byteranges.
    class BaseIterator
      CHUNK = 65_536

      attr_reader :path, :ranges, :boundary

      def initialize(path, ranges, mime_type:, size:)
        @path = path
        @ranges = ranges
        @mime_type = mime_type
        @size = size
        @boundary = SecureRandom.hex(16) if multipart?
      end

      def each(&block)
        File.open(@path, 'rb') do |file|
          @ranges.each do |range|
            yield heading(range) if multipart?
            each_chunk(file, range, &block)
          end
        end
        yield ending if multipart?
      end

      def bytesize
        size = @ranges.sum { |range| range.end - range.begin + 1 }
        size += @ranges.sum { |range| heading(range).bytesize } + ending.bytesize if multipart?
        size
      end

      def multipart?
        @ranges.size > 1
      end

      def content_range(range = @ranges.first)
        "bytes #{range.begin}-#{range.end}/#{@size}"
      end

      def close; end

      private

      def heading(range)
        type = "content-type: #{@mime_type}\r\n" if @mime_type
        "\r\n--#{@boundary}\r\n#{type}content-range: #{content_range(range)}\r\n\r\n"
      end

      def ending
        "\r\n--#{@boundary}--\r\n"
      end

      def each_chunk(file, range)
        left = range.end - range.begin + 1
        file.seek(range.begin)
        while left > 0 && (chunk = file.read([left, CHUNK].min))
          left -= chunk.bytesize
          yield chunk
        end
      end
    end

    # A whole file.
    class Iterator < BaseIterator
      alias to_path path
    end
  end
end
