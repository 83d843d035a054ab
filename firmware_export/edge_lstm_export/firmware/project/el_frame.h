/* Frames over a wire that loses, adds and changes bytes.
 *
 *   0xa5 | payload bytes, 2 | sequence | kind | payload | CRC, 2
 *
 * Numbers are little-endian. The CRC is CRC-16/CCITT-FALSE (polynomial 0x1021, from 0xffff) of everything between the
 * first byte and itself. A receiver that finds a wrong CRC looks for the next start in the bytes it holds, so a damaged
 * frame costs itself alone. */
#ifndef EL_FRAME_H
#define EL_FRAME_H

#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EL_FRAME_START 0xa5U
#define EL_FRAME_HEAD 5U
#define EL_FRAME_EXTRA 7U /* bytes around a payload */

/* Bytes that came in and are not yet taken for a frame. */
typedef struct {
    uint8_t *bytes; /* (capacity) of the caller; a frame at most */
    uint16_t capacity;
    uint16_t count;
} el_receiver;

uint16_t el_crc16(uint16_t crc, const uint8_t *bytes, uint16_t count);

/* One byte more. 1 when a whole frame begins at receiver->bytes; call el_frame_done before the next byte. */
uint8_t el_frame_take(el_receiver *receiver, uint8_t byte);
void el_frame_done(el_receiver *receiver);
uint16_t el_frame_payload_bytes(const uint8_t *frame);

/* Head and CRC around a payload that lies at frame + EL_FRAME_HEAD; returns the bytes of the whole frame. */
uint16_t el_frame_close(uint8_t *frame, uint8_t sequence, uint8_t kind, uint16_t payload_bytes);

#ifdef __cplusplus
}
#endif

#endif
