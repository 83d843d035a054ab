/* What the model is, and what its training data meant by a number: constants, written by edge-lstm in facts.c. */
#ifndef EL_FACTS_H
#define EL_FACTS_H

#include "shape.h"

typedef struct {
    const char *version;
    const char *description;     /* one JSON object */
    const uint8_t *model;        /* (EL_DIGEST_BYTES) sha256 of the model file */
    const char *const *in_json;  /* (outputs) names as JSON strings */
    uint8_t labels;              /* outputs are labels, else values */
    uint8_t ahead;               /* a prediction is about a later step */
    uint8_t scored;              /* an anomaly model */
    int64_t horizon;             /* steps ahead; negative of a model that looks ahead, which speaks of steps before */
    double rate_hz;              /* 0: not known */
    double step;                 /* of an output code */
    int32_t zero;                /* output code */
    const double *target_offset; /* (outputs) physical unit */
    const double *target_scale;  /* (outputs) physical unit */
    const uint16_t *targets;     /* (outputs) channel that an output foretells */
    double smoothing, threshold; /* of the anomaly score */
    const double *low, *high;    /* (channels) physical values that the input codes tell apart */
    uint8_t holds;               /* training held missing values */
    uint8_t marks_missing;       /* missing_value stands for a missing one */
    double missing_value;
    int64_t max_hold;            /* steps in a row */
    char decimal;                /* sign */
    const char *const *time_columns;
    uint16_t time_column_count;  /* 0: the column `timestamp`, if there is one */
    const char *time_format;     /* of strptime; NULL: a number or ISO 8601 */
    uint8_t reads_times;         /* this program knows that format */
    double time_unit;            /* seconds */
} el_fact_sheet;

#define EL_DIGEST_BYTES 32

extern const el_fact_sheet el_facts;

#endif
