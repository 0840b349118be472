/* Tickets: who waits for several parts is told once, when the last is settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "ticket.h"

struct outcome {
    unsigned calls;
    bool succeeded;
    char text[256];
};

static void done(void *data, bool succeeded, const char *text)
{
    struct outcome *outcome = data;
    outcome->calls++;
    outcome->succeeded = succeeded;
    snprintf(outcome->text, sizeof outcome->text, "%s", text);
}

static void test_the_last_part_tells(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct ticket *ticket = ticket_new(done, &outcome);
    ticket_hold(ticket);
    ticket_hold(ticket);
    ticket_settle(ticket, true, "one %d", 1);
    ticket_settle(ticket, true, "%s", "");
    assert_int_equal(outcome.calls, 0);
    ticket_settle(ticket, true, "two\n");
    assert_int_equal(outcome.calls, 1);
    assert_true(outcome.succeeded);
    assert_string_equal(outcome.text, "one 1\ntwo\n");
}

static void test_one_failure_fails_all(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct ticket *ticket = ticket_new(done, &outcome);
    ticket_hold(ticket);
    ticket_settle(ticket, false, "broken");
    ticket_settle(ticket, true, "fine");
    assert_int_equal(outcome.calls, 1);
    assert_false(outcome.succeeded);
    assert_string_equal(outcome.text, "broken\nfine\n");
}

static void test_an_abandoned_ticket_tells_nobody(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct ticket *ticket = ticket_new(done, &outcome);
    ticket_hold(ticket);
    ticket_abandon(ticket);
    ticket_settle(ticket, true, "x");
    ticket_settle(ticket, true, "x");
    assert_int_equal(outcome.calls, 0);
}

static void test_nobody_waits(void **state)
{
    (void)state;
    struct ticket_list list = { 0 };
    ticket_hold(NULL);
    ticket_settle(NULL, true, "x");
    ticket_abandon(NULL);
    ticket_list_add(&list, NULL);
    assert_int_equal(list.count, 0);
    ticket_list_settle(&list, true, "x");
}

static void test_a_list_settles_all_and_is_empty(void **state)
{
    (void)state;
    struct outcome first = { 0 }, second = { 0 };
    struct ticket_list list = { 0 }, more = { 0 };
    ticket_list_add(&list, ticket_new(done, &first));
    ticket_list_add(&more, ticket_new(done, &second));
    ticket_list_move(&list, &more);
    assert_int_equal(more.count, 0);
    assert_int_equal(list.count, 2);
    ticket_list_settle(&list, true, "100 % %s");
    assert_int_equal(list.count, 0);
    assert_int_equal(first.calls + second.calls, 2);
    assert_string_equal(second.text, "100 % %s\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_part_tells),
        cmocka_unit_test(test_one_failure_fails_all),
        cmocka_unit_test(test_an_abandoned_ticket_tells_nobody),
        cmocka_unit_test(test_nobody_waits),
        cmocka_unit_test(test_a_list_settles_all_and_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
