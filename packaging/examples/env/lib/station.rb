# Runs in the mold: everything here is made once and shared by all workers.
module Station
  TITLE = ENV.fetch("ENV_TITLE", "Environment").dup.freeze
  LANGUAGE = ENV.fetch("ENV_LANGUAGE", "en").dup.freeze
  DATA = Web::Files.directory(File.expand_path(ENV.fetch("ENV_DATA", "data")))
  # Older readings are deleted.
  KEEP_DAYS = ENV.fetch("ENV_KEEP_DAYS", "400").to_i

  # What sensors have to know to post; made at the first start.
  KEY = Web::Files.kept("#{DATA}/api-key") { SecureRandom.urlsafe_base64(24) }.freeze
  DATABASE = Web::Database.new("#{DATA}/env.db")
end

require_relative "schema"
require_relative "readings"
require_relative "incoming"
require_relative "chart"
require_relative "pages"
require_relative "api"

module Station
  ROUTES = [
    ["GET", "/", :overview],
    ["GET", "/charts/:sensor/:quantity", :chart],
    ["GET", "/api/sensors", :api_sensors],
    ["GET", "/api/readings", :api_readings],
    ["POST", "/api/readings", :api_add],
    ["GET", "/api/summary", :api_summary],
  ].freeze
end

Station::Schema.prepare(Station::DATABASE, "readings.csv")
