#include "el_frame.h"

uint16_t el_crc16(uint16_t crc, const uint8_t *bytes, uint16_t count)
{
    for (; count != 0; count--) {
        crc = (uint16_t)(crc ^ (uint16_t)(*bytes++ << 8));
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = (uint16_t)((uint16_t)(crc << 1) ^ ((crc & 0x8000U) ? 0x1021U : 0U));
    }
    return crc;
}

uint16_t el_frame_payload_bytes(const uint8_t *frame)
{
    return (uint16_t)(frame[1] | (uint16_t)(frame[2] << 8));
}

static void el_drop(el_receiver *receiver, uint16_t count)
{
    receiver->count = (uint16_t)(receiver->count - count);
    for (uint16_t k = 0; k < receiver->count; k++)
        receiver->bytes[k] = receiver->bytes[k + count];
}

/* 1 for a whole frame, 0 for one that still can become whole; what cannot is dropped byte by byte. */
static uint8_t el_scan(el_receiver *receiver)
{
    const uint8_t *const bytes = receiver->bytes;
    while (receiver->count != 0) {
        if (bytes[0] == EL_FRAME_START) {
            uint32_t all;
            if (receiver->count < EL_FRAME_HEAD)
                return 0;
            all = (uint32_t)el_frame_payload_bytes(bytes) + EL_FRAME_EXTRA;
            if (all <= receiver->capacity) {
                const uint16_t end = (uint16_t)(all - 2);
                if (receiver->count < all)
                    return 0;
                if (el_crc16(0xffff, bytes + 1, (uint16_t)(end - 1)) == (bytes[end] | (uint16_t)(bytes[end + 1] << 8)))
                    return 1;
            }
        }
        el_drop(receiver, 1);
    }
    return 0;
}

uint8_t el_frame_take(el_receiver *receiver, uint8_t byte)
{
    receiver->bytes[receiver->count++] = byte;
    return el_scan(receiver);
}

void el_frame_done(el_receiver *receiver)
{
    el_drop(receiver, (uint16_t)(el_frame_payload_bytes(receiver->bytes) + EL_FRAME_EXTRA));
}

uint16_t el_frame_close(uint8_t *frame, uint8_t sequence, uint8_t kind, uint16_t payload_bytes)
{
    const uint16_t end = (uint16_t)(EL_FRAME_HEAD + payload_bytes);
    uint16_t crc;
    frame[0] = EL_FRAME_START;
    frame[1] = (uint8_t)payload_bytes;
    frame[2] = (uint8_t)(payload_bytes >> 8);
    frame[3] = sequence;
    frame[4] = kind;
    crc = el_crc16(0xffff, frame + 1, (uint16_t)(end - 1));
    frame[end] = (uint8_t)crc;
    frame[end + 1] = (uint8_t)(crc >> 8);
    return (uint16_t)(end + 2);
}
