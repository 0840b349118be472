/*
 * Runs a file of Ruby with the interpreter that cowherd has, for comparisons with CRuby.
 */
#include <stdio.h>
#include <stdlib.h>

#include <mruby.h>
#include <mruby/compile.h>

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: run_ruby FILE\n");
        return 2;
    }
    mrb_state *mrb = mrb_open();
    mrb_ccontext *context = mrb_ccontext_new(mrb);
    mrb_ccontext_filename(mrb, context, argv[1]);
    mrb_load_file_cxt(mrb, file, context);
    fclose(file);
    int failed = mrb->exc != NULL;
    if (failed)
        mrb_print_error(mrb);
    mrb_ccontext_free(mrb, context);
    mrb_close(mrb);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
