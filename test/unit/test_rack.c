/* Loading a rackup file, calling what it gives, exceptions, the working directory. */
#include "rack_fixture.h"

#include <stdlib.h>

#include "clock.h"

static const char *load_error(const char *source)
{
    static char text[4096];
    struct strbuf error = { 0 };

    assert_false(load_source(source, &error));
    snprintf(text, sizeof text, "%s", error.data);
    strbuf_free(&error);
    return text;
}

static void test_run(void **state)
{
    (void)state;
    load_app("run ->(env) { [200, { 'content-type' => 'text/plain' }, ['Hello ', env['PATH_INFO']]] }");
    assert_string_equal(get("/x"), "Status: 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 8\r\n\r\nHello /x");
    assert_int_equal(request.status, 200);
    assert_int_equal(request.body_sent, 8);
    assert_false(request.error_answered);
}

static void test_run_with_a_block(void **state)
{
    (void)state;
    load_app("run { |env| [200, {}, ['block']] }");
    assert_has(get("/"), "\r\n\r\nblock");
}

static void test_use_with_arguments_and_block(void **state)
{
    (void)state;
    load_app("class Around\n"
             "  def initialize(app, a, b: '', &c) @app = app; @text = a + b + c.call end\n"
             "  def call(env) s, h, b = @app.call(env); [s, h, [@text] + b] end\n"
             "end\n"
             "use(Around, '1', b: '2') { '3' }\n"
             "run ->(env) { [200, {}, ['x']] }");
    assert_has(get("/"), "\r\n\r\n123x");
}

static void test_map_nested(void **state)
{
    (void)state;
    load_app("map '/a' do\n"
             "  map('/b') { run ->(env) { [200, {}, [env['SCRIPT_NAME'], '|', env['PATH_INFO']]] } }\n"
             "  run ->(env) { [200, {}, ['a']] }\n"
             "end\n");
    assert_has(get("/a/b/c"), "\r\n\r\n/a/b|/c");
    assert_has(get("/a/x"), "\r\n\r\na");
    assert_has(get("/x"), "Status: 404 Not Found\r\n");
}

static void test_last_expression(void **state)
{
    (void)state;
    load_app("class App\n  def call(env) [200, {}, ['last']] end\nend\nApp.new\n");
    assert_has(get("/"), "\r\n\r\nlast");
}

static void test_last_expression_behind_middleware(void **state)
{
    (void)state;
    load_app("class Shout\n  def initialize(app) @app = app end\n"
             "  def call(env) s, h, b = @app.call(env); [s, h, b.map { |c| c.upcase }] end\nend\n"
             "use Shout\n->(env) { [200, {}, ['last']] }\n");
    assert_has(get("/"), "\r\n\r\nLAST");
}

static void test_run_beats_the_last_expression(void **state)
{
    (void)state;
    load_app("run ->(env) { [200, {}, ['run']] }\n->(env) { [200, {}, ['last']] }\n");
    assert_has(get("/"), "\r\n\r\nrun");
}

static void test_class_with_call(void **state)
{
    (void)state;
    load_app("class App\n  def self.call(env) [200, {}, ['class']] end\nend\nrun App\n");
    assert_has(get("/"), "\r\n\r\nclass");
}

static void test_methods_and_constants_of_the_file(void **state)
{
    (void)state;
    load_app("GREETING = 'hello'\nlocal = ' local'\ndef greet(name) GREETING + ' ' + name end\n"
             "class Greeter\n  def call(env) [200, {}, [greet('you')]] end\nend\n"
             "map('/local') { run ->(env) { [200, {}, [greet('me'), local]] } }\n"
             "run Greeter.new\n");
    assert_has(get("/"), "\r\n\r\nhello you");
    assert_has(get("/local"), "\r\n\r\nhello me local");
}

static void test_nothing_to_run(void **state)
{
    (void)state;
    assert_has(load_error("x = 1\n"), "config.ru: nothing to run: the file calls neither run nor map, and its last "
                                      "expression (Integer) does not respond to call (RuntimeError)");
    assert_has(load_error(""), "its last expression (nil) does not respond to call");
    assert_has(load_error("self\n"), "nothing to run");
    assert_has(load_error("run 42\n"), "run needs an application that responds to call, not 42 (ArgumentError)\n  ");
}

static void test_middleware_that_makes_no_app(void **state)
{
    (void)state;
    assert_has(load_error("class Nothing\n  def self.new(app) :nothing end\nend\nuse Nothing\nrun ->(env) {}\n"),
               "the middleware makes Symbol, which does not respond to call");
}

static void test_load_errors_name_file_and_line(void **state)
{
    char expected[256];

    (void)state;
    snprintf(expected, sizeof expected, "undefined method 'oops' (NoMethodError)\n  %s:2", rackup);
    assert_has(load_error("\noops\n"), expected);
    snprintf(expected, sizeof expected, "%s:3:0: syntax error", rackup);
    assert_has(load_error("x = 1\ny = [\n"), expected);
    assert_has(load_error("exit\n"), "(SystemExit)");
}

static void test_exception_is_a_500_with_a_log_line(void **state)
{
    char expected[256];

    (void)state;
    load_app("def deep\n  raise ArgumentError, 'no such thing'\nend\nrun ->(env) {\n  deep\n}\n");
    assert_string_equal(get("/a/b"), "Status: 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                     "X-Content-Type-Options: nosniff\r\nContent-Length: 26\r\n\r\n"
                                     "500 Internal Server Error\n");
    assert_true(request.error_answered);
    assert_int_equal(request.status, 500);
    snprintf(expected, sizeof expected, " error [blog.example.org/] GET /a/b: no such thing (ArgumentError)\n");
    assert_has(log_text(), expected);
    snprintf(expected, sizeof expected, "[blog.example.org/]   %s:2:in deep\n", rackup);
    assert_has(log_text(), expected);
    snprintf(expected, sizeof expected, "[blog.example.org/]   %s:5\n", rackup);
    assert_has(log_text(), expected);
}

static void test_show_errors(void **state)
{
    (void)state;
    show_errors = true;
    load_app("run ->(env) {\n  raise 'shown' }\n");
    assert_has(get("/"), "500 Internal Server Error\n\nshown (RuntimeError)\n  /");
    assert_has(transport.out.data, "config.ru:2\n");
}

static void test_a_500_of_the_app_itself_is_its_answer(void **state)
{
    (void)state;
    load_app("run ->(env) { [500, {}, ['mine']] }");
    assert_has(get("/"), "Status: 500 Internal Server Error\r\n");
    assert_false(request.error_answered);
    assert_string_equal(log_text(), "");
}

static void test_every_kind_of_exception(void **state)
{
    (void)state;
    load_app("def endless(n) endless(n + 1) end\n"
             "run ->(env) {\n"
             "  case env['PATH_INFO']\n"
             "  when '/exit' then exit\n"
             "  when '/throw' then throw :x\n"
             "  when '/break' then proc { break }.call\n"
             "  when '/stack' then endless(0)\n"
             "  when '/memory' then raise NoMemoryError\n"
             "  when '/exception' then raise Exception, 'plain'\n"
             "  when '/gone' then raise Cowherd::ClientGone\n"
             "  when '/fiber' then Fiber.new { raise 'in a fiber' }.resume\n"
             "  else [200, {}, ['fine']]\n"
             "  end }\n");
    static const char *const paths[] = { "/exit",   "/throw",     "/break", "/stack",
                                         "/memory", "/exception", "/gone",  "/fiber" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_has(get(paths[i]), "Status: 500 Internal Server Error\r\n");
        assert_true(request.error_answered);
        assert_has(get("/"), "\r\n\r\nfine");
        assert_ptr_equal(app.vm->mrb->c->ci, app.vm->mrb->c->cibase);
    }
    assert_has(log_text(), "GET /exit: exit was called: this process is not the app's to end (SystemExit)");
    assert_has(log_text(), "GET /stack: stack level too deep (SystemStackError)");
    assert_has(log_text(), "in a fiber (RuntimeError)");
}

static void test_exception_whose_message_raises(void **state)
{
    (void)state;
    load_app("class Bad < StandardError\n  def message; raise 'again'; end\nend\nrun ->(env) { raise Bad }");
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "GET /: (an exception whose message raises another) (Bad)");
}

static void test_log_line_cannot_be_forged(void **state)
{
    (void)state;
    load_app("run ->(env) { raise \"a\\e[31mb\\rc\" }");
    get("/x\n2026 error [other] forged");
    assert_has(log_text(), "a\\x1B[31mb\\x0Dc (RuntimeError)");
    assert_has(log_text(), "GET /x\\x0A2026 error [other] forged: a");
}

static void test_working_directory_is_the_root(void **state)
{
    char expected[256];

    (void)state;
    load_app("run ->(env) { at = Dir.getwd; Dir.chdir('/'); [200, {}, [at]] }");
    snprintf(expected, sizeof expected, "\r\n\r\n%s", directory);
    assert_int_equal(chdir("/usr"), 0);
    assert_has(get("/"), expected);
    assert_has(get("/"), expected); /* an app's own chdir does not outlive its request */
}

static void test_lint_in_development_alone(void **state)
{
    static const char source[] = "run ->(env) { [200, { 'X-A' => 'b' }, ['x']] }";

    (void)state;
    setenv("RACK_ENV", "development", 1);
    load_app(source);
    assert_has(get("/"), "Status: 500 ");
    assert_has(log_text(), "GET /: uppercase character in header name: X-A (Rack::Lint::LintError)");
    load_app("run ->(env) { [200, { 'x-a' => 'b' }, ['x']] }");
    assert_string_equal(get("/"), "Status: 200 OK\r\nx-a: b\r\nContent-Length: 1\r\n\r\nx");
    setenv("RACK_ENV", "production", 1);
    load_app(source);
    assert_has(get("/"), "\r\nX-A: b\r\n");
    unsetenv("RACK_ENV");
    load_app(source);
    assert_has(get("/"), "\r\nX-A: b\r\n");
}

static void test_root_that_cannot_be_entered(void **state)
{
    (void)state;
    load_app("run ->(env) { [200, {}, []] }");
    close(app.root_fd);
    app.root_fd = -1;
    assert_has(get("/"), "Status: 500 ");
    assert_true(request.error_answered);
}

static void test_app_without_a_rack_file(void **state)
{
    (void)state;
    assert_has(get("/"), "Status: 404 Not Found\r\n");
    assert_false(request.error_answered);
}

static void test_response_finished_in_reverse_order(void **state)
{
    (void)state;
    load_app("$order = []\n"
             "run ->(env) {\n"
             "  return [200, {}, [$order.inspect]] if env['PATH_INFO'] == '/order'\n"
             "  done = env['rack.response_finished']\n"
             "  done << ->(e, status, headers, error) { $order << [:first, status, headers, error, e.equal?(env)] }\n"
             "  done << ->(*) { raise 'in between' }\n"
             "  done << ->(*) { $order << :last }\n"
             "  raise 'failed' if env['PATH_INFO'] == '/fail'\n"
             "  [201, { 'a' => 'b' }, []] }\n");
    get("/");
    assert_int_equal(transport.flushes, 1); /* the client has its answer before they run */
    assert_has(get("/order"), "\r\n\r\n[:last, [:first, 201, {\"a\"=>\"b\"}, nil, true]]");
    assert_has(log_text(), "GET /: in rack.response_finished: in between (RuntimeError)");
    get("/fail");
    assert_has(get("/order"), "[:first, nil, nil, failed (RuntimeError), true]]");
}

static void test_nothing_accumulates(void **state)
{
    struct mrb_state *mrb = app.vm->mrb;
    size_t live = 0;
    mrb_sym symbols = 0;

    (void)state;
    load_app("run ->(env) {\n"
             "  raise 'x' if env['QUERY_STRING'] == 'raise'\n"
             "  env['rack.input'].read\n  env['rack.response_finished'] << ->(*) {}\n"
             "  [200, { 'x' => 'y' }, ['a'].each] }\n");
    for (int i = 0; i < 3000; i++) {
        char text[64];
        snprintf(text, sizeof text, "HTTP_X_UNKNOWN_%d=%d", i, i);
        fake_clear(&transport);
        param(text);
        param(i % 3 == 0 ? "QUERY_STRING=raise" : "QUERY_STRING=");
        param("REQUEST_URI=/");
        get("/");
        if (i == 300) {
            mrb_full_gc(mrb);
            live = mrb->gc.live;
            symbols = mrb->symidx;
        }
    }
    mrb_full_gc(mrb);
    assert_in_range(mrb->gc.live, live - 50, live + 50);
    assert_int_equal(mrb->symidx, symbols); /* nothing of a request became a symbol */
}

static void test_the_last_match_ends_with_its_request(void **state)
{
    (void)state;
    load_app("run ->(env) {\n"
             "  before = $~.inspect\n  text = 'a long text'.match(/l.*/)[0]\n"
             "  raise text if env['PATH_INFO'] == '/raise'\n"
             "  env['rack.response_finished'] << ->(*) { 'finished'.match(/f/) }\n"
             "  [200, {}, ['before: ', before, ' now: ', $~.inspect]] }");
    for (int i = 0; i < 3; i++) {
        fake_clear(&transport);
        assert_has(get("/"), "before: nil now: #<MatchData");
        fake_clear(&transport);
        assert_has(get("/raise"), "Status: 500 ");
    }
}

static void test_large_bodies_do_not_pile_up(void **state)
{
    (void)state;
    load_app("run ->(env) { [200, {}, ['x' * 20_000_000]] }");
    for (int i = 0; i < 40; i++) {
        get("/");
        fake_clear(&transport);
    }

    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0, resident = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &pages, &resident), 2);
    fclose(file);
    assert_true(resident * (unsigned long)sysconf(_SC_PAGESIZE) < 400000000);
}

static void test_classes_of_ours_survive_their_removal(void **state)
{
    (void)state;
    load_app("run ->(env) {\n"
             "  [:Input, :Stream, :Errors].each { |n| Cowherd.remove_const(n) if Cowherd.const_defined?(n) }\n"
             "  GC.start\n  [200, {}, [env['rack.input'].read, env['rack.errors'].class.to_s]] }");
    get("/");
    assert_has(get("/"), "Status: 200 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_run),
        TEST(test_run_with_a_block),
        TEST(test_use_with_arguments_and_block),
        TEST(test_map_nested),
        TEST(test_last_expression),
        TEST(test_last_expression_behind_middleware),
        TEST(test_run_beats_the_last_expression),
        TEST(test_class_with_call),
        TEST(test_methods_and_constants_of_the_file),
        TEST(test_nothing_to_run),
        TEST(test_middleware_that_makes_no_app),
        TEST(test_load_errors_name_file_and_line),
        TEST(test_exception_is_a_500_with_a_log_line),
        TEST(test_show_errors),
        TEST(test_a_500_of_the_app_itself_is_its_answer),
        TEST(test_every_kind_of_exception),
        TEST(test_exception_whose_message_raises),
        TEST(test_log_line_cannot_be_forged),
        TEST(test_working_directory_is_the_root),
        TEST(test_lint_in_development_alone),
        TEST(test_root_that_cannot_be_entered),
        TEST(test_app_without_a_rack_file),
        TEST(test_response_finished_in_reverse_order),
        TEST(test_nothing_accumulates),
        TEST(test_the_last_match_ends_with_its_request),
        TEST(test_large_bodies_do_not_pile_up),
        TEST(test_classes_of_ours_survive_their_removal),
    };

    return cmocka_run_group_tests_name("rack", tests, NULL, NULL);
}
