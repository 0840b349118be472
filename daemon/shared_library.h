/* Finding shared libraries where the dynamic linker would. */
#ifndef COWHERD_SHARED_LIBRARY_H
#define COWHERD_SHARED_LIBRARY_H

#include <stddef.h>

#define SHARED_LIBRARY_CACHE "/etc/ld.so.cache"

/*
 * The path of the library with this soname, for this program's kind of machine: in `library_path` (as LD_LIBRARY_PATH
 * has it; NULL: nowhere), in the dynamic linker's cache (a file; see ldconfig(8)), in its default directories. NULL
 * when there is none; free(3) it.
 */
char *shared_library_find(const char *soname, const char *library_path, const char *cache);

/*
 * What a cache says: the next path of `soname`, from entry *entry on, which moves behind it. NULL: no more, or the
 * bytes are no cache of the form that glibc has written since 2.2. The path is within `bytes`.
 */
const char *shared_library_in_cache(const char *bytes, size_t length, const char *soname, size_t *entry);

#endif
