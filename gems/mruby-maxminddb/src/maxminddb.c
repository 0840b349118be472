/*
 * MaxMindDB::Client. The file is mapped and only read: opened before a fork, all workers share its pages, and a lookup
 * writes nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <mruby.h>
#include <mruby/class.h>
#include <mruby/data.h>
#include <mruby/error.h>
#include <mruby/hash.h>
#include <mruby/string.h>

#include <maxminddb.h>

#include "record.h"

#define IPV4_BITS 32
#define IPV6_BITS 128

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void free_database(mrb_state *mrb, void *data)
{
    if (data != NULL)
        MMDB_close(data);
    mrb_free(mrb, data);
}

static const struct mrb_data_type database_type = { "MaxMindDB::Client", free_database };

static mrb_noreturn void raise_error(mrb_state *mrb, const char *path, int status)
{
    mrb_raisef(mrb, mrb_exc_get_id(mrb, mrb_intern_lit(mrb, "RuntimeError")), "invalid file format: %s: %s", path,
               MMDB_strerror(status));
}

static MMDB_s *database_of(mrb_state *mrb, mrb_value self)
{
    MMDB_s *database = mrb_data_check_get_ptr(mrb, self, &database_type);

    if (database == NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "uninitialized MaxMindDB::Client");
    return database;
}

/* open(path) */
static mrb_value open_database(mrb_state *mrb, mrb_value self)
{
    const char *path;

    mrb_get_args(mrb, "z", &path);
    if (mrb_data_check_get_ptr(mrb, self, &database_type) != NULL)
        mrb_raise(mrb, E_ARGUMENT_ERROR, "the database is open already");
    MMDB_s *database = mrb_malloc(mrb, sizeof *database);
    int status = MMDB_open(path, MMDB_MODE_MMAP, database);
    if (status != MMDB_SUCCESS) {
        int error = errno;
        mrb_free(mrb, database);
        errno = error;
        if (status == MMDB_FILE_OPEN_ERROR)
            mrb_sys_fail(mrb, path);
        raise_error(mrb, path, status);
    }
    mrb_data_init(self, database, &database_type);
    return self;
}

static mrb_value refuse_copy(mrb_state *mrb, mrb_value self)
{
    mrb_raisef(mrb, E_TYPE_ERROR, "can't copy %C", mrb_obj_class(mrb, self));
}

static mrb_value metadata(mrb_state *mrb, mrb_value self)
{
    MMDB_entry_data_list_s *list = NULL;
    MMDB_s *database = database_of(mrb, self);

    int status = MMDB_get_metadata_as_entry_data_list(database, &list);
    if (status != MMDB_SUCCESS) {
        MMDB_free_entry_data_list(list);
        raise_error(mrb, database->filename, status);
    }
    return record_take(mrb, list);
}

/* Text, or a number: the IPv4 address of this value. */
static union address parse_address(mrb_state *mrb, mrb_value given)
{
    union address address = { .any = { .sa_family = AF_INET } };

    if (mrb_integer_p(given) && mrb_integer(given) >= 0 && mrb_integer(given) <= UINT32_MAX) {
        address.v4.sin_addr.s_addr = htonl((uint32_t)mrb_integer(given));
        return address;
    }
    if (!mrb_string_p(given) && !mrb_integer_p(given))
        mrb_raisef(mrb, E_TYPE_ERROR, "an address must be a String, not %T", given);
    if (mrb_string_p(given) && memchr(RSTRING_PTR(given), '\0', (size_t)RSTRING_LEN(given)) == NULL) {
        const char *text = mrb_string_cstr(mrb, given);
        if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
            return address;
        address = (union address){ .v6 = { .sin6_family = AF_INET6 } };
        if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1)
            return address;
    }
    mrb_raisef(mrb, E_ARGUMENT_ERROR, "invalid address: %v", given);
}

/* The network of the record: the address without the bits that did not matter. */
static mrb_value network(mrb_state *mrb, const MMDB_s *database, const union address *address, int prefix)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    bool is_v4 = address->any.sa_family == AF_INET;
    int bits = is_v4 ? IPV4_BITS : IPV6_BITS;

    if (is_v4 && database->metadata.ip_version == 6)
        prefix = prefix > IPV6_BITS - IPV4_BITS ? prefix - (IPV6_BITS - IPV4_BITS) : 0;
    memcpy(bytes, is_v4 ? (const void *)&address->v4.sin_addr : &address->v6.sin6_addr, (size_t)bits / 8);
    for (int i = prefix; i < bits; i++)
        bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
    inet_ntop(address->any.sa_family, bytes, text, sizeof text);
    return mrb_format(mrb, "%s/%d", text, prefix);
}

/* find(address) -> Hash, empty when the database has nothing about the address */
static mrb_value find(mrb_state *mrb, mrb_value self)
{
    MMDB_entry_data_list_s *list = NULL;
    mrb_value given;
    int status;

    mrb_get_args(mrb, "o", &given);
    MMDB_s *database = database_of(mrb, self);
    union address address = parse_address(mrb, given);
    MMDB_lookup_result_s result = MMDB_lookup_sockaddr(database, &address.any, &status);
    if (status == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR || (status == MMDB_SUCCESS && !result.found_entry))
        return mrb_hash_new(mrb);
    if (status == MMDB_SUCCESS)
        status = MMDB_get_entry_data_list(&result.entry, &list);
    if (status == MMDB_SUCCESS && list->entry_data.type != MMDB_DATA_TYPE_MAP)
        status = MMDB_INVALID_DATA_ERROR;
    if (status != MMDB_SUCCESS) {
        MMDB_free_entry_data_list(list);
        raise_error(mrb, database->filename, status);
    }
    mrb_value record = record_take(mrb, list);
    if (!mrb_hash_empty_p(mrb, record))
        mrb_hash_set(mrb, record, mrb_str_new_lit_frozen(mrb, "network"),
                     network(mrb, database, &address, result.netmask));
    return record;
}

void mrb_mruby_maxminddb_gem_init(mrb_state *mrb);
void mrb_mruby_maxminddb_gem_final(mrb_state *mrb);

void mrb_mruby_maxminddb_gem_init(mrb_state *mrb)
{
    struct RClass *module = mrb_define_module(mrb, "MaxMindDB");
    struct RClass *client = mrb_define_class_under(mrb, module, "Client", mrb->object_class);

    MRB_SET_INSTANCE_TT(client, MRB_TT_CDATA);
    mrb_define_method(mrb, client, "initialize_copy", refuse_copy, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, client, "open", open_database, MRB_ARGS_REQ(1));
    mrb_define_method(mrb, client, "metadata", metadata, MRB_ARGS_NONE());
    mrb_define_method(mrb, client, "find", find, MRB_ARGS_REQ(1));
}

void mrb_mruby_maxminddb_gem_final(mrb_state *mrb)
{
    (void)mrb;
}
