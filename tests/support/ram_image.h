/*
 * ram_image.h - the cells of the flash in memory: what ram_flash.c and ram_power.c share
 *
 * Job:      change an image by one operation, in full or in part.
 * Not here: rules, faults, and when that happens (ram_flash.c).
 */
#ifndef PP_TEST_RAM_IMAGE_H
#define PP_TEST_RAM_IMAGE_H

#include "support/ram_flash.h"

/* `memory`, or abort when there is none. */
void *ram_memory(void *memory);
void ram_image_init(const struct ram_flash *f, struct ram_image *image);
void ram_image_free(struct ram_image *image);
/* All of an operation. */
void ram_apply(const struct ram_flash *f, struct ram_image *image, const struct ram_op *op);
/* Part of an operation, by f->seed. */
void ram_tear(struct ram_flash *f, struct ram_image *image, const struct ram_op *op);
/* The range of an operation as it is in another image. */
void ram_copy(const struct ram_flash *f, struct ram_image *to, const struct ram_image *from,
              const struct ram_op *op);
/* A failing operation: part of it happens now, and the note becomes one of what there is then. */
void ram_spoil(struct ram_flash *f, struct ram_op *op);
/* Let the weak bits of what was read from `address` waver. */
void ram_waver(struct ram_flash *f, uint64_t address, uint8_t *bytes, size_t len);
void ram_forget_ops(struct ram_flash *f);

#endif
