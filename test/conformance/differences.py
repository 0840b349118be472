"""Cells that are not "yes", and why. What is seen has to be what stands here."""

NO_FILES = "The apps have to serve what is in public folders: haproxy serves no files, and h2o's file.dir answers for folders, too."
DECODES = (
    "The server decodes the path for PATH_INFO; cowherd closes a connection on which a parameter has a NUL. (Apache refuses it by itself.)"
)
REFUSES = "haproxy refuses what RFC 3986 doesn't allow in a path, or can't decode for PATH_INFO, by itself."
CHUNKED = (
    "haproxy passes on a chunked upload only when its buffer (16 kB) holds all of it, and of an empty one it never sends the end: "
    "cowherd answers 408 after timeouts.body."
)
NO_LENGTH = "caddy sends no length that it has not been told (-1 without buffer_requests)."
NO_UNBUFFERED = "The server has no such setting: Apache and haproxy pass uploads on as they come, h2o never does."
ASKS_FOR_A_LENGTH = "lighttpd asks for a length (411) when a chunked upload that it doesn't buffer isn't whole at once."
AS_IT_COMES = (
    "The server passes an upload on as it comes. Up to 64 kB cowherd waits for the end before it engages a worker, but not beyond."
)
BUFFERED = "nginx collects 16 kB, unless the answer has the header `X-Accel-Buffering: no`."
NOT_KEPT = "lighttpd and caddy open a connection for each request."
NOT_SENT_AGAIN = (
    "Apache does not ask again when the connection that it kept was closed meanwhile, not even with GET; the others do. "
    "This is why `cowherd front` leaves connections unkept."
)
OWN_STATUS = "The server's own answer when its backend has gone: 502 from nginx, haproxy and caddy, 500 from lighttpd, 503 from Apache and h2o."
CUT_SHORT = "The server ends what it has begun as if it were whole, when the app gave no length."
QUEUE = (
    "A unix socket refuses at once when its queue (here of one) is full, where TCP tries again; the server then answers by itself "
    "(Apache and caddy try again and give up later). `socket.backlog` is 1024 by default."
)
NO_SENDFILE = "The server has no header that names a file (h2o and haproxy), or none that `cowherd front` sets up (caddy)."
NO_ROLE = "The server doesn't speak the AUTHORIZER role and has no request of its own in place of it (Apache: TCP alone)."

EACH = "The server sends a parameter for each, where others join them with a comma; of parameters that come twice the last counts."

NO = "not to be had"  # cases.NOT_TO_BE_HAD
LAST = "the last counts"

# (case, front end): (the cell; None is a "yes"; {"unix": ..., "tcp": ...} where they differ; the reason). Of a tuple one is
# seen, which depends on the server's version; those of a set are seen now and then, and the table has all of them.
DIFFERENCES = {
    ("paths_beyond_ASCII_unescaped", "haproxy"): ("400", REFUSES),
    ("bad_escapes", "haproxy"): ("500", REFUSES),
    ("escaped_NUL", "haproxy"): ("502", DECODES),
    ("escaped_NUL", "h2o"): ("503", DECODES),
    ("escaped_NUL", "apache"): ("404", DECODES),
    ("a_header_sent_twice", "nginx"): ((None, LAST), EACH),
    ("a_header_sent_twice", "haproxy"): (LAST, EACH),
    ("a_header_sent_twice", "h2o"): (LAST, EACH),
    ("a_chunked_upload_of_100_kB", "haproxy"): ("400", CHUNKED),
    ("a_chunked_upload_of_3_MB", "haproxy"): ("400", CHUNKED),
    ("an_empty_chunked_upload", "haproxy"): ("408", CHUNKED),
    ("CONTENT_LENGTH_of_a_chunked_upload", "caddy"): ("absent", NO_LENGTH),
    ("unbuffered_uploads", "lighttpd"): ({None, "chunked: 411"}, ASKS_FOR_A_LENGTH),
    ("unbuffered_uploads", "apache"): (NO, NO_UNBUFFERED),
    ("unbuffered_uploads", "haproxy"): (NO, NO_UNBUFFERED),
    ("unbuffered_uploads", "h2o"): (NO, NO_UNBUFFERED),
    ("a_slow_upload_holds_no_worker", "apache"): ({None, "no"}, AS_IT_COMES),
    ("a_slow_upload_holds_no_worker", "haproxy"): ({None, "no"}, AS_IT_COMES),
    ("the_first_byte_comes_before_the_last_is_made", "nginx"): ("if asked", BUFFERED),
    ("kept_connections", "lighttpd"): (NO, NOT_KEPT),
    ("kept_connections", "caddy"): (NO, NOT_KEPT),
    ("after_a_kept_connection_was_closed", "lighttpd"): (NO, NOT_KEPT),
    ("after_a_kept_connection_was_closed", "caddy"): (NO, NOT_KEPT),
    ("after_a_kept_connection_was_closed", "apache"): ({None, "503"}, NOT_SENT_AGAIN),
    ("a_worker_killed_before_it_answers", "lighttpd"): ("500", OWN_STATUS),
    ("a_worker_killed_before_it_answers", "apache"): ("503", OWN_STATUS),
    ("a_worker_killed_before_it_answers", "h2o"): ("503", OWN_STATUS),
    ("a_worker_killed_in_mid_response", "nginx"): ("whole to the client", CUT_SHORT),
    ("a_worker_killed_in_mid_response", "caddy"): ("whole to the client", CUT_SHORT),
    ("a_worker_killed_in_mid_response", "h2o"): ("whole to the client", CUT_SHORT),
    ("a_full_backlog", "nginx"): ({"unix": {None, "502"}, "tcp": None}, QUEUE),
    ("a_full_backlog", "lighttpd"): ({"unix": {None, "500", "503", "500 and 503"}, "tcp": None}, QUEUE),
    ("a_full_backlog", "apache"): ({None, "503"}, QUEUE),
    ("a_full_backlog", "haproxy"): ({"unix": {None, "503"}, "tcp": None}, QUEUE),
    ("a_full_backlog", "caddy"): ({None, "502"}, QUEUE),
    ("a_full_backlog", "h2o"): ({"unix": {None, "503"}, "tcp": None}, QUEUE),
    ("public_files", "haproxy"): ("served by the app", NO_FILES),
    ("public_files", "h2o"): ("served by the app", NO_FILES),
    ("sendfile", "haproxy"): (NO, NO_SENDFILE),
    ("sendfile", "caddy"): (NO, NO_SENDFILE),
    ("sendfile", "h2o"): (NO, NO_SENDFILE),
    ("authorizer", "apache"): ({"unix": NO, "tcp": None}, NO_ROLE),
    ("authorizer", "haproxy"): (NO, NO_ROLE),
    ("authorizer", "caddy"): (NO, NO_ROLE),
    ("authorizer", "h2o"): (NO, NO_ROLE),
}


def expected(case, front_end, transport):
    """The cells that may be seen, as they stand above; None is the "yes" of all others."""
    cells = DIFFERENCES.get((case, front_end), (None, None))[0]
    if isinstance(cells, dict):
        cells = cells[transport]
    return cells if isinstance(cells, (set, tuple)) else (cells,)


def reason(case, front_end):
    return DIFFERENCES.get((case, front_end), (None, None))[1]
