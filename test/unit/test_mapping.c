#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mapping.h"

#define REGION_START 0x7f0000000000
#define REGION_END 0x7f0000100000

struct line {
    const char *text;
    enum mapping_kind kind;
};

/* As the kernel writes them, in the order of addresses. */
static const struct line process[] = {
    { "55d0c6a00000-55d0c6a2f000 r--p 00000000 fe:00 1234                       /usr/libexec/cowherd-mold",
      MAPPING_LIBRARIES },
    { "55d0c6a2f000-55d0c6b00000 rw-p 0002f000 fe:00 1234                       /usr/libexec/cowherd-mold",
      MAPPING_LIBRARIES },
    { "55d0c6b00000-55d0c6b04000 rw-p 00000000 00:00 0 ", MAPPING_LIBRARIES }, /* its .bss */
    { "55d0c7000000-55d0c7100000 rw-p 00000000 00:00 0                          [heap]", MAPPING_YOUNG },
    { "7f0000000000-7f0000040000 rw-p 00000000 00:01 9                          /memfd:cowherd-region (deleted)",
      MAPPING_REGION },
    { "7f0000040000-7f0000041000 r--p 00040000 00:01 9                          /memfd:cowherd-region (deleted)",
      MAPPING_REGION },
    { "7f0000041000-7f0000100000 rw-p 00041000 00:01 9                          /memfd:cowherd-region (deleted)",
      MAPPING_REGION },
    { "7f0000100000-7f0000200000 rw-p 00000000 00:00 0 ", MAPPING_YOUNG }, /* behind a memfd: no .bss */
    { "7f1000000000-7f1000021000 rw-p 00000000 00:00 0 ", MAPPING_YOUNG }, /* an arena */
    { "7f1000021000-7f1004000000 ---p 00000000 00:00 0 ", MAPPING_OTHER }, /* what is only reserved of it */
    { "7f2000000000-7f2000001000 rw-s 00000000 00:01 5                          /memfd:cowherd-scoreboard (deleted)",
      MAPPING_OTHER },
    { "7f2000002000-7f2000003000 rw-s 00000000 00:01 6                          /dev/zero (deleted)", MAPPING_OTHER },
    { "7f2000004000-7f2000005000 rw-s 00000000 00:01 7                          /dev/shm/store", MAPPING_OTHER },
    { "7f2000006000-7f2000007000 rw-s 00000000 00:01 7                          /SYSV00000000 (deleted)",
      MAPPING_OTHER },
    { "7f2000008000-7f2000009000 rw-p 00000000 00:00 0                          [anon: something]", MAPPING_OTHER },
    { "7f3000000000-7f3000020000 r-xp 00000000 fe:00 99                         /usr/lib/with space/libc.so.6",
      MAPPING_LIBRARIES },
    { "7f3000020000-7f300002d000 rw-p 00000000 00:00 0 ", MAPPING_LIBRARIES },
    { "7f300002d000-7f3000030000 rw-p 00000000 00:00 0 ", MAPPING_YOUNG }, /* behind that, not behind a file */
    { "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]", MAPPING_STACK },
    { "7ffc00050000-7ffc00052000 r-xp 00000000 00:00 0                          [vdso]", MAPPING_OTHER },
    { "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]", MAPPING_OTHER },
};

static void a_process(void **state)
{
    struct mapping_reader reader = { .region_start = REGION_START, .region_end = REGION_END };
    struct mapping mapping;

    (void)state;
    for (size_t i = 0; i < sizeof process / sizeof *process; i++) {
        assert_true(mapping_parse(&reader, process[i].text, &mapping));
        if (mapping.kind != process[i].kind)
            fail_msg("%d in place of %d: %s", mapping.kind, process[i].kind, process[i].text);
    }
}

/* Nobody's own, even when one process alone has touched them so far. */
static void shared_files(void **state)
{
    static const struct {
        const char *text;
        bool shared;
    } lines[] = {
        { "7f2000000000-7f2000001000 rw-s 00000000 00:01 5                          /memfd:cowherd-store (deleted)",
          true },
        { "7f2000000000-7f2000001000 r--s 00000000 fe:00 5                          /srv/www/values", true },
        { "7f2000000000-7f2000001000 rw-p 00000000 00:01 5                          /memfd:cowherd-region (deleted)",
          false },
        { "7f2000002000-7f2000003000 rw-s 00000000 00:01 6                          /dev/zero (deleted)", false },
        { "7f3000000000-7f3000020000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so.6", false },
        { "7f1000000000-7f1000021000 rw-p 00000000 00:00 0 ", false },
    };
    struct mapping_reader reader = { 0 };
    struct mapping mapping;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_true(mapping_parse(&reader, lines[i].text, &mapping));
        if (mapping.shared != lines[i].shared)
            fail_msg("%d: %s", mapping.shared, lines[i].text);
    }
}

static void addresses(void **state)
{
    struct mapping_reader reader = { 0 };
    struct mapping mapping;

    (void)state;
    assert_true(mapping_parse(&reader, process[20].text, &mapping));
    assert_true(mapping.start == 0xffffffffff600000 && mapping.end == 0xffffffffff601000);
}

/* Without a region, the memfd is but one more shared thing. */
static void no_region(void **state)
{
    struct mapping_reader reader = { 0 };
    struct mapping mapping;

    (void)state;
    assert_true(mapping_parse(&reader, process[4].text, &mapping));
    assert_int_equal(mapping.kind, MAPPING_OTHER);
}

static void other_lines(void **state)
{
    static const char *const lines[] = { "",
                                         "Rss:                 123 kB",
                                         "VmFlags: rd wr mr mw me ac sd",
                                         "Anonymous:           8 kB",
                                         "abc",
                                         "7f00-",
                                         "7f00-7f01",
                                         "7f00 7f01 rw-p",
                                         "THPeligible:    0" };
    struct mapping_reader reader = { 0 };
    struct mapping mapping;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_false(mapping_parse(&reader, lines[i], &mapping));
    /* Cut, but one all the same. */
    assert_true(mapping_parse(&reader, "7f00-7f01 ", &mapping));
    assert_int_equal(mapping.kind, MAPPING_OTHER);
    assert_true(mapping_parse(&reader, "7f00-7f01 rw", &mapping));
    assert_int_equal(mapping.kind, MAPPING_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process), cmocka_unit_test(shared_files), cmocka_unit_test(addresses),
        cmocka_unit_test(no_region), cmocka_unit_test(other_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
