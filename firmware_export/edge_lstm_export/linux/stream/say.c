#include "say.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "digits.h"
#include "facts.h"

static char *put(char *to, const char *text)
{
    const size_t length = strlen(text);
    memcpy(to, text, length);
    return to + length;
}

static char *put_integer(char *to, int64_t value)
{
    return to + sprintf(to, "%" PRId64, value);
}

size_t el_say_text(char *to, const el_prediction *said)
{
    char *end = put_integer(put(to, "step "), said->step);
    if (el_facts.rate_hz != 0) {
        end = put(end, "  ");
        end += el_fixed(end, (double)said->step / el_facts.rate_hz, 3);
        end = put(end, " s");
    }
    if (el_facts.labels) {
        end = put(put(put(end, "  "), el_outputs[said->best]), " ");
        end += el_fixed(end, 100 * said->outputs[said->best], 1);
        end = put(end, " %");
    }
    if (el_facts.ahead)
        end = put_integer(put(end, "  for step "), said->step + el_facts.horizon);
    for (size_t k = 0; !el_facts.labels && k < EL_OUTPUTS; k++) {
        end = put(put(put(end, "  "), el_outputs[k]), " ");
        end += el_general(end, said->outputs[k], 6);
    }
    if (said->scored) {
        end = put(end, "  score ");
        end += el_general(end, said->score, 4);
    }
    if (said->anomaly)
        end = put(end, "  ANOMALY");
    *end++ = '\n';
    return (size_t)(end - to);
}

/* The object of all outputs by name. */
static char *put_outputs(char *to, const el_prediction *said, size_t (*number)(char *to, double value))
{
    for (size_t k = 0; k < EL_OUTPUTS; k++) {
        to = put(put(put(to, k == 0 ? "{" : ", "), el_facts.in_json[k]), ": ");
        to += number(to, said->outputs[k]);
    }
    return put(to, "}");
}

size_t el_say_json(char *to, const el_prediction *said)
{
    char *end = put_integer(put(to, "{\"step\": "), said->step);
    if (el_facts.rate_hz != 0) {
        end = put(end, ", \"time\": ");
        end += el_nine_digits(end, (double)said->step / el_facts.rate_hz);
    }
    if (el_facts.labels) {
        end = put(put(put(end, ", \"label\": "), el_facts.in_json[said->best]), ", \"probability\": ");
        end += el_six_places(end, said->outputs[said->best]);
        end = put_outputs(put(end, ", \"probabilities\": "), said, el_six_places);
    } else
        end = put_outputs(put(end, ", \"values\": "), said, el_nine_digits);
    if (el_facts.ahead)
        end = put_integer(put(end, ", \"for_step\": "), said->step + el_facts.horizon);
    if (said->scored) {
        end = put(end, ", \"score\": ");
        end += el_nine_digits(end, said->score);
        end = put(end, said->anomaly ? ", \"anomaly\": true" : ", \"anomaly\": false");
    }
    end = put(end, "}\n");
    return (size_t)(end - to);
}

/* Every core that there is a program for is little-endian. */
static char *put_bytes(char *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    return to + bytes;
}

size_t el_say_binary(char *to, const el_prediction *said)
{
    const uint32_t step = (uint32_t)said->step, anomaly = said->anomaly;
    const float score = said->scored ? (float)said->score : NAN;
    char *end = put_bytes(to, &step, sizeof step);
    for (size_t k = 0; k < EL_OUTPUTS; k++) {
        const float value = (float)said->outputs[k];
        end = put_bytes(end, &value, sizeof value);
    }
    if (el_facts.scored)
        end = put_bytes(put_bytes(end, &score, sizeof score), &anomaly, sizeof anomaly);
    return (size_t)(end - to);
}
