module Cowherd
  class Server
    class Request < Part
      # Request lines

      def method
        env['REQUEST_METHOD']
      end

      def method=(name)
        __store('REQUEST_METHOD', name)
      end

      def protocol
        env['SERVER_PROTOCOL']
      end

      def protocol=(protocol)
        __store('SERVER_PROTOCOL', protocol)
      end

      def unparsed_uri
        env['REQUEST_URI'] || (args.empty? ? uri : "#{uri}?#{args}")
      end

      def unparsed_uri=(uri)
        __store('REQUEST_URI', uri)
      end

      def request_line
        "#{method} #{unparsed_uri} #{protocol}"
      end

      def the_request
        request_line
      end

      # The path, which an application finds divided into SCRIPT_NAME and PATH_INFO.

      def uri
        "#{env['SCRIPT_NAME']}#{env['PATH_INFO']}"
      end

      def uri=(uri)
        prefix = env['SCRIPT_NAME'].to_s
        rest = uri.to_s[prefix.length, uri.to_s.length] if uri.to_s.start_with?(prefix)
        unless rest && rest.start_with?('/')
          raise ArgumentError, "#{uri.inspect} is no path#{" below #{prefix}" unless prefix.empty?}"
        end
        __store('PATH_INFO', rest)
      end

      def script_name
        env['SCRIPT_NAME']
      end

      def path_info
        env['PATH_INFO']
      end

      def path_info=(path)
        __store('PATH_INFO', path)
      end

      # The query

      def args
        env['QUERY_STRING'] || ''
      end

      def args=(args)
        __store('QUERY_STRING', args)
      end

      def uri_args
        __pairs(args)
      end

      def uri_args=(pairs)
        raise ArgumentError, "the arguments must be a Hash, not #{pairs.inspect}" unless pairs.is_a?(Hash)
        self.args = pairs.map { |name, value| "#{name}=#{value}" }.join('&')
      end

      def post_args
        __pairs(body)
      end

      # Where it came to

      def scheme
        env['rack.url_scheme']
      end

      def authority
        env['HTTP_HOST']
      end

      def hostname
        host = env['HTTP_HOST']
        return env['SERVER_NAME'] if host.nil? || host.empty?
        colon = host.rindex(':')
        colon && !host[colon, host.length].include?(']') ? host[0, colon] : host
      end

      def hostname=(name)
        __store('HTTP_HOST', name)
      end

      def filename
        env['SCRIPT_FILENAME']
      end

      def filename=(path)
        __store('SCRIPT_FILENAME', path)
      end

      def document_root
        env['DOCUMENT_ROOT']
      end

      def document_root=(path)
        __store('DOCUMENT_ROOT', path)
      end

      # Who asks

      def user
        env['REMOTE_USER']
      end

      def user=(name)
        __store('REMOTE_USER', name)
      end

      def ap_auth_type
        env['AUTH_TYPE']
      end

      def ap_auth_type=(type)
        __store('AUTH_TYPE', type)
      end

      # The body

      def read_body
        OK
      end

      # Reads all of it, once; who answers later still finds it in rack.input.
      def get_body
        env = self.env
        return Cowherd::Server.__input if Cowherd::Server.__input
        input = env['rack.input']
        text = (input && input.read) || ''
        env['rack.input'] = ReadInput.new(text)
        Cowherd::Server.__input = text
      end

      def body
        get_body
      end

      def content_length
        env['CONTENT_LENGTH'].to_i
      end

      def range
        env['HTTP_RANGE']
      end

      def header_only
        method == 'HEAD' ? 1 : 0
      end

      # The answer

      def content_type
        headers_out['content-type']
      end

      def content_type=(type)
        headers_out['content-type'] = type
      end

      def content_encoding
        headers_out['content-encoding']
      end

      def content_encoding=(encoding)
        headers_out['content-encoding'] = encoding
      end

      # In a log hook the one that was answered.
      def status
        answered = env['STATUS']
        answered ? answered.to_i : Cowherd::Server.status_code
      end

      def status=(status)
        env
        Cowherd::Server.status_code = status
      end

      def log(level, text)
        env
        Cowherd::Server.log(level, text)
        text
      end

      alias error_log log

      # What else belongs to it

      def headers_in
        env
        Headers_in.new
      end

      def headers_out
        env
        Headers_out.new
      end

      def var
        env
        Var.new
      end

      def notes
        env
        Notes.new
      end

      def connection
        env
        Connection.new
      end

      # A front end asks for its subrequests as for any other.
      def sub_request?
        false
      end

      alias main? sub_request?
      alias prev? sub_request?
      alias next? sub_request?
      alias internal_redirect? sub_request?
      alias external_redirect? sub_request?

      def __pairs(text)
        pairs = {}
        text.split('&').each do |pair|
          name, value = pair.split('=', 2)
          pairs[name] = value || '' if name
        end
        pairs
      end
    end
  end
end
