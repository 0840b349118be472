/*
 * syslog(3) for tests: these definitions stand before libc's, and keep what was said. The format is expanded as libc
 * would, so that a '%' that was taken for a directive shows.
 */
#ifndef COWHERD_FAKE_SYSLOG_H
#define COWHERD_FAKE_SYSLOG_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By hand: <syslog.h> would make inline functions of those that are defined here. */
#define FAKE_LOG_PID 0x01
#define FAKE_LOG_DAEMON (3 << 3)
enum { FAKE_ERR = 3, FAKE_WARNING, FAKE_NOTICE, FAKE_INFO, FAKE_DEBUG };

#define FAKE_SYSLOG_ENTRIES 16

static struct {
    unsigned opened;
    const char *ident; /* as it stands now: libc keeps the pointer, too */
    int option, facility;
    unsigned count;
    struct {
        int priority;
        char *text;
    } entries[FAKE_SYSLOG_ENTRIES];
} fake_syslog;

void openlog(const char *ident, int option, int facility);
void syslog(int priority, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);

static void fake_syslog_keep(int priority, const char *format, va_list arguments)
{
    char *text = NULL;

    if (vasprintf(&text, format, arguments) == -1 || fake_syslog.count == FAKE_SYSLOG_ENTRIES)
        abort();
    fake_syslog.entries[fake_syslog.count].priority = priority;
    fake_syslog.entries[fake_syslog.count++].text = text;
    errno = ENOTCONN; /* nobody may depend on errno behind it */
}

void openlog(const char *ident, int option, int facility)
{
    fake_syslog.opened++;
    fake_syslog.ident = ident;
    fake_syslog.option = option;
    fake_syslog.facility = facility;
}

void syslog(int priority, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fake_syslog_keep(priority, format, arguments);
    va_end(arguments);
}

/* What syslog is with _FORTIFY_SOURCE. */
void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    fake_syslog_keep(priority, format, arguments);
    va_end(arguments);
}

static void fake_syslog_clear(void)
{
    for (unsigned i = 0; i < fake_syslog.count; i++)
        free(fake_syslog.entries[i].text);
    memset(&fake_syslog, 0, sizeof fake_syslog);
}

#define assert_said(at, wanted_priority, wanted_text)                                                                  \
    do {                                                                                                               \
        assert_true(fake_syslog.count > (at));                                                                         \
        assert_int_equal(fake_syslog.entries[at].priority, wanted_priority);                                           \
        assert_string_equal(fake_syslog.entries[at].text, wanted_text);                                                \
    } while (0)

#endif
