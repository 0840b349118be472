module Rack
  # Stands between a server and an application and raises a LintError where one of them breaks the Rack 3 SPEC.
  #
  #     use Rack::Lint
  class Lint
    class LintError < RuntimeError; end

    def initialize(app)
      @app = app
    end

    def call(env = nil)
      raise LintError, 'No env given' unless env
      Wrapper.new(@app, env).response
    end

    TOKEN_MARKS = "!#$%&'*+-.^_`|~".freeze
    AUTHORITY_MARKS = "!$%&'()*+,-.:;=[]_~".freeze

    # Whether `text` consists of letters, digits and `marks` alone; not of nothing.
    def self.spelled?(text, marks)
      return false unless text.is_a?(String) && !text.empty?
      text.bytes.all? do |byte|
        (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) || (byte >= 48 && byte <= 57) ||
          (byte < 128 && marks.include?(byte.chr))
      end
    end

    def self.token?(text)
      spelled?(text, TOKEN_MARKS)
    end

    # "host", "host:port" and "[address]:port".
    def self.authority?(text)
      return false unless spelled?(text, AUTHORITY_MARKS)
      if text.start_with?('[')
        address, port = text[1, text.length].split(']', 2)
        return false if port.nil? || !(port.empty? || port.start_with?(':'))
        return spelled?(address, ':.%') && digits?(port[1, port.length] || '', true)
      end
      host, port, rest = text.split(':', 3)
      rest.nil? && !host.empty? && !host.include?('[') && !host.include?(']') && digits?(port || '', true)
    end

    def self.digits?(text, or_none = false)
      return or_none if text == ''
      text.is_a?(String) && text.bytes.all? { |byte| byte >= 48 && byte <= 57 }
    end

    def self.bodiless?(status)
      status < 200 || status == 204 || status == 304
    end
  end
end
