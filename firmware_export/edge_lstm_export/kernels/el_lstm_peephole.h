/* LSTM with peepholes, in integers (arithmetic "native"). */
#ifndef EL_LSTM_PEEPHOLE_H
#define EL_LSTM_PEEPHOLE_H

#include "el_gated.h"

/* One layer. */
typedef struct {
    el_gated rows;           /* gates i f g o */
    const int16_t *peephole; /* (i f o, units): what c is multiplied with */
    uint8_t shift;           /* the product above 16 bits is Q.12 times 2^this */
} el_peepholes;

#ifdef __cplusplus
extern "C" {
#endif

/* layer->constants: an el_peepholes. Scratch: the rows over x, those over h. */
void el_lstm_peephole(const el_layer *layer, const el_layer_state *state, const int16_t *x);

#ifdef __cplusplus
}
#endif

#endif
