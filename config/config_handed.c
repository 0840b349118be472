#include "config_handed.h"

#include <unistd.h>

#include "log.h"
#include "strbuf.h"

struct config *config_handed(int fd)
{
    struct strbuf text = { 0 };
    struct config_report report;
    char bytes[16384];
    ssize_t got;

    for (off_t offset = 0; (got = pread(fd, bytes, sizeof bytes, offset)) > 0; offset += got)
        strbuf_append(&text, bytes, (size_t)got);
    if (got < 0)
        fatal("the configuration can't be read");
    close(fd);
    struct config *config = config_parse(text.data ? text.data : "", text.length, "canonical", "/", &report);
    if (!config || config->pool_count != 1)
        fatalx("the canonical configuration can't be parsed: %s",
               report.errors.count ? report.errors.items[0] : "it has not one pool");
    config_report_free(&report);
    strbuf_free(&text);
    return config;
}
