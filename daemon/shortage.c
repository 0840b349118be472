#include "shortage.h"

#include <errno.h>
#include <string.h>

const char *shortage_text(int error)
{
    switch (error) {
    case EAGAIN:
        return "no more processes can be had; their number is limited by rlimits.nproc of the pool, by \"ulimit -u\", "
               "by TasksMax= of the unit, and by kernel.pid_max";
    case EMFILE:
        return "no more files can be opened; their number is limited by rlimits.nofile of the pool, by \"ulimit -n\" "
               "and by LimitNOFILE= of the unit";
    case ENFILE: return "no process can open more files; their number is limited by fs.file-max";
    case ENOMEM:
        return "no more memory can be had; it is limited by rlimits of the pool, by \"ulimit -v\", by MemoryMax= of "
               "the unit, and by what the machine has";
    default: return strerror(error);
    }
}
