/*
 * What a mapping of a process is for, told from its line in /proc/PID/maps or smaps (proc(5)).
 */
#ifndef COWHERD_MAPPING_H
#define COWHERD_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

enum mapping_kind {
    MAPPING_REGION,    /* the frozen region */
    MAPPING_YOUNG,     /* what malloc took: [heap], and writable private memory without a name */
    MAPPING_STACK,     /* of the main thread */
    MAPPING_LIBRARIES, /* files: the program, its libraries, and their uninitialised data */
    MAPPING_OTHER,     /* shared memory, memfds, named or unwritable anonymous memory, the kernel's own */
    MAPPING_KINDS
};

struct mapping {
    uintptr_t start;
    uintptr_t end;
    enum mapping_kind kind;
    bool shared; /* a file or memfd whose pages are everybody's: nothing of it is the process's own */
};

/* Takes the lines of one file in their order. The region is [region_start, region_end), both 0: there is none. */
struct mapping_reader {
    uintptr_t region_start;
    uintptr_t region_end;
    uintptr_t file_end; /* the reader's own: where the mapping before ended, when it was one of a file */
};

/* false: the line (without its newline) does not begin a mapping. */
bool mapping_parse(struct mapping_reader *reader, const char *line, struct mapping *mapping);

#endif
