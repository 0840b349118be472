module Station
  module Schema
    VERSION = 1

    TABLES = <<SQL
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  sensor TEXT NOT NULL,
  quantity TEXT NOT NULL,
  UNIQUE (sensor, quantity)
);
CREATE TABLE readings (
  series INTEGER NOT NULL REFERENCES series,
  time INTEGER NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (series, time)
) WITHOUT ROWID;
SQL

    # New databases begin with the readings of a file, time,temperature,humidity, moved so that they end now.
    def self.prepare(database, file)
      database.prepare(VERSION) do
        database.script(TABLES)
        readings = File.exist?(file) ? File.read(file).split("\n").map { |line| line.split(",") } : []
        later = readings.empty? ? 0 : Time.now.to_i - readings.last[0].to_i
        readings.each do |time, temperature, humidity|
          Readings.put("garden", "temperature", time.to_i + later, temperature.to_f)
          Readings.put("garden", "humidity", time.to_i + later, humidity.to_f)
        end
      end
    end
  end
end
