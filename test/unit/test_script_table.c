/* The scripts that are known, by their files. */
#include "script_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static unsigned freed;

/* In place of script.c: the table frees what it holds, and does nothing else with it. */
void script_free(struct script *script)
{
    freed += script != NULL;
}

static struct script_entry *add(struct script_table *table, const char *file)
{
    static char script;
    struct script_entry *entry = script_table_add(table, "/srv/site", "/at", file);

    entry->script = (struct script *)&script;
    script_table_touch(table, entry);
    return entry;
}

static const char *number(unsigned i)
{
    static char text[32];

    snprintf(text, sizeof text, "dir%u/script%u.rb", i % 7, i);
    return text;
}

static void names_an_entry_as_requests_and_the_file_system_do(void **state)
{
    struct script_table table = { 0 };

    (void)state;
    assert_null(script_table_find(&table, "a.rb"));
    assert_null(script_table_oldest(&table));
    struct script_entry *entry = add(&table, "d/a.rb"), *top = script_table_add(&table, "/", "", "b.rb");
    assert_string_equal(entry->path, "/srv/site/d/a.rb");
    assert_string_equal(entry->file, "d/a.rb");
    assert_string_equal(entry->script_name, "/at/d/a.rb");
    assert_string_equal(top->path, "/b.rb");
    assert_string_equal(top->file, "b.rb");
    assert_string_equal(top->script_name, "/b.rb");
    assert_ptr_equal(script_table_find(&table, "d/a.rb"), entry);
    assert_null(script_table_find(&table, "a.rb"));
    assert_null(script_table_find(&table, "d/a.r"));
    script_table_free(&table);
}

static void finds_each_of_many(void **state)
{
    struct script_table table = { 0 };

    (void)state;
    freed = 0;
    for (unsigned i = 0; i < 5000; i++)
        add(&table, number(i));
    assert_int_equal(table.count, 5000);
    for (unsigned i = 0; i < 5000; i++)
        assert_string_equal(script_table_find(&table, number(i))->file, number(i));
    assert_null(script_table_find(&table, number(5000)));
    script_table_free(&table);
    assert_int_equal(freed, 5000);
    assert_int_equal(table.count, 0);
    assert_null(script_table_find(&table, number(0)));
}

/* As scripts.c does at its limit: the new one comes, the oldest goes. */
static void the_one_that_was_not_used_for_longest_goes(void **state)
{
    enum { LIMIT = 100 };
    struct script_table table = { 0 };

    (void)state;
    freed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        add(&table, number(i));
        script_table_touch(&table, script_table_find(&table, number(0)));
        if (table.count > LIMIT)
            script_table_remove(&table, script_table_oldest(&table));
    }
    assert_int_equal(table.count, LIMIT);
    assert_int_equal(freed, 1000 - LIMIT);
    for (unsigned i = 0; i < 1000; i++) {
        bool stays = i == 0 || i > 1000 - LIMIT;
        assert_int_equal(script_table_find(&table, number(i)) != NULL, stays);
    }
    script_table_free(&table);
    assert_int_equal(freed, 1000);
}

static void looking_one_up_writes_nothing(void **state)
{
    struct script_table table = { 0 };

    (void)state;
    struct script_entry *first = add(&table, "first.rb"), before = *first;
    add(&table, "second.rb");
    struct script_table table_before = table;
    assert_ptr_equal(script_table_find(&table, "first.rb"), first);
    assert_memory_equal(first, &before, sizeof before);
    assert_memory_equal(&table, &table_before, sizeof table);
    assert_ptr_equal(script_table_oldest(&table), first);
    script_table_touch(&table, first);
    assert_ptr_equal(script_table_oldest(&table), script_table_find(&table, "second.rb"));
    script_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_an_entry_as_requests_and_the_file_system_do),
        cmocka_unit_test(finds_each_of_many),
        cmocka_unit_test(the_one_that_was_not_used_for_longest_goes),
        cmocka_unit_test(looking_one_up_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
