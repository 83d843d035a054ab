/* `-`: lines of standard input. */
#include <unistd.h>

#include "source.h"

static int open_pipe(el_source *source)
{
    source->handle = STDIN_FILENO;
    return 0;
}

static ssize_t fill_pipe(el_source *source)
{
    const ssize_t count = el_read_bytes(source, "start again");
    if (count == 0)
        source->rest = source->over = 1;
    return count;
}

const el_source_kind el_pipe_source = {"-", 0, 0, EL_AT_ANY_NEWLINE, open_pipe, fill_pipe};
