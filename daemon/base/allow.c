#include "allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

#define ADDRESS_SIZE 16
#define MAPPED_BITS 96 /* IPv4 addresses are kept as ::ffff:a.b.c.d */

struct allow_entry {
    uint8_t address[ADDRESS_SIZE];
    unsigned bits;
};

struct allow_list {
    size_t count;
    struct allow_entry entries[];
};

static const uint8_t mapped_prefix[MAPPED_BITS / 8] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const uint8_t address[ADDRESS_SIZE])
{
    return memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0;
}

static void map_ipv4(const void *ipv4, uint8_t address[ADDRESS_SIZE])
{
    memcpy(address, mapped_prefix, sizeof mapped_prefix);
    memcpy(address + sizeof mapped_prefix, ipv4, ADDRESS_SIZE - sizeof mapped_prefix);
}

/* The number behind the slash; -1 when it is none or more than `most`. */
static int parse_bits(const char *text, int most)
{
    int bits = 0;

    if (*text == '\0' || strlen(text) > 3)
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        bits = bits * 10 + (*text - '0');
    }
    return bits <= most ? bits : -1;
}

static bool parse_entry(const char *item, struct allow_entry *entry)
{
    char text[INET6_ADDRSTRLEN];
    const char *slash = strchr(item, '/');
    size_t length = slash != NULL ? (size_t)(slash - item) : strlen(item);
    struct in_addr ipv4;
    int bits;

    if (length >= sizeof text)
        return false;
    memcpy(text, item, length);
    text[length] = '\0';
    if (inet_pton(AF_INET, text, &ipv4) == 1) {
        map_ipv4(&ipv4, entry->address);
        bits = slash != NULL ? parse_bits(slash + 1, 32) : 32;
        entry->bits = (unsigned)bits + MAPPED_BITS;
    } else if (inet_pton(AF_INET6, text, entry->address) == 1) {
        bits = slash != NULL ? parse_bits(slash + 1, 128) : 128;
        entry->bits = (unsigned)bits;
    } else {
        return false;
    }
    return bits >= 0;
}

struct allow_list *allow_list_new(char *const *items, size_t count, const char **wrong)
{
    struct allow_list *list = xmalloc(sizeof *list + count * sizeof list->entries[0]);

    list->count = count;
    for (size_t i = 0; i < count; i++)
        if (!parse_entry(items[i], &list->entries[i])) {
            *wrong = items[i];
            free(list);
            return NULL;
        }
    return list;
}

void allow_list_free(struct allow_list *list)
{
    free(list);
}

static bool entry_matches(const struct allow_entry *entry, const uint8_t address[ADDRESS_SIZE])
{
    unsigned bytes = entry->bits / 8, rest = entry->bits % 8;

    if (entry->bits < MAPPED_BITS && is_mapped(address))
        return false;
    if (memcmp(entry->address, address, bytes) != 0)
        return false;
    return rest == 0 || ((entry->address[bytes] ^ address[bytes]) & (0xff << (8 - rest)) & 0xff) == 0;
}

bool allow_list_matches(const struct allow_list *list, const struct sockaddr *client)
{
    uint8_t address[ADDRESS_SIZE];

    if (list->count == 0)
        return true;
    if (client->sa_family == AF_INET)
        map_ipv4(&((const struct sockaddr_in *)(const void *)client)->sin_addr, address);
    else if (client->sa_family == AF_INET6)
        memcpy(address, &((const struct sockaddr_in6 *)(const void *)client)->sin6_addr, sizeof address);
    else
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (entry_matches(&list->entries[i], address))
            return true;
    return false;
}
