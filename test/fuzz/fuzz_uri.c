/* libFuzzer: any bytes as a URI: its parts lie in it, in their order, and what is put together from them is the same
 * text. */
#include <string.h>

#include "require.h"
#include "uri_split.h"

static void check(const uint8_t *data, size_t size, struct uri_part part)
{
    const char *text = (const char *)data;

    if (part.text != NULL)
        require(part.text >= text && part.length <= size && part.text + part.length <= text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uri_parts parts;

    if (!uri_split((const char *)data, size, &parts))
        return 0;
    check(data, size, parts.scheme);
    check(data, size, parts.userinfo);
    check(data, size, parts.host);
    check(data, size, parts.port);
    check(data, size, parts.path);
    check(data, size, parts.opaque);
    check(data, size, parts.query);
    check(data, size, parts.fragment);
    require(parts.path.text != NULL || parts.opaque.text != NULL);
    require(parts.port.length <= 5);
    require(memchr(data, '\0', size) == NULL && memchr(data, '\n', size) == NULL && memchr(data, ' ', size) == NULL);
    return 0;
}
