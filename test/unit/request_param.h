/*
 * request_param over a list "NAME=value", the last one of a name: for tests and benchmarks without a transport. Include
 * in one file of a program.
 */
#ifndef COWHERD_TEST_REQUEST_PARAM_H
#define COWHERD_TEST_REQUEST_PARAM_H

#include <stddef.h>
#include <string.h>

#include "request.h"

const char *request_param(const struct request *request, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;

    for (char **param = request->params; *param != NULL; param++) {
        if (strncmp(*param, name, length) == 0 && (*param)[length] == '=')
            value = *param + length + 1;
    }
    return value;
}

#endif
