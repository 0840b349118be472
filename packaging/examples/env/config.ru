# What sensors measure: they post JSON, visitors see charts, programs ask for numbers. Everything it keeps lies in data/.
require_relative "lib/station"

use Rack::Head
use Rack::ConditionalGet
use Rack::ETag
run Web::Application.new(Station::Pages, Station::ROUTES)
