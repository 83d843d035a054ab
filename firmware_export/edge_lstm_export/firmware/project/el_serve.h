/* The model behind a wire: requests come in as bytes, answers go out as frames.
 *
 * A request is answered once. The host repeats one whose answer it does not get, under the same sequence number, and then
 * gets the same answer again: the model does not step twice, whatever the wire loses. */
#ifndef EL_SERVE_H
#define EL_SERVE_H

#include "el_frame.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EL_PROTOCOL 1

/* Requests; an answer has 0x80 added, a refusal is EL_REFUSED with one byte that says why. */
enum {
    EL_INFO = 1,     /* -> protocol, self-test passed; channels, outputs, units, 2 bytes each; el_model_id */
    EL_RESET = 2,    /* zero state */
    EL_STEP = 3,     /* input codes -> output codes */
    EL_GET_STATE = 4, /* -> cell, then hidden, as in model.h */
    EL_SET_STATE = 5, /* the same back */
    EL_REFUSED = 0xff
};
enum { EL_UNKNOWN_KIND = 1, EL_WRONG_LENGTH = 2 };

#define EL_STATE_BYTES (sizeof(((el_state *)0)->cell) + sizeof(((el_state *)0)->hidden))
#define EL_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define EL_INFO_BYTES 17U
#define EL_FRAME_MOST                                                                                                  \
    (EL_FRAME_EXTRA + EL_LARGER(EL_LARGER(EL_STATE_BYTES, EL_INFO_BYTES),                                              \
                                EL_LARGER(sizeof(el_code) * EL_CHANNELS, sizeof(el_code) * EL_OUTPUTS)))

typedef struct {
    el_state state;
    uint8_t passed; /* the self-test */
    el_receiver receiver;
    uint8_t request[EL_FRAME_MOST];
    uint8_t reply[EL_FRAME_MOST];
    uint16_t reply_bytes; /* 0 before the first request */
    uint16_t answered;    /* CRC of the request that `reply` answers */
    uint8_t sequence;     /* of that request */
} el_server;

/* Runs the self-test and waits. */
void el_server_init(el_server *server);

/* One byte from the wire; the bytes of server->reply to send back, often 0. */
uint16_t el_server_take(el_server *server, uint8_t byte);

#ifdef __cplusplus
}
#endif

#endif
