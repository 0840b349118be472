module Station
  # What sensors post, checked before anything is stored: one reading, or an array of them.
  #   {"sensor": "garden", "time": "2026-11-21T08:00:00Z", "values": {"temperature": 21.5, "humidity": 40}}
  # "time" may be a number of seconds, or missing: now.
  module Incoming
    READINGS_MAX = 1000
    NAME_MAX = 60
    SERIES_MAX = 200
    LARGEST = 1.0e12
    AHEAD_MAX = 600 # seconds that a sensor's clock may be ahead

    NAME = /\A[\p{L}\p{N}\p{M}_ .\-]+\z/
    SECONDS = /\A\d{1,12}\z/

    # [[sensor, quantity, time, value]]; raises Web::Problem.
    def self.read(json)
      given = JSON.parse(json)
      given = [given] unless given.is_a?(Array)
      wrong("1 to #{READINGS_MAX} readings are wanted") unless given.size.between?(1, READINGS_MAX)
      now = Time.now.to_i
      found = []
      given.each { |reading| each_value(reading, now) { |values| found << values } }
      wrong("more than #{READINGS_MAX} values") if found.size > READINGS_MAX
      found
    rescue JSON::ParserError => error
      wrong("no JSON: #{error.message}")
    end

    # All or nothing.
    def self.store(values)
      DATABASE.transaction do
        values.each { |sensor, quantity, time, value| Readings.put(sensor, quantity, time, value) }
        wrong("more than #{SERIES_MAX} series") if Readings.series_count > SERIES_MAX
      end
    end

    def self.each_value(reading, now)
      wrong("a reading is an object") unless reading.is_a?(Hash)
      sensor = name(reading["sensor"], "sensor")
      time = time(reading["time"], now)
      values = reading["values"]
      wrong("\"values\" is an object with a number for each quantity") unless values.is_a?(Hash) && !values.empty?
      values.each do |quantity, value|
        wrong("#{quantity}: no number") unless value.is_a?(Numeric) && value.abs <= LARGEST
        yield [sensor, name(quantity, "a quantity"), time, value.to_f]
      end
    end

    def self.name(text, what)
      good = text.is_a?(String) && text.size.between?(1, NAME_MAX) && text.match?(NAME) &&
             !text.start_with?(".")
      good ? text : wrong("#{what} is named by letters, digits, spaces, \"_\", \"-\" and \".\"")
    end

    def self.time(given, now)
      time = given.nil? ? now : seconds(given)
      wrong("\"time\" is no time") unless time
      wrong("\"time\" is in the future") if time > now + AHEAD_MAX
      wrong("\"time\" is older than what is kept") if time < now - KEEP_DAYS * Readings::DAY
      time
    end

    # Of "2026-11-21T08:00:00Z", or of a number; else nil.
    def self.seconds(given)
      case given
      when Integer then given
      when Float then given.abs < LARGEST ? given.to_i : nil
      when SECONDS then given.to_i
      when String then Time.iso8601(given).to_i
      end
    rescue ArgumentError
      nil
    end

    def self.wrong(what)
      raise Web::Problem.new(400, what)
    end
  end
end
