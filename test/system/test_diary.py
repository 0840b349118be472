"""The diary of packaging/examples, through nginx: a weblog that somebody writes and others read."""

import re
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
from urllib.parse import quote

import pytest

from examples import Examples
from front_servers import NGINX
from herd import BUILD

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

NAME, PASSWORD = "花子", "秘密の合言葉、長い"
ATOM = "{http://www.w3.org/2005/Atom}"
SNOW = "/2026/11/21-first-snow"


@pytest.fixture(scope="module")
def site(module_cowherd):
    """With env loaded behind it into the same interpreter, as in the demo."""
    with Examples(module_cowherd, "diary", "env") as examples:
        yield examples


@pytest.fixture(scope="module")
def set_up(site):
    """What the script that makes the author did."""
    token = (site.root("diary") / "data/set-up-token").read_text()
    refused = site.visitor("diary").post("/set-up", {"setup_token": "x", "name": "other", "password": "x" * 9})
    command = [site.root("diary") / "set-up", "-b", BUILD / "cowherd", "-H", "diary.localhost", site.herd.address(), NAME]
    done = subprocess.run(command, input=PASSWORD + "\n", capture_output=True, text=True, timeout=60)
    return token, refused, done


@pytest.fixture(scope="module")
def session(site, set_up):
    """The author's browser; a login takes its time on purpose."""
    return site.visitor("diary")


@pytest.fixture
def author(session):
    if session.get("/desk").status != 200:
        assert session.send("/login", "/login", name=NAME, password=PASSWORD).getheader("Location") == "/desk"
    return session


@pytest.fixture
def reader(site):
    return site.visitor("diary")


def write(author, title, text, do="publish"):
    """The address of the new entry."""
    answer = author.send("/entries/new", "/entries", title=title, text=text, do=do)
    assert answer.status == 303, answer.text
    return answer.getheader("Location")


def comment(visitor, entry, text, name="太郎", **fields):
    return visitor.post(entry + "/comments", {"name": name, "text": text, **fields})


def follow(visitor, answer):
    assert answer.status == 303, answer.text
    return visitor.get(answer.getheader("Location"))


def waiting(author, text):
    """The number of the comment that waits."""
    found = re.search(r"%s.*?/comments/(\d+)/approve" % re.escape(text), author.get("/desk").text, re.DOTALL)
    return found and found.group(1)


def test_set_up_takes_the_token_of_the_data_directory_once(site, set_up, reader):
    token, refused, done = set_up
    assert refused.status == 403
    assert done.returncode == 0, done.stderr
    assert "花子 can log in now" in done.stdout
    assert not (site.root("diary") / "data/set-up-token").exists()
    again = reader.post("/set-up", {"setup_token": token.strip(), "name": "other", "password": "x" * 9})
    assert again.status == 403
    assert reader.get("/set-up").status == 303
    assert site.sql("diary", "SELECT name FROM author") == [(NAME,)]
    ((kept,),) = site.sql("diary", "SELECT password FROM author")
    assert kept.startswith("$scrypt$")
    for secret in (site.root("diary") / "data").iterdir():
        assert secret.stat().st_mode & 0o077 == 0 or secret.name.startswith("diary.db")
    assert (site.root("diary") / "data").stat().st_mode & 0o777 == 0o700


def test_entries_of_the_folder_are_there_and_nginx_serves_the_style(reader):
    front = reader.get("/")
    assert front.status == 200
    assert "Grandmother&#39;s clock" in front.text and "初雪" in front.text
    entry = reader.get(SNOW)
    assert "今年の初雪は去年より九日早い。" in entry.text
    assert "default-src 'none'" in entry.getheader("Content-Security-Policy")
    assert entry.getheader("Set-Cookie") is None
    assert "font:" in reader.get("/style.css").text
    assert reader.get("/2026/11/22-nothing").status == 404
    assert reader.get("/nothing").status == 404
    assert reader.request("/", "DELETE").getheader("Allow") == "GET, HEAD"
    head = reader.request("/", "HEAD")
    assert (head.status, head.content) == (200, b"")


def test_a_draft_is_published_edited_withdrawn_and_deleted(author, reader):
    draft = write(author, "雪の日の散歩", "# 朝\n\n白い道。\n\n- 靴\n- 手袋\n\n> 寒い、\n> でも明るい", do="draft")
    assert re.fullmatch(r"/entries/\d+", draft)
    assert "雪の日の散歩" not in reader.get("/").text
    assert reader.get(draft).getheader("Location") == "/login"
    shown = author.get(draft).text
    assert "<h2>朝</h2>" in shown and "<li>手袋</li>" in shown and "<blockquote><p>寒い、<br>\nでも明るい</p>" in shown

    published = author.send(draft, draft, title="雪の日の散歩", text="白い道。", do="publish").getheader("Location")
    assert re.fullmatch(r"/\d{4}/\d\d/\d\d-%E9%9B%AA%E3%81%AE%E6%97%A5%E3%81%AE%E6%95%A3%E6%AD%A9", published)
    assert "<p>白い道。</p>" in reader.get(published).text
    assert "雪の日の散歩" in reader.get("/").text

    author.send(draft, draft, title="雪の夜", text="月。", do="save")
    assert "月。" in reader.get(published).text and "<h1>雪の夜</h1>" in reader.get(published).text
    second = write(author, "雪の日の散歩", "同じ題")
    assert second == published + "-2"

    author.send(draft, draft, title="雪の夜", text="月。", do="withdraw")
    assert reader.get(published).status == 404
    author.send(draft, draft + "/delete")
    assert author.get(draft).status == 404


def test_what_is_written_is_text_and_addresses_are_links(author, reader):
    text = "<script>alert(1)</script> <b onclick=\"x\">太字</b>\n\nhttps://example.org/雪?a=1&b=2。見て: http://例え"
    entry = write(author, '"><img src=x>', text + "\n\njavascript:alert(1)")
    shown = reader.get(entry).text
    assert "<script>" not in shown and "<img" not in shown and "<b onclick" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert '<a href="https://example.org/" rel="nofollow">https://example.org/</a>雪' in shown
    assert 'href="javascript' not in shown
    assert "&quot;&gt;&lt;img src=x&gt;" in shown


def test_comments_appear_when_they_are_approved(author, reader):
    assert "when the author has read it" in follow(reader, comment(reader, SNOW, "うちの庭も真っ白です")).text
    assert "真っ白です" not in reader.get(SNOW).text
    number = waiting(author, "真っ白です")
    etag = reader.get("/").getheader("ETag")
    author.send("/desk", "/comments/%s/approve" % number)
    assert "真っ白です" in reader.get(SNOW).text
    assert "comments: 1" in reader.get("/").text
    assert reader.get("/", If_None_Match=etag).status == 200
    assert "delete</button>" not in reader.get(SNOW).text and "/comments/%s/delete" % number in author.get(SNOW).text
    assert author.send(SNOW, "/comments/%s/delete" % number).status == 303
    assert "真っ白です" not in reader.get(SNOW).text and "comments:" not in reader.get("/").text

    own = author.send(SNOW, SNOW + "/comments", name=NAME, text="ありがとう")
    assert own.status == 303 and "ありがとう" in reader.get(SNOW).text


def test_no_form_is_sent_again_when_the_page_behind_it_is_loaded_again(site, author, reader):
    sent = comment(reader, SNOW, "一度だけ")
    assert (sent.status, sent.getheader("Location")) == (303, SNOW + "/thanks")
    shown = reader.get(SNOW + "/thanks")
    assert shown.status == 200 and "when the author has read it" in shown.text
    assert shown.getheader("Cache-Control") == "no-store"
    for visitor in (reader, site.visitor("diary")):
        again = visitor.get(SNOW + "/thanks")
        assert (again.status, again.getheader("Location")) == (303, SNOW)
    assert reader.get("/2026/11/22-nothing/thanks").status == 404
    assert site.sql("diary", "SELECT count(*) FROM comments WHERE text = '一度だけ'") == [(1,)]
    assert author.send("/desk", "/comments/%s/delete" % waiting(author, "一度だけ")).getheader("Location") == "/desk"
    draft = write(author, "二度目", "一", do="draft")
    assert author.send(draft, draft, title="二度目", text="二", do="draft").getheader("Location") == draft
    assert author.send(draft, draft + "/delete").getheader("Location") == "/desk"


def test_what_looks_like_spam_is_not_kept(site, author, reader):
    before = site.sql("diary", "SELECT count(*) FROM comments")
    assert "when the author has read it" in follow(reader, comment(reader, SNOW, "buy", website="http://spam.test")).text
    assert comment(reader, SNOW, "http://a http://b http://c").status == 422
    assert comment(reader, SNOW, "あ" * 5001).status == 422
    refused = comment(reader, SNOW, "残しておきたい文章", name=" ")
    assert refused.status == 422 and "残しておきたい文章" in refused.text
    assert comment(reader, "/2026/11/22-nothing", "どこ？").status == 404
    assert site.sql("diary", "SELECT count(*) FROM comments") == before


def test_forms_without_their_token_and_from_other_sites_are_refused(site, author, reader):
    before = site.sql("diary", "SELECT * FROM entries")
    fields = {"title": "偽物", "text": "偽物", "do": "publish"}
    stranger = reader.token("/login")
    for token in ({}, {"token": ""}, {"token": "x" * 32}, {"token": stranger}, {"token[]": "x"}):
        assert author.post("/entries", {**fields, **token}).status == 403
    assert author.post("/logout", {}).status == 403
    good = {**fields, "token": author.token("/entries/new")}
    for header in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert author.post("/entries", good, header).status == 403
    assert comment(reader, SNOW, "他所から").status == 303
    assert reader.post(SNOW + "/comments", {"name": "x", "text": "x"}, {"Origin": "http://evil.test"}).status == 403
    assert reader.post("/login", {"name": NAME, "password": PASSWORD}).status == 403
    assert site.sql("diary", "SELECT * FROM entries") == before
    assert author.get("/desk").status == 200


def test_sessions_that_were_tampered_with_or_ended_are_nobodys(author, reader):
    (name, cookie) = next(iter(author.cookies.items()))
    middle = len(cookie) // 3
    other = "A" if cookie[middle] != "A" else "B"
    for changed in (cookie[:middle] + other + cookie[middle + 1 :], cookie[:-1], cookie[:middle], "x", cookie + cookie, ""):
        reader.cookies = {name: changed}
        assert reader.get("/desk").getheader("Location") == "/login", changed
    reader.cookies = {name: cookie}
    assert reader.get("/desk").status == 200
    assert author.send("/desk", "/logout").status == 303
    reader.cookies = {name: cookie}
    assert reader.get("/desk").getheader("Location") == "/login"


def test_the_cookie_of_a_session_keeps_to_https_where_that_is_spoken(site):
    answers = [site.visitor("diary").get("/login", **sent) for sent in ({}, {"X_Forwarded_Proto": "https"})]
    cookies = [answer.getheader("Set-Cookie").lower() for answer in answers]
    assert ["secure" in cookie.split("; ") for cookie in cookies] == [False, True]
    assert all("httponly" in cookie and "samesite=lax" in cookie for cookie in cookies)


def test_logins_fail_alike_and_too_many_lock_the_address_out(site, set_up, reader):
    wrong = reader.send("/login", "/login", name=NAME, password="違う合言葉")
    unknown = reader.send("/login", "/login", name="次郎", password=PASSWORD)
    assert wrong.status == unknown.status == 403
    assert re.sub("value=.*?>", "", wrong.text) == re.sub("value=.*?>", "", unknown.text)
    assert len(site.sql("diary", "SELECT * FROM failures")) == 2
    site.sql("diary", "INSERT INTO failures SELECT address, at FROM failures, (VALUES (1), (2), (3), (4))")
    locked = reader.send("/login", "/login", name=NAME, password=PASSWORD)
    assert locked.status == 429 and locked.getheader("Retry-After") == "600"
    site.sql("diary", "DELETE FROM failures")


def test_the_password_can_be_changed_and_other_sessions_end(site, author):
    other = site.visitor("diary")
    other.cookies = dict(author.cookies)
    changed = {"name": NAME, "old": "違う合言葉", "new": "新しい合言葉です"}
    assert author.send("/desk", "/password", **changed).status == 422
    assert author.send("/desk", "/password", **{**changed, "old": PASSWORD}).status == 303
    assert author.get("/desk").status == 200
    assert other.get("/desk").status == 303
    assert author.send("/desk", "/password", name=NAME, old="新しい合言葉です", new=PASSWORD).status == 303


INJECTIONS = ["'; DROP TABLE entries; --", '" OR 1=1 --', "1) UNION SELECT password FROM author --", "%'; SELECT '\\"]


def test_sql_in_every_place_is_nothing_but_text(site, author, reader):
    tables = site.sql("diary", "SELECT name, sql FROM sqlite_master ORDER BY name")
    for text in INJECTIONS:
        entry = write(author, text, text)
        assert reader.get(entry).status == 200
        assert comment(reader, entry, text, name=text[:50]).status == 303
        assert (text, text[:50]) in site.sql("diary", "SELECT text, name FROM comments")
        for path in ("/?page=", "/2026/11/", "/entries/"):
            assert author.get(path + quote(text, safe="")).status == 404
    assert reader.send("/login", "/login", name=INJECTIONS[0], password=INJECTIONS[1]).status == 403
    site.sql("diary", "DELETE FROM failures")
    assert site.sql("diary", "SELECT name, sql FROM sqlite_master ORDER BY name") == tables
    assert [row[0] for row in site.sql("diary", "SELECT name FROM author")] == [NAME]


def test_bytes_that_are_no_text_are_refused(site, author, reader):
    token = author.token("/entries/new")
    for title in (b"\xff\xfe", b"a\0b", "雪".encode("utf-8")[:-1], "雪".encode("shift_jis")):
        assert author.post("/entries", {"token": token, "title": title, "text": "x"}).status == 400
        assert reader.get("/2026/11/" + quote(title, safe="")).status in (400, 404)
    assert author.post("/entries", {"token": token, "title": "長" * 201, "text": "x"}).status == 422
    assert author.post("/entries", {"token": token, "title": "長い", "text": "x" * 200_001}).status == 422


def test_pages_of_twenty(site, author, reader):
    site.sql("diary", "DELETE FROM entries")
    for number in range(45):
        site.sql(
            "diary",
            "INSERT INTO entries (path, title, text, lead, html, published_at, updated_at) VALUES (?, ?, '', ?, '', ?, ?)",
            "2026/01/01-%d" % number, "第%d話" % number, "<p>話</p>", 1000 + number, 1000 + number,
        )  # fmt: skip
    pages = [re.findall("第([0-9]+)話", reader.get("/?page=%d" % number).text) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [20, 20, 5]
    assert [int(number) for page in pages for number in page] == list(range(44, -1, -1))
    assert 'href="/?page=3" rel="next"' in reader.get("/?page=2").text
    assert 'href="/" rel="prev"' in reader.get("/?page=2").text
    for number in ("4", "0", "-1", "1.5", "x", "", "9999999999", "２"):
        assert reader.get("/?page=" + number).status == 404, number
    middle = reader.get("/2026/01/01-7").text
    assert '/2026/01/01-8" rel="prev"' in middle and '/2026/01/01-6" rel="next"' in middle


def test_unchanged_pages_are_not_sent_again(author, reader):
    entry = write(author, "変わらない", "そのまま")
    for path in ("/", entry, "/feed.atom"):
        first = reader.get(path)
        assert reader.get(path).getheader("ETag") == first.getheader("ETag")
        again = reader.get(path, If_None_Match='"x", ' + first.getheader("ETag"))
        assert (again.status, again.content) == (304, b"")
        assert reader.get(path, If_None_Match='W/"x"').status == 200
        if path == entry:
            assert first.getheader("Last-Modified").endswith(" GMT")
        author.send("/entries/new", "/entries", title="新しい", text="x", do="publish")
        assert reader.get(path, If_None_Match=first.getheader("ETag")).status == 200
    seen = author.get("/")
    assert "no-store" in seen.getheader("Cache-Control") and "Log out" in seen.text
    assert reader.get("/", If_None_Match=seen.getheader("ETag")).status == 200


def test_what_the_pages_are_made_of_shows_after_a_reload(site, reader):
    """Not a word of the entries has changed, and yet no browser may keep what it has."""
    herd = site.herd
    front = site.root("diary") / "views/front.erb"
    environment = {}

    def title():
        environment["DIARY_TITLE"] = "日記帳"

    def language():
        environment["DIARY_LANGUAGE"] = "ja"

    def template():
        front.write_text(front.read_text() + "<p>新しい雛形</p>\n")

    for change, shown in ((title, "日記帳"), (language, 'lang="ja"'), (template, "新しい雛形")):
        etag = reader.get("/").getheader("ETag")
        assert reader.get("/", If_None_Match=etag).status == 304
        change()
        herd.configure(env=environment).write_configuration()
        generation = herd.pool()["generation"]
        assert herd.reload().returncode == 0
        herd.wait_generation(generation + 1)
        answer = reader.get("/", If_None_Match=etag)
        assert answer.status == 200 and shown in answer.text


def test_the_feed_is_atom(author, reader):
    write(author, "題\x0b& <印>\uffff", "本文\x08<ここ>\x1b")
    answer = reader.get("/feed.atom")
    assert answer.getheader("Content-Type") == "application/atom+xml; charset=utf-8"
    feed = ElementTree.fromstring(answer.content)
    assert feed.tag == ATOM + "feed"
    first = feed.find(ATOM + "entry")
    assert first.find(ATOM + "title").text == "題 & <印>"  # controls are no XML
    assert first.find(ATOM + "content").text == "<p>本文 &lt;ここ&gt;</p>"
    for element in (feed, first):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", element.find(ATOM + "updated").text)
    assert first.find(ATOM + "id").text.startswith("http://diary.localhost/20")


def test_four_workers_write_at_once_and_nothing_is_lost_also_not_by_a_restart(site, author):
    entry = write(author, "みんなの声", "どうぞ")
    refused = []

    def send(thread):
        visitor = site.visitor("diary")
        for number in range(10):
            answer = comment(visitor, entry, "声 %d-%d" % (thread, number))
            if answer.status != 303:
                refused.append(answer.text)

    site.sql("diary", "DELETE FROM comments")
    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == []
    expected = sorted("声 %d-%d" % (thread, number) for thread in range(8) for number in range(10))
    assert sorted(row[0] for row in site.sql("diary", "SELECT text FROM comments")) == expected
    assert all(site.requests_of_workers())

    site.restart()
    assert sorted(row[0] for row in site.sql("diary", "SELECT text FROM comments")) == expected
    assert author.get(entry).status == 200
    assert "声 7-9" in author.get("/desk").text  # the session goes on, too
