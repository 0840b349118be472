module Diary
  module Schema
    VERSION = 1

    TABLES = <<SQL
CREATE TABLE author (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL,
  password TEXT NOT NULL,
  session TEXT NOT NULL -- what sessions have to know; changed at each logout and with the password
);
CREATE TABLE failures (address TEXT NOT NULL, at INTEGER NOT NULL); -- of logins

CREATE TABLE entries (
  id INTEGER PRIMARY KEY,
  path TEXT UNIQUE, -- 2026/11/21-first-snow; of a draft: NULL
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  lead TEXT NOT NULL, -- the beginning as HTML, and all of it: made when the entry is saved, so that reading is cheap
  html TEXT NOT NULL,
  published_at INTEGER,
  updated_at INTEGER NOT NULL,
  comments INTEGER NOT NULL DEFAULT 0 -- approved ones
);
CREATE INDEX entries_by_time ON entries (published_at DESC, id DESC) WHERE path IS NOT NULL;

CREATE TABLE comments (
  id INTEGER PRIMARY KEY,
  entry INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  approved INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX comments_by_entry ON comments (entry, approved, id);
CREATE INDEX comments_waiting ON comments (id) WHERE approved = 0;

-- Counts every change that visitors can see: ETags are made of it.
CREATE TABLE state (version INTEGER NOT NULL);
INSERT INTO state VALUES (1);
SQL

    COUNTING = %w[INSERT UPDATE DELETE].map do |event|
      "CREATE TRIGGER entries_#{event} AFTER #{event} ON entries BEGIN UPDATE state SET version = version + 1; END;\n"
    end.join << <<SQL
CREATE TRIGGER comment_added AFTER INSERT ON comments WHEN new.approved BEGIN
  UPDATE entries SET comments = comments + 1 WHERE id = new.entry;
END;
CREATE TRIGGER comment_approved AFTER UPDATE OF approved ON comments WHEN new.approved <> old.approved BEGIN
  UPDATE entries SET comments = comments + new.approved - old.approved WHERE id = new.entry;
END;
CREATE TRIGGER comment_removed AFTER DELETE ON comments WHEN old.approved BEGIN
  UPDATE entries SET comments = comments - 1 WHERE id = old.entry;
END;
SQL

    # A new diary begins with the entries of a directory: year/month/day-name.txt, with the title in the first line.
    def self.prepare(database, directory)
      database.prepare(VERSION) do
        database.script(TABLES + COUNTING)
        Dir.glob("#{directory}/*/*/*.txt").sort.each { |file| import(file, file[directory.size + 1..-5]) }
      end
    end

    def self.import(file, path)
      title, text = File.read(file).split("\n\n", 2)
      year, month, name = path.split("/")
      time = Time.local(year.to_i, month.to_i, name.to_i, 12)
      Entries.import(path, title.strip, text, time.to_i)
    end
  end
end
