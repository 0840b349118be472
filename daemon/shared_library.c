#include "shared_library.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own_program.h"
#include "strbuf.h"
#include "xalloc.h"

#define CACHE_SIZE_MAX ((size_t)16 << 20)

/* glibc's sysdeps/generic/dl-cache.h describes the file; the strings' places count from its beginning. */
#define CACHE_MAGIC "glibc-ld.so.cache1.1"

struct cache_header {
    char magic[sizeof CACHE_MAGIC - 1];
    uint32_t count;
    uint32_t strings_length;
    uint8_t flags;
    uint8_t padding[3];
    uint32_t extension;
    uint32_t unused[3];
};

struct cache_entry {
    int32_t flags;
    uint32_t soname;
    uint32_t path;
    uint32_t os_version;
    uint64_t hardware; /* not 0: for certain processors only */
};

static bool read_start(const char *path, void *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool got = pread(fd, bytes, size, 0) == (ssize_t)size;
    close(fd);
    return got;
}

/* Machines that run programs of several kinds have libraries of several kinds. */
static bool is_of_our_kind(const char *path)
{
    Elf64_Ehdr library, self;
    size_t size = offsetof(Elf64_Ehdr, e_version);
    return read_start(path, &library, size) && read_start(own_program(), &self, size) &&
           memcmp(library.e_ident, ELFMAG, SELFMAG) == 0 && library.e_ident[EI_CLASS] == self.e_ident[EI_CLASS] &&
           library.e_machine == self.e_machine;
}

static const char *string_at(const char *bytes, size_t length, uint32_t offset)
{
    return offset < length && memchr(bytes + offset, '\0', length - offset) ? bytes + offset : NULL;
}

const char *shared_library_in_cache(const char *bytes, size_t length, const char *soname, size_t *entry)
{
    struct cache_header header;
    if (length < sizeof header)
        return NULL;
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, CACHE_MAGIC, sizeof header.magic) != 0)
        return NULL;
    size_t room = (length - sizeof header) / sizeof(struct cache_entry);
    size_t count = header.count < room ? header.count : room;
    while (*entry < count) {
        struct cache_entry found;
        memcpy(&found, bytes + sizeof header + *entry * sizeof found, sizeof found);
        ++*entry;
        const char *name = string_at(bytes, length, found.soname);
        const char *path = string_at(bytes, length, found.path);
        if (name != NULL && path != NULL && found.hardware == 0 && strcmp(name, soname) == 0)
            return path;
    }
    return NULL;
}

static char *find_in_cache(const char *soname, const char *cache)
{
    char *result = NULL;
    int fd = open(cache, O_RDONLY | O_CLOEXEC);
    off_t length = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    if (length > 0 && (size_t)length <= CACHE_SIZE_MAX) {
        char *bytes = xcalloc(1, (size_t)length);
        ssize_t got = pread(fd, bytes, (size_t)length, 0);
        const char *path;
        size_t entry = 0;
        while (got > 0 && (path = shared_library_in_cache(bytes, (size_t)got, soname, &entry)) != NULL) {
            if (!is_of_our_kind(path))
                continue;
            result = xstrdup(path);
            break;
        }
        free(bytes);
    }
    if (fd >= 0)
        close(fd);
    return result;
}

static char *find_in_directory(const char *directory, size_t length, const char *soname)
{
    char *path = xasprintf("%.*s/%s", (int)length, directory, soname);
    if (length > 0 && is_of_our_kind(path))
        return path;
    free(path);
    return NULL;
}

/* Colons and semicolons separate. */
static char *find_in_path(const char *list, const char *soname)
{
    char *result = NULL;
    while (list != NULL && result == NULL) {
        size_t length = strcspn(list, ":;");
        result = find_in_directory(list, length, soname);
        list = list[length] != '\0' ? list + length + 1 : NULL;
    }
    return result;
}

char *shared_library_find(const char *soname, const char *library_path, const char *cache)
{
    Dl_info libc;
    char *result = find_in_path(library_path, soname);
    if (result == NULL)
        result = find_in_cache(soname, cache);
    /* A cache can be missing, or older than the library. */
    if (result == NULL && dladdr((const void *)gnu_get_libc_version, &libc) != 0 && strchr(libc.dli_fname, '/'))
        result = find_in_directory(libc.dli_fname, (size_t)(strrchr(libc.dli_fname, '/') - libc.dli_fname), soname);
    if (result == NULL)
        result = find_in_path("/lib64:/usr/lib64:/lib:/usr/lib", soname);
    return result;
}
