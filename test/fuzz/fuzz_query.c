/* libFuzzer: any bytes as a query string, a form or cookies: the parts lie in it, in their order, as many as it is said
 * to have at most, and none has a separator. What percent-encoding writes it reads as the same. */
#include <stdlib.h>
#include <string.h>

#include "percent_coding.h"
#include "query.h"
#include "require.h"

static void check_pairs(const char *text, size_t size, const char *separators)
{
    const char *at = text, *end = text + size, *last = text;
    size_t count = 0;
    struct query_pair pair;

    while (query_next(&at, end, separators, &pair)) {
        require(pair.name >= last && pair.name + pair.name_length <= end);
        last = pair.name + pair.name_length;
        if (pair.value != NULL) {
            require(pair.value == last + 1 && *last == '=' && pair.value + pair.value_length <= end);
            last = pair.value + pair.value_length;
        }
        require(last > pair.name && at >= last && at <= end);
        for (const char *byte = pair.name; byte < last; byte++)
            require(*byte == '\0' || strchr(separators, *byte) == NULL);
        require(memchr(pair.name, '=', pair.name_length) == NULL);
        count++;
    }
    require(at == end && count <= query_count(text, size, separators));
}

static void check_coding(const char *text, size_t size)
{
    char *coded = malloc(size * 3 + 1), *plain = malloc(size * 3 + 1);

    require(coded != NULL && plain != NULL);
    for (int form = 0; form < 2; form++) {
        size_t coded_size = percent_encode(coded, text, size, "*-._", form);
        require(coded_size <= size * 3);
        size_t plain_size = percent_decode(plain, coded, coded_size, form ? PERCENT_FORM : 0);
        require(plain_size == size && memcmp(plain, text, size) == 0);
    }
    size_t strict = percent_decode(plain, text, size, PERCENT_FORM);
    size_t tolerant = percent_decode(coded, text, size, PERCENT_FORM | PERCENT_TOLERANT);
    require(tolerant <= size && (strict == PERCENT_BROKEN || strict == tolerant));
    free(coded);
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    check_pairs(text, size, "&");
    check_pairs(text, size, ";");
    check_pairs(text, size, "&;,");
    check_coding(text, size);
    return 0;
}
