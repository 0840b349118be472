module Rack
  # Bodies in parts: forms with files.
  module Multipart
    class MissingInputError < StandardError
      include BadRequest
    end

    class MultipartPartLimitError < Errno::EMFILE
      include BadRequest
    end

    class MultipartTotalPartLimitError < StandardError
      include BadRequest
    end

    class EmptyContentError < EOFError
      include BadRequest
    end

    class BoundaryTooLongError < StandardError
      include BadRequest
    end
    Error = BoundaryTooLongError

    EOL = "\r\n"
    MULTIPART_BOUNDARY = 'AaB03x'

    class << self
      def parse_multipart(env, query_parser = Utils.default_query_parser)
        extract_multipart(Request.new(env), query_parser)
      end

      # The parameters of a body; nil: it has no parts. Files become Hashes with :filename, :type, :name, :tempfile and
      # :head; they are closed when the response is finished.
      def extract_multipart(request, query_parser = Utils.default_query_parser)
        boundary = Parser.parse_boundary(request.content_type)
        return nil unless boundary
        env = request.env
        length = request.content_length
        return nil if length == '0'
        input = env['rack.input'] || raise(MissingInputError, 'Missing input stream!')
        files = (env['rack.tempfiles'] ||= [])
        finished = env['rack.response_finished']
        finished << ->(*) { files.each { |file| file.close! if file.respond_to?(:close!) } } if finished
        parser = Parser.new(boundary, files, query_parser, env['rack.multipart.tempfile_factory'])
        parser.read(input, length && length.to_i, env['rack.multipart.buffer_size'] || Parser::BUFSIZE)
        parser.params
      end

      # A body with these parameters; nil when no file is among them.
      def build_multipart(params, first = true)
        Generator.new(params, first).dump
      end
    end
  end
end
