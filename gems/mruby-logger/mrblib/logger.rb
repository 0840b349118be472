# Messages with a time and a level, to an IO or a file.
class Logger
  class Error < StandardError; end

  module Severity
    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3
    FATAL = 4
    UNKNOWN = 5
  end
  include Severity
  DEBUG = Severity::DEBUG
  INFO = Severity::INFO
  WARN = Severity::WARN
  ERROR = Severity::ERROR
  FATAL = Severity::FATAL
  UNKNOWN = Severity::UNKNOWN

  LABELS = %w[DEBUG INFO WARN ERROR FATAL ANY].freeze

  # `to`: nil (nowhere), something with `write`, or the path of a file, which each process opens at its first message and
  # appends to.
  def initialize(to = nil, shift_age = 0, shift_size = nil, level: DEBUG, progname: nil, formatter: nil,
                 datetime_format: nil, binmode: false)
    raise ArgumentError, 'a log is rotated by logrotate, not by shift_age' unless shift_age.nil? || shift_age == 0
    self.level = level
    @progname = progname
    @formatter = formatter
    @default_formatter = Formatter.new
    self.datetime_format = datetime_format
    @device = Device.new(to) if to
  end

  attr_reader :level
  attr_accessor :progname, :formatter

  def level=(level)
    @level = level.is_a?(Integer) ? level : Logger._severity(level)
  end

  def datetime_format
    @default_formatter.datetime_format
  end

  def datetime_format=(format)
    @default_formatter.datetime_format = format
  end

  def add(severity, message = nil, progname = nil)
    severity ||= UNKNOWN
    return true if @device.nil? || severity < @level
    progname = @progname if progname.nil?
    if message.nil?
      if block_given?
        message = yield
      else
        message = progname
        progname = @progname
      end
    end
    @device.write(_format(severity, Time.now, progname, message))
    true
  end
  alias log add

  def <<(text)
    @device && @device.write(text)
    self
  end

  def debug(progname = nil, &block)
    add(DEBUG, nil, progname, &block)
  end

  def info(progname = nil, &block)
    add(INFO, nil, progname, &block)
  end

  def warn(progname = nil, &block)
    add(WARN, nil, progname, &block)
  end

  def error(progname = nil, &block)
    add(ERROR, nil, progname, &block)
  end

  def fatal(progname = nil, &block)
    add(FATAL, nil, progname, &block)
  end

  def unknown(progname = nil, &block)
    add(UNKNOWN, nil, progname, &block)
  end

  def debug?
    @level <= DEBUG
  end

  def info?
    @level <= INFO
  end

  def warn?
    @level <= WARN
  end

  def error?
    @level <= ERROR
  end

  def fatal?
    @level <= FATAL
  end

  def debug!
    @level = DEBUG
  end

  def info!
    @level = INFO
  end

  def warn!
    @level = WARN
  end

  def error!
    @level = ERROR
  end

  def fatal!
    @level = FATAL
  end

  def reopen(to = nil)
    if to
      @device.close if @device
      @device = Device.new(to)
    elsif @device
      @device.reopen
    end
    self
  end

  def close
    @device.close if @device
  end

  def self._severity(name)
    number = (LABELS[0, 5] + ['UNKNOWN']).index(name.to_s.upcase)
    raise ArgumentError, "invalid log level: #{name}" unless number
    number
  end

  def _format(severity, time, progname, message)
    label = severity >= 0 && LABELS[severity] || 'ANY'
    (@formatter || @default_formatter).call(label, time, progname, message)
  end

  class Formatter
    attr_accessor :datetime_format

    def call(severity, time, progname, message)
      text = case message
             when String then message
             when Exception then _exception(message)
             else message.inspect
             end
      sprintf("%s, [%s #%d] %5s -- %s: %s\n", severity[0], _time(time), Process.pid, severity, progname.to_s, text)
    end

    def _time(time)
      return time.strftime(@datetime_format) if @datetime_format
      sprintf('%04d-%02d-%02dT%02d:%02d:%02d.%06d', time.year, time.month, time.day, time.hour, time.min, time.sec, time.usec)
    end

    def _exception(error)
      "#{error.message} (#{error.class})\n#{(error.backtrace || []).join("\n")}"
    end
  end

  # Where messages go. What can't be written is no reason to fail for the app: it is told to $stderr.
  class Device
    def initialize(to)
      if to.respond_to?(:write)
        @io = to
      elsif to.is_a?(String)
        @path = to
      else
        raise ArgumentError, "a log goes to an IO or to the path of a file, not to #{to.inspect}"
      end
    end

    def write(text)
      _open.write(text)
    rescue SystemCallError, IOError => error
      $stderr.puts "log writing failed. #{error.message}"
    end

    # The next message opens the file anew.
    def reopen
      close if @path
    end

    def close
      @io.close if @io.respond_to?(:close) && !@io.closed? && !@io.equal?($stdout) && !@io.equal?($stderr)
      @io = nil if @path
    end

    def _open
      return @io if @io
      @io = File.open(@path, 'a')
      @io.sync = true
      @io
    end
  end
end
