/*
 * kv_parts.h - what the files kv*.c share with each other, and with nobody else
 *
 * Job:      places, reading and searching records.
 */
#ifndef PP_STORE_KV_PARTS_H
#define PP_STORE_KV_PARTS_H

#include "store/kv.h"

/* Position of a key in kv->values, PP_KV_KEYS when this build does not have it; and back. */
uint32_t pp_kv_index(unsigned key);
unsigned pp_kv_key_at(uint32_t index);
/* Address on the medium of an offset in a half. */
uint32_t pp_kv_at(const struct pp_kv *kv, unsigned which, uint32_t offset);
/* The next sound record header at or behind *offset; *offset is moved behind the record. */
bool pp_kv_walk(const struct pp_kv *kv, unsigned which, uint32_t *offset,
                struct pp_kv_record *record);
/* Read a value, or the older one in its place, into `out`; false when there is none, or none that
 * `cap` bytes hold. */
bool pp_kv_fetch(struct pp_kv *kv, uint32_t index, void *out, size_t cap);
/* What lies at `offset` of half `which` cannot be read: count it, and have the value before in its
 * place, if there is any. */
void pp_kv_fall_back(struct pp_kv *kv, uint32_t index, unsigned which, uint32_t offset);

#endif
