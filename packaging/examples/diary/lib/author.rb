module Diary
  # Who writes: one person, made by set-up.
  module Author
    PASSWORD_MIN = 8
    PASSWORD_MAX = 500
    # Logins from one address that may fail within these seconds.
    FAILURES_MAX = 10
    FAILURES_WITHIN = 600

    TOKEN = "#{DATA}/set-up-token".freeze

    # While there is no author, a file that only the machine's owner can read says who may become it.
    def self.ask_for_set_up
      DATABASE.open
      Web::Files.kept(TOKEN) { SecureRandom.hex(16) } unless exists?
      DATABASE.close
    end

    def self.exists?
      !DATABASE.value("SELECT 1 FROM author").nil?
    end

    # Why not, or nil when it is done.
    def self.set_up(token, name, password)
      return "The token is not the one in data/set-up-token." unless File.exist?(TOKEN) && same?(token, File.read(TOKEN).strip)
      return "A name is missing." if name.strip.empty?

      problem = password_complaint(password)
      return problem if problem

      made = DATABASE.run("INSERT OR IGNORE INTO author VALUES (1, ?, ?, ?)", name.strip, Password.create(password), new_session)
      File.delete(TOKEN) if File.exist?(TOKEN)
      "There is an author already." if made == 0
    end

    def self.password_complaint(password)
      return "The password has fewer than #{PASSWORD_MIN} characters." if password.size < PASSWORD_MIN

      "The password is longer than #{PASSWORD_MAX} bytes." if password.bytesize > PASSWORD_MAX
    end

    # What the session has to know, or nil. Takes as long for a name that isn't there.
    def self.log_in(name, password)
      known, kept, session = DATABASE.row("SELECT name, password, session FROM author")
      return unless kept && password.bytesize <= PASSWORD_MAX

      right = Password.verify(password, kept)
      session if right && same?(name.strip, known)
    end

    def self.logged_in?(session)
      known = session && DATABASE.value("SELECT session FROM author")
      known && same?(session, known)
    end

    # Sessions that anybody has kept are worth nothing afterwards.
    def self.end_sessions
      DATABASE.run("UPDATE author SET session = ?", new_session)
    end

    def self.change_password(password)
      session = new_session
      DATABASE.run("UPDATE author SET password = ?, session = ?", Password.create(password), session)
      session
    end

    def self.locked_out?(address)
      DATABASE.value("SELECT count(*) FROM failures WHERE address = ? AND at > ?", address, Time.now.to_i - FAILURES_WITHIN) >=
        FAILURES_MAX
    end

    def self.note_failure(address)
      now = Time.now.to_i
      DATABASE.transaction do
        DATABASE.run("DELETE FROM failures WHERE at <= ?", now - FAILURES_WITHIN)
        DATABASE.run("INSERT INTO failures VALUES (?, ?)", address, now)
      end
    end

    def self.new_session
      SecureRandom.urlsafe_base64(24)
    end

    def self.same?(given, expected)
      given.is_a?(String) && OpenSSL.secure_compare(given, expected)
    end
  end
end
