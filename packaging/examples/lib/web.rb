# What the example apps share: a router, controllers, views, a database. cowherd preloads it once, before it forks, so that
# all apps and workers have it in memory once.
require_relative "web/files"
require_relative "web/router"
require_relative "web/views"
require_relative "web/database"
require_relative "web/controller"
require_relative "web/application"
