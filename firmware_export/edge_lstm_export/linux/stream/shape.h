/* Sizes of everything that is kept, known when the program is compiled: it asks for no memory while it runs. */
#ifndef EL_SHAPE_H
#define EL_SHAPE_H

#include "model.h"
#include "sizes.h" /* EL_SAID_BYTES of the longest prediction, EL_MOST_TIME_COLUMNS, EL_SELF_TEST_STEPS */

#define EL_WINDOWS (EL_WINDOW == 0 ? 1 : EL_WINDOW) /* steps, for a remainder */

#endif
