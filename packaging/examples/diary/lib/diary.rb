# Runs in the mold: everything here is made once and shared by all workers.
module Diary
  TITLE = ENV.fetch("DIARY_TITLE", "Diary").dup.freeze
  LANGUAGE = ENV.fetch("DIARY_LANGUAGE", "en").dup.freeze
  DATA = Web::Files.directory(File.expand_path(ENV.fetch("DIARY_DATA", "data")))

  # "no": visitors' pages are made at each request.
  KEEP_PAGES = ENV.fetch("DIARY_KEEP_PAGES", "yes") != "no"

  SESSION_DAYS = 14
  # What sessions are signed with; whoever reads it can log in.
  SECRET = Web::Files.kept("#{DATA}/secret") { SecureRandom.hex(64) }.freeze
  DATABASE = Web::Database.new("#{DATA}/diary.db")
end

require_relative "schema"
require_relative "markup"
require_relative "entries"
require_relative "comments"
require_relative "author"
require_relative "pages"
require_relative "pages_of_author"
require_relative "routes"

Diary::Schema.prepare(Diary::DATABASE, "entries")
Diary::Author.ask_for_set_up
