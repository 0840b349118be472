module Station
  # Readings by series: of one sensor and one quantity. Times are seconds since 1970.
  module Readings
    UNITS = { "temperature" => "°C", "humidity" => "%", "pressure" => "hPa", "co2" => "ppm" }.freeze
    HOUR = 3600
    DAY = 86_400

    # A reading that is sent again replaces the first one.
    def self.put(sensor, quantity, time, value)
      DATABASE.run("INSERT INTO readings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                   series(sensor, quantity), time, value)
    end

    # The id of a series, which is made when it is new.
    def self.series(sensor, quantity)
      known = find(sensor, quantity)
      return known if known

      DATABASE.insert("INSERT INTO series (sensor, quantity) VALUES (?, ?)", sensor, quantity)
    end

    def self.find(sensor, quantity)
      DATABASE.value("SELECT id FROM series WHERE sensor = ? AND quantity = ?", sensor, quantity)
    end

    def self.series_count
      DATABASE.value("SELECT count(*) FROM series")
    end

    # [sensor, quantity, time and value of the last reading]; only series that have one.
    def self.latest
      DATABASE.rows("SELECT s.sensor, s.quantity, r.time, r.value FROM series s JOIN readings r ON r.series = s.id " \
                    "AND r.time = (SELECT max(time) FROM readings WHERE series = s.id) ORDER BY s.sensor, s.quantity DESC")
    end

    # [time, value], the newest first.
    def self.range(series, from, to, limit)
      DATABASE.rows("SELECT time, value FROM readings WHERE series = ? AND time >= ? AND time < ? ORDER BY time DESC LIMIT ?",
                    series, from, to, limit)
    end

    # [start, count, least, mean, greatest] of each `seconds` that have readings, the oldest first.
    def self.summary(series, from, to, seconds, limit)
      DATABASE.rows("SELECT time / ?1 * ?1 AS start, count(*), min(value), avg(value), max(value) FROM readings " \
                    "WHERE series = ?2 AND time >= ?3 AND time < ?4 GROUP BY start ORDER BY start LIMIT ?5",
                    seconds, series, from, to, limit)
    end

    # At each worker's start, and once an hour when readings come.
    def self.forget_old
      now = Time.now.to_i
      return if @forgotten_at && now - @forgotten_at < HOUR

      @forgotten_at = now
      DATABASE.run("DELETE FROM readings WHERE series IN (SELECT id FROM series) AND time < ?", now - KEEP_DAYS * DAY)
    end
  end
end
