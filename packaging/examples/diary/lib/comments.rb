module Diary
  # Visitors' comments wait until the author has approved them.
  module Comments
    NAME_MAX = 50
    TEXT_MAX = 5_000
    LINKS_MAX = 2
    # So many may wait: a flood fills neither the disk nor the author's day.
    WAITING_MAX = 500

    # [id, name, text, created_at]
    def self.of(entry)
      DATABASE.rows("SELECT id, name, text, created_at FROM comments WHERE entry = ? AND approved ORDER BY id", entry)
    end

    # [id, name, text, created_at, the entry's title, its path]
    def self.waiting
      DATABASE.rows("SELECT c.id, c.name, c.text, c.created_at, e.title, e.path FROM comments c JOIN entries e ON e.id = c.entry " \
                    "WHERE c.approved = 0 ORDER BY c.id LIMIT 100")
    end

    # Why it is refused, or nil.
    def self.complaint(name, text)
      return "A comment needs a name and a text." if name.strip.empty? || text.strip.empty?
      return "The name is longer than #{NAME_MAX} characters." if name.size > NAME_MAX
      return "The text is longer than #{TEXT_MAX} characters." if text.size > TEXT_MAX

      "A comment may have #{LINKS_MAX} links." if text.scan("://").size > LINKS_MAX
    end

    # False when too many wait already.
    def self.add(entry, name, text, approved)
      DATABASE.run("INSERT INTO comments (entry, name, text, created_at, approved) SELECT ?, ?, ?, ?, ? " \
                   "WHERE ? OR (SELECT count(*) FROM comments WHERE approved = 0) < ?",
                   entry, name.strip, text.strip, Time.now.to_i, approved, approved, WAITING_MAX) == 1
    end

    def self.approve(id)
      DATABASE.run("UPDATE comments SET approved = 1 WHERE id = ?", id) == 1
    end

    def self.delete(id)
      DATABASE.run("DELETE FROM comments WHERE id = ?", id) == 1
    end
  end
end
