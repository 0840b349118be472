# A weblog of one author. Set up by ./set-up, written in the browser; everything it keeps lies in data/.
require_relative "lib/diary"

use Rack::Head
use Rack::Session::Cookie, key: "diary.session", secret: Diary::SECRET, same_site: :lax, httponly: true,
                           expire_after: Diary::SESSION_DAYS * 86_400
run Web::Application.new(Diary::Pages, Diary::ROUTES)
