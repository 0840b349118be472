/* Files that the front end is to send: which, and how they are named. */
#include "rack_fixture.h"

/* Answers GET /NAME with the file NAME, status and headers by the query. */
static void load_files(void)
{
    load_app("class FileBody\n  def initialize(path) @path = path end\n  def to_path; @path end\nend\n"
             "run ->(env) { [env['QUERY_STRING'] == '' ? 200 : env['QUERY_STRING'].to_i, $headers || {},"
             " FileBody.new(env['PATH_INFO'][1, 999])] }");
}

static void make_directory(const char *name)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void make_file(const char *name)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    write_file(path, "content", 7);
}

static char from[96];
static char to[] = "/send file";

static void hand_over(enum config_sendfile header, const char *below)
{
    snprintf(from, sizeof from, "%s%s", directory, below);
    app_config.sendfile.enabled = true;
    app_config.sendfile.header = header;
    app_config.sendfile.from = from;
    app_config.sendfile.to = to;
}

static int set_up_files(void **state)
{
    if (set_up(state) == -1)
        return -1;
    make_directory("files");
    make_file("files/a.txt");
    make_file("outside.txt");
    load_files();
    return 0;
}

#define SENT "Status: 200 OK\r\nContent-Length: 7\r\n\r\ncontent"

static void test_without_the_setting_cowherd_sends(void **state)
{
    (void)state;
    param("HTTP_X_SENDFILE_TYPE=X-Accel-Redirect");
    param("HTTP_X_ACCEL_MAPPING=/=/");
    assert_string_equal(get("/files/a.txt"), SENT);
}

static void test_x_accel_redirect(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    assert_string_equal(get("/files/a.txt"),
                        "Status: 200 OK\r\nX-Accel-Redirect: /send%20file/a.txt\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(request.body_sent, 0);
}

static void test_x_sendfile(void **state)
{
    char expected[160];

    (void)state;
    hand_over(SENDFILE_X_SENDFILE, "/files/");
    snprintf(expected, sizeof expected, "Status: 200 OK\r\nX-Sendfile: %s/files/a.txt\r\nContent-Length: 0\r\n\r\n",
             directory);
    assert_string_equal(get("/files/a.txt"), expected);
}

static void test_without_a_directory_it_is_the_root(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "");
    app_config.sendfile.from = NULL;
    assert_has(get("/files/a.txt"), "X-Accel-Redirect: /send%20file/files/a.txt\r\n");
}

static void test_in_a_chroot_the_front_end_sees_the_whole_path(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_SENDFILE, "/files");
    app.chroot = "/srv/new root/";
    assert_has(get("/files/a.txt"), "X-Sendfile: /srv/new%20root/tmp/cowherd-rack-");
}

static void test_names_are_encoded(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    make_directory("files/a?b");
    make_file("files/a?b/%41\r\n\xc3\xa4+#;.txt");
    assert_has(get("/files/a?b/%41\r\n\xc3\xa4+#;.txt"),
               "X-Accel-Redirect: /send%20file/a%3Fb/%2541%0D%0A%C3%A4%2B%23%3B.txt\r\n");
}

static void test_what_lies_elsewhere_cowherd_sends(void **state)
{
    char target[160], link_path[160];

    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    make_directory("files2");
    make_file("files2/b.txt");
    snprintf(target, sizeof target, "%s/outside.txt", directory);
    snprintf(link_path, sizeof link_path, "%s/files/link", directory);
    assert_int_equal(symlink(target, link_path), 0);
    assert_string_equal(get("/outside.txt"), SENT);
    assert_string_equal(get("/files2/b.txt"), SENT);
    assert_string_equal(get("/files/../outside.txt"), SENT);
    assert_string_equal(get("/files/link"), SENT);
    assert_has(get("/files/../files/a.txt"), "X-Accel-Redirect: /send%20file/a.txt\r\n");
}

static void test_a_link_to_what_lies_inside(void **state)
{
    char link_path[160];

    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    snprintf(link_path, sizeof link_path, "%s/link", directory);
    assert_int_equal(symlink("files/a.txt", link_path), 0);
    assert_has(get("/link"), "X-Accel-Redirect: /send%20file/a.txt\r\n");
}

static void test_what_is_no_regular_file(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "");
    assert_has(get("/files"), "Status: 500 ");
    assert_has(log_text(), "the body's file files is no regular file");
    assert_has(get("/files/missing"), "Status: 500 ");
}

static void test_other_statuses_cowherd_sends(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    param("QUERY_STRING=404");
    assert_string_equal(get("/files/a.txt"), "Status: 404 Not Found\r\nContent-Length: 7\r\n\r\ncontent");
}

static void test_a_length_of_the_app_is_taken_away(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    load_app("run ->(env) { [200, { 'x-a' => '1', 'content-length' => '7', 'x-b' => '2' }, "
             "FileBody.new('files/a.txt')] }");
    assert_string_equal(get("/"), "Status: 200 OK\r\nx-a: 1\r\nx-b: 2\r\nX-Accel-Redirect: /send%20file/a.txt\r\n"
                                  "Content-Length: 0\r\n\r\n");
}

static void test_head(void **state)
{
    (void)state;
    hand_over(SENDFILE_X_ACCEL_REDIRECT, "/files");
    assert_has(serve("HEAD", "/files/a.txt"), "X-Accel-Redirect: /send%20file/a.txt\r\n");
}

#define TEST_FILES(test) cmocka_unit_test_setup_teardown(test, set_up_files, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_FILES(test_without_the_setting_cowherd_sends),
        TEST_FILES(test_x_accel_redirect),
        TEST_FILES(test_x_sendfile),
        TEST_FILES(test_without_a_directory_it_is_the_root),
        TEST_FILES(test_in_a_chroot_the_front_end_sees_the_whole_path),
        TEST_FILES(test_names_are_encoded),
        TEST_FILES(test_what_lies_elsewhere_cowherd_sends),
        TEST_FILES(test_a_link_to_what_lies_inside),
        TEST_FILES(test_what_is_no_regular_file),
        TEST_FILES(test_other_statuses_cowherd_sends),
        TEST_FILES(test_a_length_of_the_app_is_taken_away),
        TEST_FILES(test_head),
    };

    return cmocka_run_group_tests_name("rack_sendfile", tests, NULL, NULL);
}
